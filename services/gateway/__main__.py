"""`python -m services.gateway`: serve until SIGTERM, then drain."""

from __future__ import annotations

import os
import signal
import socket
import threading

import uvicorn
import uvloop

from services.gateway.app import application
from services.gateway.settings import GatewaySettings
from shared.adapters.trace_choice import close_tracing, open_tracing
from shared.log import configure
from shared.metrics import name_process
from shared.parent import watch

REQUESTS_SECONDS = 15
"""What requests under way are given at a stop."""

STOP_SECONDS = 40.0
"""Closing takes at most so long after the last request; what is left stays in the outbox."""


async def main() -> None:
    """Serve the gateway, on a listening socket handed over by a supervisor if there is one: such a socket keeps
    callers waiting, not refused, while this process is started again."""
    settings = GatewaySettings()
    configure("gateway", settings.log_level)
    open_tracing("gateway")
    name_process("gateway")
    async with application(settings) as app:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=REQUESTS_SECONDS,
            server_header=False,
        )
        server = uvicorn.Server(config)
        watch(lambda: server.handle_exit(signal.SIGTERM, None))
        handed = [socket.socket(fileno=settings.listen_fd)] if settings.listen_fd is not None else None
        await server.serve(sockets=handed)
        limit = threading.Timer(STOP_SECONDS, os._exit, [75])
        limit.daemon = True
        limit.start()
    await close_tracing()


if __name__ == "__main__":
    uvloop.run(main())
