"""Background work that must not end unseen."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable

from shared.errors import TransientError

logger = logging.getLogger("gateway")


async def supervised(work: Callable[[], Awaitable[None]]) -> None:
    """Run it: a passing failure is tried again, any other ends the process, so that
    its supervisor and the log show it."""
    while True:
        try:
            await work()
        except TransientError as error:
            logger.warning("background work waits", extra={"work": work.__qualname__, "reason": error.message})
            await asyncio.sleep(1)
            continue
        except Exception:
            logger.critical("background work failed; the gateway ends", exc_info=True)
            os.kill(os.getpid(), signal.SIGTERM)
        return
