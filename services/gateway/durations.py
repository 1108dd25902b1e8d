"""How long the stages of a job took: OCR (reading the document, whichever method), chunking, embedding, and all of it
(seed 004, checklist A4.13)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from shared.job import Job, StepName


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds; None for what was not done in this run, or has not ended. `chunking` and `embedding` are of the attempt
    that was accepted, `total` is from the start of the run's first step to its last change, without the wait before."""

    ocr: float | None
    chunking: float | None
    embedding: float | None
    total: float | None


def durations_of(job: Job, now: datetime | None = None) -> Durations:
    """Of the job's present run; with `now`, of one that is about to end."""
    extract = job.step(StepName.EXTRACT) if any(row.name == StepName.EXTRACT for row in job.steps) else None
    ended = now or (None if job.open else job.updated_at)
    ran = extract is not None and not extract.skipped
    return Durations(
        ocr=_between(extract.started_at, extract.ended_at) if extract is not None and ran else None,
        chunking=_seconds(job.counts.get("chunkingMs")),
        embedding=_seconds(job.counts.get("embeddingMs")),
        total=_between(min((row.started_at for row in job.steps if row.started_at), default=None), ended),
    )


def milliseconds_of(job: Job, now: datetime) -> dict[str, int]:
    """The same as a document keeps it among its counts."""
    durations = durations_of(job, now)
    known = {"ocrMs": durations.ocr, "totalMs": durations.total}
    return {name: round(seconds * 1000) for name, seconds in known.items() if seconds is not None}


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return max((end - start).total_seconds(), 0.0) if start is not None and end is not None else None


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
