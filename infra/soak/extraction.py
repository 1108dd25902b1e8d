"""The extract phase under a random mix of good and hostile PDFs for as long as one likes: everything must stay flat."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from infra.faults import bombs
from infra.faults.pdfs import Shelf
from infra.soak.footprint import Footprint, footprint, watched
from infra.soak.phase import Phase, Read, opened
from services.extractor.settings import ExtractorSettings
from shared.errors import CATALOGUE

SETTINGS: dict[str, Any] = {
    "page_seconds": 2.0,
    "slow_page_seconds": 2.0,
    "child_seconds": 12.0,
    "child_memory_bytes": 3 << 29,
}
"""Impatient, so that bombs cost little; a page of a good file takes some milliseconds."""
AT_ONCE = 2
GROWTH = {"memory_kib": 16 << 10, "descriptors": 2, "descendants": 0, "temporary": 0}
"""By how much the last samples may exceed the first ones after the warm-up (looking at /proc takes descriptors)."""


class Sample(NamedTuple):
    """A footprint taken between documents."""

    seconds: float
    documents: int
    footprint: Footprint


class Soak:
    """One run over `files`."""

    def __init__(
        self, folder: Path, files: Sequence[Path], seed: int = 1, at_once: int = AT_ONCE, method: str = "auto"
    ) -> None:
        self._folder, self._files, self._at_once, self._method = folder, list(files), at_once, method
        self._chance = random.Random(seed)
        self.samples: list[Sample] = []
        self.outcomes: Counter[str] = Counter()
        self.unlisted: list[str] = []
        self.slowest = ("", 0.0)
        self.child_kib = 0

    async def run(self, seconds: float, tell: Callable[[Sample], None] = lambda sample: None) -> dict[str, Any]:
        """Read until the time is over; the report."""
        settings = ExtractorSettings(**SETTINGS)
        started = time.monotonic()
        async with opened(self._folder, settings, self._method) as phase, watched() as peaks:
            while (left := seconds - (time.monotonic() - started)) > 0:
                # All have ended when a sample is taken: what is open then belongs to nobody.
                await self._burst(phase, min(left, max(1.0, seconds / 60)))
                now = await asyncio.to_thread(footprint, self._folder)
                sample = Sample(round(time.monotonic() - started, 1), sum(self.outcomes.values()), now)
                self.samples.append(sample)
                tell(sample)
        self.child_kib = peaks.child_kib
        return self.report(settings)

    async def _burst(self, phase: Phase, seconds: float) -> None:
        end = time.monotonic() + seconds

        async def read() -> None:
            while time.monotonic() < end:
                pdf = self._chance.choice(self._files)
                self._note(pdf, await phase.read(pdf))

        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(read())

    def _note(self, pdf: Path, read: Read) -> None:
        self.outcomes[read.code] += 1
        if read.code != "ok" and (read.code not in CATALOGUE or read.code in ("internal", "unavailable")):
            self.unlisted.append(f"{pdf.name}: {read.code} {read.message}")
        if read.seconds > self.slowest[1]:
            self.slowest = (pdf.name, round(read.seconds, 2))

    def report(self, settings: ExtractorSettings) -> dict[str, Any]:
        """Figures, and `flat`: nothing has grown, nothing was left behind, everything ended with a listed code."""
        rest = self.samples[len(self.samples) // 5 :] or self.samples  # the first fifth warms up
        part = max(1, len(rest) // 4)
        early, late = rest[:part], rest[-part:]

        def grown(field: str) -> float:
            before, after = ([float(getattr(s.footprint, field)) for s in some] for some in (early, late))
            return median(after) - median(before)

        flat = all(grown(field) <= GROWTH[field] for field in Footprint._fields)
        return {
            "documents": sum(self.outcomes.values()),
            "seconds": self.samples[-1].seconds if self.samples else 0.0,
            "outcomes": dict(self.outcomes.most_common()),
            "unlisted": self.unlisted[:20],
            "slowest": {"file": self.slowest[0], "seconds": self.slowest[1]},
            "first": early[0].footprint._asdict() if early else {},
            "last": late[-1].footprint._asdict() if late else {},
            "memoryGrowthKiB": grown("memory_kib"),
            "childPeakKiB": self.child_kib,
            "childLimitKiB": settings.child_memory_bytes >> 10,
            "flat": flat and not self.unlisted,
        }


def mix(folder: Path, corpora: Sequence[Path] = (), *, slow: bool = True) -> list[Path]:
    """Good files and bombs made in `folder`, and the PDFs below `corpora`."""
    made = bombs.write(folder / "bombs")
    hostile = [path for path, bomb in made.items() if slow or not bomb.slow]
    good = Shelf(folder / "good").some(1, 12, pages=6)
    return good + hostile + sorted(found for corpus in corpora for found in corpus.rglob("*.pdf"))
