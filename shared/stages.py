"""Stages: the parts of a step's work that a job shows as steps of their own (products, images, records, links).

A stage runs inside the claim of its step: it has no message, lease or secret of its own, only a row in the job's
`steps`, which appears when the worker first reports it. A step that is settled leaves no stage open; one that is
given back or lost leaves its finished stages finished, because their results lie in the step's checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from shared.job import Job, Step, StepName, StepStatus

STEP_OF: dict[StepName, StepName] = {
    StepName.DISCOVER: StepName.TRANSFORM,
    StepName.IMAGES: StepName.TRANSFORM,
    StepName.RECORDS: StepName.TRANSFORM,
    StepName.REFINE: StepName.TRANSFORM,
    StepName.LINK: StepName.INGEST,
}
"""Which step's claim a stage runs in; the order here is the order of the rows behind that step."""

REASON_MOST = 500


class StageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker says about one stage, of which `fraction` (0-1) is done; saying it twice changes nothing."""

    name: StepName
    status: StepStatus
    skipped: bool = False
    reason: str = ""
    fraction: float = 0.0


def with_stages(job: Job, step: StepName, reports: Sequence[StageReport], now: datetime) -> Job:
    """The job after the reports of that step's stages; stages of other steps are nobody's to report and are left out.

    A finished stage does not start again within a run.
    """
    steps = list(job.steps)
    for report in reports:
        if STEP_OF.get(report.name) != step:
            continue
        at = next((i for i, row in enumerate(steps) if row.name == report.name), None)
        if at is None:
            at = _place(steps, report.name)
            steps.insert(at, Step(name=report.name))
        row = steps[at]
        if row.status == StepStatus.COMPLETED:
            continue
        ended = report.status in (StepStatus.COMPLETED, StepStatus.FAILED)
        steps[at] = replace(
            row,
            status=report.status,
            skipped=report.skipped,
            reason=report.reason[:REASON_MOST],
            started_at=row.started_at or now,
            ended_at=now if ended else None,
            fraction=1.0 if ended else max(row.fraction, min(report.fraction, 1.0)),
        )
    return replace(job, steps=steps)


def given_back(job: Job, step: StepName) -> Job:
    """The step starts again: its unfinished stages wait with it."""
    return _each(job, step, lambda row: row if _ended(row) else replace(row, status=StepStatus.PENDING))


def closed(job: Job, step: StepName, now: datetime) -> Job:
    """The step is settled: a stage that was not reported as finished has nothing more to do."""

    def close(row: Step) -> Step:
        if _ended(row):
            return row
        return replace(row, status=StepStatus.COMPLETED, skipped=True, reason="not_run", ended_at=now)

    return _each(job, step, close)


def phase_of(step: StepName) -> StepName:
    """The step that a message can ask for, which runs this one."""
    return StepName.EXTRACT if step == StepName.STORE else STEP_OF.get(step, step)


def _place(steps: Sequence[Step], name: StepName) -> int:
    """Behind the step it runs in and the stages that come before it there."""
    order = list(STEP_OF)
    before = {STEP_OF[name], *(n for n in order[: order.index(name)] if STEP_OF[n] == STEP_OF[name])}
    return max((at for at, row in enumerate(steps) if row.name in before), default=len(steps) - 1) + 1


def _each(job: Job, step: StepName, change: Callable[[Step], Step]) -> Job:
    return replace(job, steps=[change(row) if STEP_OF.get(row.name) == step else row for row in job.steps])


def _ended(row: Step) -> bool:
    return row.status in (StepStatus.COMPLETED, StepStatus.FAILED)
