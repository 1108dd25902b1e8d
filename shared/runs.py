"""A new run of a job: what a requeue keeps, and where it starts (checklist A3.34)."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from shared.commands import Requeue
from shared.edits import Refused, finished, logged
from shared.job import Job, JobStatus, RunSummary, Step, StepName
from shared.stages import STEP_OF, phase_of

RUNS_KEPT = 20
"""Summaries of earlier runs kept in the document; the log keeps everything."""


def requeued(job: Job, command: Requeue, now: datetime) -> Job:
    """The job with a new identity, everything before the starting step kept. Raises Refused."""
    if job.open and not command.anyway and _heard_of(job, now, command.quiet_seconds):
        raise Refused("already_started")
    names = [step.name for step in job.steps]
    if command.step not in names:
        raise Refused("no_such_step")
    start = names.index(command.step)
    if not finished(job, job.steps[:start]):
        raise Refused("earlier_step_unfinished")
    summary = RunSummary(process_id=job.process_id, ended_at=now, status=job.status, steps=job.steps, error=job.error)
    steps = [
        replace(step, skipped=True, reason="kept_from_earlier_run") if at < start else Step(name=step.name)
        for at, step in enumerate(job.steps)
        if at < start or step.name not in STEP_OF  # stages of what runs again appear when they are reported again
    ]
    policies = command.policies or job.parameters.policies
    job = replace(
        job,
        process_id=command.new_process_id,
        job_secret_hash="",
        status=JobStatus.QUEUED,
        steps=steps,
        runs=[*job.runs, summary][-RUNS_KEPT:],
        parameters=replace(job.parameters, policies=policies),
        attempt=1,
        losses=0,
        lease=None,
        error=None,
        progress=None,
        outbox=[],
        outputs={name: files for name, files in job.outputs.items() if name in names[:start]},
        checkpoint={},
        paid=[],
        admitted_at=None,
    )
    return logged(job, now, {"phase": "requeued", "message": command.reason or f"from {command.step}"})


def _heard_of(job: Job, now: datetime, quiet_seconds: float) -> bool:
    return job.lease is not None and (now - job.lease.heartbeat_at).total_seconds() < quiet_seconds


def requeue_start(job: Job) -> StepName:
    """Where a requeue starts when nobody says: at the first unfinished step that a message can ask for."""
    for step in job.steps:
        if not finished(job, [step]):
            return phase_of(step.name)
    return phase_of(job.steps[0].name)
