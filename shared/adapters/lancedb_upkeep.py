"""When to compact a LanceDB table: search by text slows down with every row and every commit outside the index.

Runs beside the requests, never inside one: at once when the un-indexed tail is long, else when writing pauses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from shared.errors import TransientError

log = logging.getLogger("vectors.optimize")

LONG_TAIL = (2_000, 50)
"""Rows, commits since the last compaction that are too many to wait for a pause (5,000 rows cost a search 100 ms)."""
SHORT_TAIL = (200, 10)
"""Rows, commits that are worth a compaction once nothing is being written."""
STOP_SECONDS = 5.0


class Upkeep:
    """Calls `optimize` in the background; `note` tells it what was written by this process."""

    def __init__(self, optimize: Callable[[], Awaitable[None]], idle_seconds: float) -> None:
        self._optimize, self._idle_seconds = optimize, idle_seconds
        self._changed = asyncio.Event()
        self._rows = self._commits = 0
        self._task: asyncio.Task[None] | None = None
        self._busy: asyncio.Task[bool] | None = None

    def start(self) -> None:
        """Begin to watch; needs a running loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._watch(), name="vectors.optimize")

    async def stop(self) -> None:
        """End; a compaction that is running gets STOP_SECONDS."""
        if self._busy is not None:
            await asyncio.wait({self._busy}, timeout=STOP_SECONDS)
        for task in (self._task, self._busy):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        self._task = self._busy = None

    def note(self, rows: int) -> None:
        """One commit of `rows` rows was made."""
        self._rows += rows
        self._commits += 1
        self._changed.set()

    def _tail(self, limit: tuple[int, int]) -> bool:
        return self._rows >= limit[0] or self._commits >= limit[1]

    async def _watch(self) -> None:
        while True:
            await self._changed.wait()
            while not self._tail(LONG_TAIL) and self._changed.is_set():
                self._changed.clear()
                # not wait_for: before Python 3.12 it can swallow the cancellation of stop()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._idle_seconds):
                        await self._changed.wait()
            self._changed.clear()
            if self._tail(SHORT_TAIL):
                await self._run()

    async def _run(self) -> None:
        rows, commits = self._rows, self._commits
        self._busy = asyncio.create_task(self._attempt())
        # shielded, so that stop() can let it finish
        if await asyncio.shield(self._busy):
            self._rows -= rows
            self._commits -= commits
        else:
            await asyncio.sleep(self._idle_seconds)
            self._changed.set()

    async def _attempt(self) -> bool:
        try:
            await self._optimize()
        except TransientError:
            log.info("compaction was overtaken by writers, trying later")
            return False
        except Exception:  # whatever it is, search still works, only slower
            log.exception("compaction failed")
            return False
        return True
