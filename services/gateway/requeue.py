"""Requeue and cancel: a person (or an event published by hand) changes a job's course."""

from __future__ import annotations

import uuid

import msgspec

from services.gateway.orchestrator import Orchestrator
from shared.commands import Cancel, Command, Requeue
from shared.errors import RequestError
from shared.job import DELETION, Job, Policies, StepName
from shared.transitions import Refused, requeue_start

PHASES: dict[str, StepName] = {
    "extract": StepName.EXTRACT,
    "transform": StepName.TRANSFORM,
    "template": StepName.TRANSFORM,
    "metadata": StepName.TRANSFORM,
    "ingest": StepName.INGEST,
    "extract_pdf": StepName.EXTRACT,
    "transform_template": StepName.TRANSFORM,
    "ingest_rag": StepName.INGEST,
    "quality": StepName.QUALITY,
    "enhance_quality": StepName.QUALITY,
}
"""What a caller may call the phase to start from."""


class RequeueRequest(msgspec.Struct, frozen=True, rename={"start": "from"}, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/jobs/{id}/requeue`. `force` also ends a run that still lives."""

    start: str | None = None
    policies: Policies | None = None
    force: bool = False
    reason: str = ""


async def requeue(orchestrator: Orchestrator, job_id: str, request: RequeueRequest) -> Job:
    """Start a new run. Raises Refused (already_started, earlier_step_unfinished), RequestError, OpenJobExists."""
    if request.start is not None and request.start not in PHASES:
        raise RequestError("bad_request", f"from must be one of {', '.join(sorted(PHASES))}.")

    def command(job: Job) -> Command:
        _refuse_deletion(job)
        return Requeue(
            process_id=job.process_id,
            step=PHASES[request.start] if request.start else requeue_start(job),
            new_process_id=str(uuid.uuid4()),
            policies=request.policies,
            anyway=request.force,
            reason=request.reason[:500],
        )

    return await orchestrator.apply(job_id, command)


async def cancel(orchestrator: Orchestrator, job_id: str) -> Job:
    """End the run; its worker learns of it with its next heartbeat. Raises Refused when the job has ended."""

    def command(job: Job) -> Command:
        _refuse_deletion(job)
        return Cancel(process_id=job.process_id, reason="The job was cancelled on request.")

    return await orchestrator.apply(job_id, command)


def _refuse_deletion(job: Job) -> None:
    """A document's deletion has no phases, and it ends by itself."""
    if job.operation == DELETION:
        raise Refused("deletion")
