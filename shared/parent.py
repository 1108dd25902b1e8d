"""Ending with the supervisor: a service started by the local stack stops when that stack is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable


def watch(stop: Callable[[], None]) -> None:
    """Call `stop` when the pipe named by SHADOWTWIN_PARENT_FD is closed at its other end; without one do nothing."""
    number = os.environ.get("SHADOWTWIN_PARENT_FD")
    if not number:
        return
    loop, fd = asyncio.get_running_loop(), int(number)

    def ended() -> None:
        loop.remove_reader(fd)
        stop()

    loop.add_reader(fd, ended)
