"""How long the stages of a job took: OCR (reading the document, whichever method), chunking, embedding, and all of it
(seed 004, checklist A4.13)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from shared.job import Job, StepName

TIMES = ("chunkingMs", "embeddingMs")
"""Counts of a job that are times."""


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; None for what was not done in this run, or has not ended. `chunking` and `embedding` are of the attempt
    that was accepted, `total` is from the start of the run's first step to its last change, without the wait before."""

    ocr: float | None
    chunking: float | None
    embedding: float | None
    total: float | None


def durations_of(job: Job) -> Durations:
    """Of the job's present run."""
    extract = job.step(StepName.EXTRACT) if any(row.name == StepName.EXTRACT for row in job.steps) else None
    ended = None if job.open else job.updated_at
    ran = extract is not None and not extract.skipped
    return Durations(
        ocr=_between(extract.started_at, extract.ended_at) if extract is not None and ran else None,
        chunking=_seconds(job.counts.get(TIMES[0])),
        embedding=_seconds(job.counts.get(TIMES[1])),
        total=_between(min((row.started_at for row in job.steps if row.started_at), default=None), ended),
    )


def content_of(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts without the times among them: a document's counts follow from its bytes alone."""
    return {name: count for name, count in counts.items() if name not in TIMES}


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return max((end - start).total_seconds(), 0.0) if start is not None and end is not None else None


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
