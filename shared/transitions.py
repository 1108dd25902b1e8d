"""Every way a job may change: rows of TRANSITIONS, applied by the one pure function `decide`.

`decide(job, command, now)` gives the next job or raises Refused; it does no I/O and reads no clock, so a lost
compare-and-swap is answered by reading again and deciding again. `now` is the store's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, NamedTuple

from msgspec.structs import replace

from shared import route
from shared.commands import (
    Admit,
    Advance,
    Cancel,
    Claim,
    Command,
    Delivered,
    Fail,
    Note,
    Release,
    Report,
    Requeue,
    Restart,
    Settle,
    Told,
    is_mark,
)
from shared.edits import (
    Refused,
    failure,
    finished,
    logged,
    shown,
    undelivered,
    with_costs,
    with_event,
    with_meta,
    with_quality_pass,
    with_step,
    with_template_picked,
)
from shared.errors import CATALOGUE
from shared.events import event_id
from shared.job import Job, JobStatus, Lease, OutboxEntry, Result, StepName, StepStatus
from shared.runs import requeue_start, requeued
from shared.stages import closed, given_back, with_stages

__all__ = ["TRANSITIONS", "Refused", "admitted", "decide", "requeue_start"]

COALESCED = timedelta(seconds=1)
"""Page progress is logged once in this time."""

LAST = (StepName.INGEST, StepName.QUALITY)
"""Steps that end their job."""

NEXT_SUBJECT: dict[str, str] = {
    StepName.EXTRACT: route.PDF_EXTRACTED,
    StepName.TRANSFORM: route.TEMPLATE_DONE,
}


def decide(job: Job, command: Command, now: datetime) -> Job:
    """The job after the command, if it is admitted."""
    changed = replace(admitted(job, command).change(job, command, now), updated_at=now)
    return changed if command.callback_ids is None else replace(changed, callback_ids=command.callback_ids)


def admitted(job: Job, command: Command) -> Move:
    """The command's row of TRANSITIONS; raises Refused. Guards in this order: run, terminal state, attempt, step."""
    move = TRANSITIONS[type(command)]
    if command.process_id != job.process_id:
        raise Refused("stale_process")
    if job.status not in move.job:
        raise Refused("terminal" if not job.open else "not_running")
    if command.attempt is not None and command.attempt != job.attempt:
        raise Refused("stale_attempt")
    if move.step is not None and all(step.name != command.step for step in job.steps):
        raise Refused("no_such_step")
    if move.step is not None and job.step(command.step).status not in move.step:
        raise Refused("settled" if job.step(command.step).status == StepStatus.COMPLETED else "not_running")
    return move


def _admit(job: Job, command: Admit, now: datetime) -> Job:
    if job.admitted_at is not None:
        raise Refused("already_admitted")
    step = requeue_start(job)
    return with_event(replace(job, admitted_at=now), route.subject_starting(step), step, now)


def _claim(job: Job, command: Claim, now: datetime) -> Job:
    step = job.step(command.step)
    if not finished(job, job.steps[: job.steps.index(step)]):
        raise Refused("not_ready")
    if step.status == StepStatus.RUNNING and not (job.lease and job.lease.owner == command.owner):
        raise Refused("busy")
    first = with_step(job, command.step, status=StepStatus.RUNNING, started_at=step.started_at or now)
    if command.step == StepName.TRANSFORM:
        first = with_template_picked(first, now)
    lease = Lease(
        owner=command.owner, step=command.step, claimed_at=now, heartbeat_at=now, deadline_at=command.deadline_at
    )
    # Also template.done: if the step was claimed by a message of its own, nobody needs to ask for it any more.
    waiting = [entry for entry in job.outbox if entry.kind != "event" or not route.leg_of(entry.subject).consumer]
    return replace(
        first,
        status=JobStatus.RUNNING,
        job_secret_hash=command.secret_hash,
        lease=lease,
        outbox=waiting,
        error=None,
        callback_ids=[],
    )


