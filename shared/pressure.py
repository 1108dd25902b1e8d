"""Memory pressure: a worker with work in hand takes no more while most of the memory is in use (checklist A1.26)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

logger = logging.getLogger("worker")

LOOK_SECONDS = 1.0


def used_share(root: Path = Path("/")) -> float:
    """Share of the memory in use, 0 to 1: of the container where it has a limit, else of the machine; 0 where nobody
    says. What the kernel could drop at once (file cache) does not count."""
    with contextlib.suppress(OSError, ValueError):
        group = root / "sys/fs/cgroup"
        most = int((group / "memory.max").read_text())
        droppable = _fields(group / "memory.stat")["inactive_file"]
        return (int((group / "memory.current").read_text()) - droppable) / most
    with contextlib.suppress(OSError, ValueError, KeyError):
        fields = _fields(root / "proc/meminfo")
        return 1 - fields["MemAvailable:"] / fields["MemTotal:"]
    return 0.0


def _fields(path: Path) -> dict[str, int]:
    """`name number ...` lines."""
    return {line.split()[0]: int(line.split()[1]) for line in path.read_text().splitlines() if len(line.split()) > 1}


class Pressure:
    """Of one process. Above `limit` a piece of work waits while others are in hand: their end is what frees memory.
    With nothing in hand it is taken all the same, since waiting would free nothing."""

    def __init__(
        self, limit: float, used: Callable[[], float] = used_share, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._limit, self._used, self._look_seconds = limit, used, look_seconds
        self._in_hand = 0

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for one piece of work, waited for."""
        told = False
        while self._in_hand and self._used() > self._limit:
            if not told:
                logger.warning("memory is short: no more work is taken for now", extra={"inHand": self._in_hand})
                told = True
            await asyncio.sleep(self._look_seconds)
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1
