"""`python -m shared.probe live|ready`: asks this container's own service over HTTP; exit code 0 for yes, 1 for no.

For health checks of containers, which have no curl. Standard library only, so that it costs little.
"""

from __future__ import annotations

import http.client
import os
import sys

SECONDS = 4.0


def holds(question: str, port: int) -> bool:
    """Whether the service on this machine's port answers /live or /ready with 200. No proxy is asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", f"/{question}")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    if sys.argv[1:] not in (["live"], ["ready"]):
        sys.exit("usage: python -m shared.probe live|ready")
    sys.exit(0 if holds(sys.argv[1], int(os.environ.get("SHADOWTWIN_PORT", "8080"))) else 1)