def _report(job: Job, command: Report, now: datetime) -> Job:
    job = with_costs(job, command.step, command.costs)
    if command.checkpoint is not None:
        job = replace(job, checkpoint={str(command.step): command.checkpoint})
    job = with_stages(job, command.step, command.stages, now)
    if job.lease is not None:
        heard = max(job.lease.heartbeat_at, now)
        job = replace(job, lease=replace(job.lease, heartbeat_at=heard, reports=job.lease.reports + 1))
    entries = [] if command.coalesced and _page_progress_since(job, now - COALESCED) else command.entries
    return shown(
        _logged_once(job, now, entries),
        command.step,
        command.percent,
        command.pages_done,
        command.pages_total,
        command.message,
    )


def _logged_once(job: Job, now: datetime, entries: list[dict[str, Any]]) -> Job:
    """The job with those entries that it has not logged yet: our workers number theirs (`n`) within an attempt and
    send them again when an answer was lost."""
    known = job.lease.reported if job.lease else 0
    fresh = [entry for entry in entries if int(entry.get("n", known + 1)) > known]
    if job.lease is not None:
        newest = max([known, *(int(entry.get("n", 0)) for entry in fresh)])
        job = replace(job, lease=replace(job.lease, reported=newest))
    return logged(job, now, *({key: value for key, value in entry.items() if key != "n"} for entry in fresh))


def _page_progress_since(job: Job, moment: datetime) -> bool:
    recent = takewhile(lambda entry: bool(entry["timestamp"] > moment), reversed(job.logs))
    return any(not is_mark(entry) for entry in recent)


def _settle(job: Job, command: Settle, now: datetime) -> Job:
    job = replace(with_costs(job, command.step, command.costs), paid=[])
    job = _logged_once(job, now, command.entries)
    job = closed(with_stages(job, command.step, command.stages, now), command.step, now)
    job = with_step(
        job,
        command.step,
        status=StepStatus.COMPLETED,
        ended_at=now,
        skipped=command.skipped,
        reason=command.reason,
    )
    job = shown(replace(job, lease=None, checkpoint={}), command.step, 100.0)
    job = replace(job, warnings=[*job.warnings, *command.warnings], counts={**job.counts, **command.counts})
    if command.payload is not None:
        job = replace(job, payload=command.payload)
    if command.meta is not None:
        job = with_meta(job, command.meta, "template_transform", now)
    if command.skipped and command.step != StepName.INGEST:  # of which the delivery settles the document's state
        return _after_delivery(job, command.step, now)
    if not command.skipped:
        job = replace(job, outputs={**job.outputs, command.step: command.outputs})
    if command.step == StepName.EXTRACT:
        job = with_step(job, StepName.STORE, status=StepStatus.RUNNING, started_at=now)
    eid = event_id(job.job_id, job.process_id, command.step, job.attempt, "deliver")
    delivery = OutboxEntry(event_id=eid, kind="deliver", at=now, data={"step": str(command.step), **command.facts})
    return replace(job, outbox=[*job.outbox, delivery])


def _delivered(job: Job, command: Delivered, now: datetime) -> Job:
    if not any(entry.event_id == command.event_id for entry in job.outbox):
        raise Refused("settled")
    job = replace(job, outbox=[entry for entry in job.outbox if entry.event_id != command.event_id])
    job = logged(job, now, *command.entries)
    job = replace(job, counts={**job.counts, **command.counts})
    if command.saved is not None:
        items = command.saved if not job.result else [*job.result.saved_items, *command.saved]
        job = replace(job, result=Result(saved_item_id=command.saved[0], saved_items=list(dict.fromkeys(items))))
    if command.ingestion is not None:
        job = replace(job, ingestion=command.ingestion)
    return _after_delivery(job, command.step, now)


def _after_delivery(job: Job, step: str, now: datetime) -> Job:
    """A phase's results are where they belong: close its bookkeeping and tell the next one."""
    if step == StepName.EXTRACT:
        skipped = job.step(step).skipped
        job = with_step(job, StepName.STORE, status=StepStatus.COMPLETED, ended_at=now, skipped=skipped)
        job = shown(job, StepName.STORE, 100.0)
    job = replace(job, attempt=1, losses=0)
    if step in LAST:
        job = logged(job, now, {"phase": "completed", "message": "All planned phases have ended.", "progress": 100})
        job = shown(replace(job, status=JobStatus.COMPLETED), step, 100.0)
        if step == StepName.INGEST:
            job = with_event(job, route.INGEST_DONE, step, now)
        return with_quality_pass(with_event(job, route.JOB_COMPLETED, step, now), now)
    return with_event(job, NEXT_SUBJECT[step], step, now)


