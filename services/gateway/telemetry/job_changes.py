"""What a stored change of a job means for metrics and traces.

Whoever wins the compare-and-swap calls `changed` once, so that every phase and every run is counted and traced by one
gateway alone, whichever workers were killed meanwhile. The trace of a run follows from its id (shared/tracing.py).
"""

from __future__ import annotations

from datetime import datetime

from services.gateway.telemetry import counters
from shared import tracing
from shared.job import QUALITY_PASS, Job, Step, StepStatus
from shared.stages import STEP_OF

_ENDED = (StepStatus.COMPLETED, StepStatus.FAILED)


def created(job: Job, cause: Job | None = None) -> None:
    """A job was made: its first run begins. `cause` is the job whose quality pass it is."""
    counters.run_started("quality" if job.operation == QUALITY_PASS else "job")
    tracing.current().begun(job.process_id, _attributes(job), cause.process_id if cause else "")


def changed(before: Job, after: Job) -> None:
    """A change was stored. Costs a few comparisons where nothing of it is counted."""
    if before.process_id != after.process_id:
        counters.run_started("requeue")
        tracing.current().begun(after.process_id, _attributes(after), before.process_id)
        if before.open:
            _run_ended(before, "superseded", "", after.updated_at)
        return
    if before.admitted_at is None and after.admitted_at is not None:
        counters.admitted()
    if after.attempt > before.attempt and before.lease is not None:
        counters.attempt_lost(before.lease.step, "lost" if after.losses > before.losses else "released")
    if before.steps is not after.steps:
        _steps(before, after)
    if before.open and not after.open:
        code = after.error.code if after.error else ""
        outcome = "cancelled" if code == "cancelled" else str(after.status)
        _run_ended(after, outcome, code, after.updated_at)


def _steps(before: Job, after: Job) -> None:
    known = {step.name: step for step in before.steps}
    for step in after.steps:
        was = known.get(step.name)
        if step.status in _ENDED and step.ended_at is not None and (was is None or was.status not in _ENDED):
            outcome = "skipped" if step.skipped else str(step.status)
            begun = step.started_at or step.ended_at
            counters.phase_ended(step.name, outcome, max((step.ended_at - begun).total_seconds(), 0.0))
            tracing.current().step_ended(
                after.process_id, step.name, STEP_OF.get(step.name, ""), begun, step.ended_at, outcome, _reason(step)
            )


def _reason(step: Step) -> str:
    """Why it failed or was skipped, as a code: reasons of others are free text."""
    return step.reason if step.reason.replace("_", "").isalnum() and len(step.reason) <= 60 else ""


def _run_ended(job: Job, outcome: str, code: str, at: datetime) -> None:
    begun = min((row.started_at for row in job.steps if row.started_at), default=None)
    counters.run_ended(outcome, code, (at - begun).total_seconds() if begun else None)
    former = job.runs[-1].process_id if job.runs else ""
    queued = job.runs[-1].ended_at if job.runs else job.created_at
    tracing.current().run_ended(job.process_id, _attributes(job), min(queued, at), at, outcome, code, former)


def _attributes(job: Job) -> dict[str, str]:
    """Ids only: no name, no address, no text."""
    return {
        "shadowtwin.job.id": job.job_id,
        "shadowtwin.run.id": job.process_id,
        "shadowtwin.document.id": job.document_id,
        "shadowtwin.library.id": job.library_id,
        "shadowtwin.operation": job.operation,
    }
