"""Attempts whose work is done elsewhere: they wait beside the worker's places instead of holding one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from shared.events import JobEvent
from shared.ticket import Ticket

logger = logging.getLogger("aside")


class Aside:
    """`waits` says of which tickets the work is done elsewhere. Their message is dealt with when their step is claimed;
    if this process dies, the lease tells."""

    def __init__(self, waits: Callable[[Ticket], bool]) -> None:
        self.waits = waits
        self._running: dict[tuple[str, str, int], asyncio.Task[Any]] = {}

    def holds(self, event: JobEvent) -> bool:
        """Whether this very attempt runs here: a message that comes again must not claim it anew, because the new
        token would cost a second request."""
        return (event.job_id, event.process_id, event.attempt) in self._running

    def start(self, event: JobEvent, work: Coroutine[Any, Any, Any]) -> None:
        """Let it run beside."""
        key = (event.job_id, event.process_id, event.attempt)
        self._running[key] = task = asyncio.create_task(work)
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: tuple[str, str, int], task: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not task.cancelled() and task.exception() is not None:
            logger.error("an attempt ended badly", extra={"job": key[0]}, exc_info=task.exception())

    async def close(self) -> None:
        """Give everything back that still runs; what has just been taken is let begin, so that it can say so."""
        await asyncio.sleep(0)
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
