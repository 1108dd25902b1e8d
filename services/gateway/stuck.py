"""Why a job does not move: the step, the reason, and what to do about it (checklist A1.34)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from shared.errors import CATALOGUE
from shared.job import Job, JobStatus, StepStatus
from shared.route import leg_of


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What is known around the job. `workers`: service -> pulls that wait for work, None when the broker cannot say."""

    now: datetime
    broker_ready: bool
    workers: dict[str, int | None]
    lease_seconds: float
    ahead: int = 0


class Diagnosis(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`stuck` is False when the job has ended well or moves as it should."""

    code: str
    stuck: bool
    step: str
    reason: str
    advice: str


def diagnose(job: Job, around: Surroundings) -> Diagnosis:
    """The first of these that fits, from the outside in."""
    if not job.open:
        return _ended(job)
    if job.waiting:
        return _said(
            "waiting_for_admission",
            "queue",
            f"{around.ahead} jobs of the library are in work; it has its share and this one waits in the queue.",
            "Wait, raise its priority, or raise SHADOWTWIN_MAX_ADMITTED_PER_LIBRARY.",
            stuck=False,
        )
    if job.lease is not None:
        return _leased(job, around)
    if job.outbox:
        return _untaken(job, around)
    return _said(
        "nothing_pending",
        _next_step(job),
        "Neither a worker nor an event is under way for it.",
        "Requeue the job; if this repeats, report it.",
    )


def _ended(job: Job) -> Diagnosis:
    if job.status == JobStatus.COMPLETED:
        return _said("completed", "none", "The job has completed.", "Nothing.", stuck=False)
    error = job.error
    code = error.code if error else "internal"
    hint = (error.hint if error else "") or CATALOGUE.get(code, CATALOGUE["internal"]).hint
    return _said(code, error.step if error else "", error.message if error else "The job has failed.", hint)


def _leased(job: Job, around: Surroundings) -> Diagnosis:
    assert job.lease is not None
    lease, step = job.lease, str(job.lease.step)
    silent = (around.now - lease.heartbeat_at).total_seconds()
    if around.now > lease.deadline_at:
        return _said(
            "past_deadline",
            step,
            f"The attempt of {lease.owner} has passed its deadline.",
            "The sweeper starts the next attempt within seconds; if it does not, check that a gateway is running.",
        )
    if silent > around.lease_seconds:
        return _said(
            "worker_silent",
            step,
            f"{lease.owner} has given no sign of life for {silent:.0f} s.",
            "The sweeper starts the next attempt within seconds; look at that worker's log.",
        )
    moved = max((entry["timestamp"] for entry in job.logs), default=lease.claimed_at)
    idle = (around.now - max(moved, lease.claimed_at)).total_seconds()
    if idle > QUIET_SECONDS:
        left = (lease.deadline_at - around.now).total_seconds()
        return _said(
            "no_progress",
            step,
            f"{lease.owner} is alive but has reported nothing for {idle:.0f} s.",
            f"It is ended in {left:.0f} s at the latest; cancel and requeue the job if that is too long.",
        )
    return _said("in_work", step, f"{lease.owner} works on attempt {job.attempt}.", "Wait.", stuck=False)


def _untaken(job: Job, around: Surroundings) -> Diagnosis:
    entry = job.outbox[0]
    if entry.at > around.now:
        left = (entry.at - around.now).total_seconds()
        if any(each["phase"] == "model_paused" for each in job.logs[-2:]):
            return _said(
                "waiting_for_model",
                _next_step(job),
                f"{_last_restart(job)} It goes on by itself in {left:.0f} s.",
                "Wait, or look after the endpoint that the reason names.",
                stuck=False,
            )
        return _said(
            "waiting_to_retry",
            _next_step(job),
            f"The last attempt failed in passing; the next one starts in {left:.0f} s. {_last_restart(job)}",
            "Wait, or mend what the reason names.",
            stuck=False,
        )
    if not around.broker_ready:
        return _said(
            "broker_away",
            _next_step(job),
            "The broker cannot be reached, so no worker can be told.",
            "Start NATS, or check SHADOWTWIN_NATS_URL; the job goes on by itself then.",
        )
    if entry.kind == "deliver":
        late = (around.now - entry.at) > timedelta(seconds=10)
        return _said(
            "delivery_waits" if late else "delivering",
            str(entry.data.get("step", "")),
            "Results are being published to storage and index." + (" That has not succeeded yet." if late else ""),
            "Check disk space, rights and the vector store; it is tried again by itself." if late else "Wait.",
            stuck=late,
        )
    service = leg_of(entry.subject).consumer
    pulls = around.workers.get(service)
    if pulls == 0:
        return _said(
            "no_worker",
            _next_step(job),
            f"No {service} is free to take {entry.subject}: none runs, or all are busy.",
            f"Start the {service} (or more of them), or wait for its present work.",
        )
    return _said("told", _next_step(job), f"{entry.subject} is told and waits for a {service}.", "Wait.", stuck=False)


QUIET_SECONDS = 60.0
"""Time without any report after which a living worker's step counts as stuck."""


def _next_step(job: Job) -> str:
    return next((str(step.name) for step in job.steps if step.status != StepStatus.COMPLETED), "none")


def _last_restart(job: Job) -> str:
    said = [str(entry.get("message", "")) for entry in job.logs if entry["phase"] == "restarted"]
    return f"({said[-1]})" if said else ""


def _said(code: str, step: str, reason: str, advice: str, *, stuck: bool = True) -> Diagnosis:
    return Diagnosis(code=code, stuck=stuck, step=step, reason=reason.strip(), advice=advice)


def timeline(job: Job) -> list[dict[str, Any]]:
    """Steps as bars: when each began and ended, how long it took, how long it waited before."""
    before, rows = job.created_at, []
    for step in job.steps:
        seconds = (step.ended_at - step.started_at).total_seconds() if step.started_at and step.ended_at else None
        waited = max((step.started_at - before).total_seconds(), 0.0) if step.started_at else None
        rows.append(
            {
                "step": step.name,
                "status": step.status,
                "skipped": step.skipped,
                "reason": step.reason,
                "startedAt": step.started_at,
                "endedAt": step.ended_at,
                "seconds": seconds,
                "waitedSeconds": waited,
            }
        )
        before = step.ended_at or before
    return rows
