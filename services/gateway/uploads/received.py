"""Where what is being received lies until it is one of our documents."""

from __future__ import annotations

import os
import socket
import time

UPLOADS = "uploads"
DAY_SECONDS = 86_400


def place() -> str:
    """Where this process receives uploads: named so that a later one can tell that it is gone."""
    return f"{socket.gethostname()}~{os.getpid()}~{int(time.time())}"


def abandoned(place: str) -> bool:
    """Whether the process that received there is gone: surely on this host, after a day elsewhere."""
    host, _, rest = place.partition("~")
    pid, _, started = rest.partition("~")
    if not (pid.isdigit() and started.isdigit()):
        return True
    if host != socket.gethostname() or int(pid) == os.getpid():
        return host == socket.gethostname() or time.time() - int(started) > DAY_SECONDS
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return time.time() - int(started) > 30 * DAY_SECONDS
