"""Attempts whose work is done elsewhere: they wait beside the worker's places instead of holding one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from shared.ticket import Ticket


class Aside:
    """`waits` says of which tickets the work is done elsewhere. Their message is dealt with when their step is claimed;
    if this process dies, the lease tells."""

    def __init__(self, waits: Callable[[Ticket], bool]) -> None:
        self.waits = waits
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Let it run beside."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Give everything back that still runs; what has just been taken is let begin, so that it can say so."""
        await asyncio.sleep(0)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
