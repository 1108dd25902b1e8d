"""What this process takes from the machine, and the most that its descendants ever took. Linux: all from /proc."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from infra.faults import processes

SAMPLE_SECONDS = 0.05


class Footprint(NamedTuple):
    """Resident memory in KiB, open descriptors, descendants, and entries of a folder for temporary files."""

    memory_kib: int
    descriptors: int
    descendants: int
    temporary: int


def footprint(temporary: Path) -> Footprint:
    """Now; blocks for some milliseconds."""
    return Footprint(
        memory_kib=_status(os.getpid(), "VmRSS"),
        descriptors=len(os.listdir("/proc/self/fd")),
        descendants=len(processes.descendants(os.getpid())),
        temporary=sum(1 for _ in temporary.rglob("*")),
    )


class Peaks:
    """The largest resident memory of any descendant, in KiB, by looking often at the kernel's own high-water mark."""

    def __init__(self) -> None:
        self.child_kib = 0

    def look(self) -> None:
        """Look once at all of them."""
        for seen in processes.descendants(os.getpid()):
            self.child_kib = max(self.child_kib, _status(seen.pid, "VmHWM"))


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Peaks]:
    """Peaks that are kept up to date meanwhile."""
    peaks = Peaks()

    async def look() -> None:
        while True:
            await asyncio.to_thread(peaks.look)
            await asyncio.sleep(SAMPLE_SECONDS)

    looking = asyncio.create_task(look())
    try:
        yield peaks
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def _status(pid: int, field: str) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    return 0
