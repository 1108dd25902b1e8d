"""Where a job that asks for products stands in the pipeline of seed 001 (A1.2): six stages, each with its own band.

The source's stages follow one another; ours overlap. Pictures are looked at while products are described, before
anything is chunked. So every stage has a place in its own band, and the job shows the place of the first stage that
has not ended: all before it have, and what has run ahead of it is passed when its turn comes.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.bands import BANDS, overall
from shared.job import QUALITY_PASS, Job, JobStatus, Progress, Step, StepName, StepStatus
from shared.stages import STEP_OF

READING = 0.3
"""Share of stage 0 that is the reading of the PDF; the source reads it at the start of its discovery."""


def has_bands(job: Job) -> bool:
    """Whether the job shows these bands: from its start, or its progress would have to go back when a catalogue is
    found. A quality pass is nothing but stage 5."""
    return job.operation == QUALITY_PASS or job.parameters.products is True


def at_its_place(job: Job, progress: Progress) -> Job:
    """The job with this progress, its percent from the places of the stages; neither ever goes back within a run."""
    places, percent = [round(place, 1) for place in _places(job)], 0.0
    if job.progress is not None:
        percent = job.progress.percent
        places = [max(pair) for pair in zip(places, job.progress.stages or places, strict=True)]
    stage = next((at for at, place in enumerate(places) if place < BANDS[at][1]), len(BANDS) - 1)
    return replace(job, progress=replace(progress, percent=max(percent, places[stage]), stage=stage, stages=places))


def _places(job: Job) -> list[float]:
    """For each stage its percent of the whole: between the ends of its band."""
    return [overall(stage, done) for stage, done in enumerate(_done(job))]


def _done(job: Job) -> list[float]:
    """How much of each stage is done, 0-1."""
    rows: dict[str, Step] = {row.name: row for row in job.steps}
    if job.operation == QUALITY_PASS:
        return [1.0, 1.0, 1.0, 1.0, 1.0, _of(rows, StepName.QUALITY)]
    linking = StepName.LINK in rows and rows[StepName.LINK].status != StepStatus.PENDING
    return [
        READING * _of(rows, StepName.EXTRACT) + (1 - READING) * _of(rows, StepName.DISCOVER),
        _of(rows, StepName.TRANSFORM),
        1.0 if linking else _of(rows, StepName.INGEST),
        _of(rows, StepName.IMAGES),
        _of(rows, StepName.LINK),
        float(job.status == JobStatus.COMPLETED),  # the pass over low scores is a job of its own, if there is one
    ]


def _of(rows: dict[str, Step], name: StepName) -> float:
    """How much of a step or stage is done; a stage that never appeared is over when its step is."""
    row = rows.get(name)
    if row is None:
        step = STEP_OF.get(name)
        return float(step in rows and _ended(rows[step])) if step else 0.0
    return 1.0 if _ended(row) else row.fraction


def _ended(row: Step) -> bool:
    return row.status in (StepStatus.COMPLETED, StepStatus.FAILED)