def _advance(job: Job, command: Advance, now: datetime) -> Job:
    if not finished(job, job.steps[: job.steps.index(job.step(command.step))]):
        raise Refused("not_ready")
    waiting = [entry for entry in job.outbox if entry.subject != command.after]
    return with_event(replace(job, outbox=waiting), route.subject_starting(command.step), command.step, now)


def _note(job: Job, command: Note, now: datetime) -> Job:
    return logged(job, now, *command.entries)


def _told(job: Job, command: Told, now: datetime) -> Job:
    return replace(job, outbox=[entry for entry in job.outbox if entry.event_id not in command.event_ids])


def _restart(job: Job, command: Restart | Release, now: datetime) -> Job:
    job = with_step(job, command.step, status=StepStatus.PENDING)
    delay, lost = timedelta(0), True
    if isinstance(command, Release):
        job = with_costs(_logged_once(job, now, command.entries), command.step, command.costs)
        delay, lost = timedelta(seconds=command.delay), command.lost
        job = with_stages(job, command.step, command.stages, now)
    job = given_back(job, command.step)
    job = replace(job, attempt=job.attempt + 1, losses=job.losses + lost, lease=None, job_secret_hash="")
    job = logged(job, now, {"phase": "restarted", "message": command.reason, "step": command.step})
    return with_event(job, route.subject_starting(command.step), command.step, now + delay)


def _fail(job: Job, command: Fail, now: datetime) -> Job:
    error, lost = command.error, undelivered(job)
    if finished(job, [job.step(command.step)]):
        raise Refused("settled")
    job = with_stages(job, command.step, command.stages, now)
    job = logged(
        _logged_once(with_costs(job, command.step, command.costs), now, command.entries),
        now,
        {"phase": "failed", "message": error.message, "code": error.code, "hint": error.hint, "step": command.step},
    )
    for step in job.steps:
        if step.status == StepStatus.RUNNING or step.name == command.step or step.name in lost:
            job = with_step(job, step.name, status=StepStatus.FAILED, ended_at=now, reason=error.code)
    job = replace(job, status=JobStatus.FAILED, error=error, lease=None, outbox=[])
    return with_event(job, route.JOB_FAILED, command.step, now)


def _cancel(job: Job, command: Cancel, now: datetime) -> Job:
    step = next((row.name for row in job.steps if row.status != StepStatus.COMPLETED), StepName.INGEST)
    error = failure(step, "cancelled", "cancelled", command.reason, CATALOGUE["cancelled"].hint)
    return _fail(replace(job, job_secret_hash=""), Fail(process_id=job.process_id, step=step, error=error), now)


class Move(NamedTuple):
    """When a command is allowed, and what it does."""

    job: frozenset[JobStatus]
    step: frozenset[StepStatus] | None
    change: Callable[[Job, Any, datetime], Job]


_OPEN = frozenset({JobStatus.QUEUED, JobStatus.RUNNING})
_RUNNING = frozenset({JobStatus.RUNNING})
_ANY = frozenset(JobStatus)
_STEP_RUNNING = frozenset({StepStatus.RUNNING})

TRANSITIONS: dict[type, Move] = {
    Admit: Move(frozenset({JobStatus.QUEUED}), None, _admit),
    Claim: Move(_OPEN, frozenset({StepStatus.PENDING, StepStatus.RUNNING}), _claim),
    Report: Move(_RUNNING, _STEP_RUNNING, _report),
    Settle: Move(_RUNNING, _STEP_RUNNING, _settle),
    Delivered: Move(_RUNNING, None, _delivered),
    Advance: Move(_RUNNING, frozenset({StepStatus.PENDING}), _advance),
    Restart: Move(_RUNNING, _STEP_RUNNING, _restart),
    Release: Move(_RUNNING, _STEP_RUNNING, _restart),
    Fail: Move(_OPEN, None, _fail),
    Told: Move(_ANY, None, _told),
    Note: Move(_ANY, None, _note),
    Cancel: Move(_OPEN, None, _cancel),
    Requeue: Move(_ANY, None, requeued),
}
