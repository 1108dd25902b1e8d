"""Small changes of a job that the transitions are made of; pure, each gives a new job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from shared import pipeline
from shared.costs import Charge, Cost
from shared.events import event_id
from shared.job import (
    QUALITY_PASS,
    Job,
    JobError,
    MetaEntry,
    OutboxEntry,
    Progress,
    Step,
    StepName,
    StepStatus,
)
from shared.stages import STEP_OF

BANDS: dict[str, tuple[float, float]] = {
    StepName.EXTRACT: (0.0, 55.0),
    StepName.STORE: (55.0, 57.0),
    StepName.TRANSFORM: (57.0, 70.0),
    StepName.INGEST: (70.0, 100.0),
}
"""Share of the whole run that each step's own 0-100 fills in what a person is shown, unless the job asks for products
(shared.pipeline)."""


class Refused(Exception):
    """The command does not fit the job's present state; nothing changes. `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def logged(job: Job, now: datetime, *entries: dict[str, Any]) -> Job:
    """The job with entries appended to its log, numbered and stamped; timestamps never decrease."""
    if job.logs and job.logs[-1]["timestamp"] > now:
        now = job.logs[-1]["timestamp"]
    start = job.log_count
    rows = [{"seq": start + i, "timestamp": now, "run": job.process_id, **entry} for i, entry in enumerate(entries, 1)]
    return replace(job, logs=[*job.logs, *rows], log_count=start + len(rows))


def with_step(job: Job, name: str, **changes: Any) -> Job:
    """The job with one step changed."""
    return replace(job, steps=[replace(s, **changes) if s.name == name else s for s in job.steps])


def with_event(job: Job, subject: str, step: str, now: datetime) -> Job:
    """The job with an event in its outbox; an equal one that still waits is not doubled."""
    eid = event_id(job.job_id, job.process_id, step, job.attempt, subject)
    if any(entry.event_id == eid for entry in job.outbox):
        return job
    entry = OutboxEntry(event_id=eid, kind="event", at=now, subject=subject, data={"attempt": job.attempt})
    return replace(job, outbox=[*job.outbox, entry])


def with_quality_pass(job: Job, now: datetime) -> Job:
    """The ended job with a quality pass to be made of it, if it asked for one; a pass itself has none."""
    if not job.parameters.quality_pass or job.operation == QUALITY_PASS:
        return job
    eid = event_id(job.job_id, job.process_id, StepName.QUALITY, job.attempt, QUALITY_PASS)
    return replace(job, outbox=[*job.outbox, OutboxEntry(event_id=eid, kind=QUALITY_PASS, at=now)])


def shown(job: Job, step: str, percent: float, done: int = 0, total: int = 0, message: str = "") -> Job:
    """The job with its shown progress moved forward; it never goes back within a run."""
    fraction, before, bands = min(max(percent, 0.0), 100.0) / 100.0, job.progress, pipeline.has_bands(job)
    low, high = BANDS.get(step, (0.0, 100.0))
    overall = round(low + (high - low) * fraction, 1)
    reached = next((row.fraction for row in job.steps if row.name == step), 0.0)
    job = with_step(job, step, fraction=max(reached, fraction))
    if before and (fraction < reached if bands else overall < before.percent):
        return pipeline.at_its_place(job, before) if bands else job
    if before and before.pages_total and not total:
        done, total = before.pages_done, before.pages_total
    progress = Progress(step=step, percent=overall, pages_done=done, pages_total=total, message=message)
    return pipeline.at_its_place(job, progress) if bands else replace(job, progress=progress)


def undelivered(job: Job) -> set[str]:
    """The settled steps whose results are not published yet: nothing may build on them."""
    return {entry.data["step"] for entry in job.outbox if entry.kind == "deliver"}


def finished(job: Job, steps: Sequence[Step]) -> bool:
    """Whether all of these steps have ended well and their results are where the next step reads them. A stage that
    has failed holds nothing up: whether its step can end well without it is the step's own decision."""
    waiting = undelivered(job)
    return all(_ended_well(step) and step.name not in waiting for step in steps)


def _ended_well(step: Step) -> bool:
    failed_stage = step.status == StepStatus.FAILED and step.name in STEP_OF
    return step.status == StepStatus.COMPLETED or failed_stage


def with_meta(job: Job, meta: dict[str, Any], source: str, now: datetime) -> Job:
    """The job with one more entry of its metadata's history; the last one is always the consolidated state."""
    entry = MetaEntry(at=now, meta=meta, source=source)
    return replace(job, meta_history=[*job.meta_history, entry], cumulative_meta=meta)


def with_template_picked(job: Job, now: datetime) -> Job:
    """The job with its template in the metadata; a template that stands there already is no new state (A3.29)."""
    template = job.parameters.template
    if job.cumulative_meta.get("template") == template:
        return job
    return with_meta(job, {**job.cumulative_meta, "template": template}, "template_pick", now)


PAID_MOST = 5_000
"""Paid calls of a step that are told apart; a step with more is counted on without."""


def with_costs(job: Job, step: str, charges: Sequence[Charge]) -> Job:
    """The job with paid model calls added to its ledger, each once by its id."""
    rows = {(row.step, row.model, row.purpose): row for row in job.costs}
    paid = dict.fromkeys(job.paid)
    for charge in charges:
        if charge.id in paid:
            continue
        paid[charge.id] = None
        key = (str(step), charge.model, charge.purpose)
        row = rows.get(key) or Cost(step=key[0], model=charge.model, purpose=charge.purpose)
        rows[key] = replace(
            row,
            calls=row.calls + 1,
            tokens_in=row.tokens_in + charge.tokens_in,
            tokens_out=row.tokens_out + charge.tokens_out,
            usd=row.usd if charge.usd is None else round((row.usd or 0.0) + charge.usd, 9),
        )
    return replace(job, costs=list(rows.values()), paid=list(paid)[-PAID_MOST:])


def spent(job: Job) -> float:
    """USD that the job's model calls have cost so far, as far as prices are known."""
    return sum(row.usd or 0.0 for row in job.costs)


def new_steps() -> list[Step]:
    """The four steps of a fresh run, all pending. Stages appear when they are reported (shared.stages)."""
    return [Step(name=name) for name in (StepName.EXTRACT, StepName.STORE, StepName.TRANSFORM, StepName.INGEST)]


def failure(step: str, code: str, category: str, message: str, hint: str = "", *, retryable: bool = False) -> JobError:
    """A job error in one line."""
    return JobError(code=code, category=category, step=step, message=message, hint=hint, retryable=retryable)
