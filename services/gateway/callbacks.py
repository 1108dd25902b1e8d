"""Callbacks: a worker's report, ours or a foreign one's, becomes a command. Order: secret, run, terminal state."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import msgspec

from services.gateway import secrets
from services.gateway.orchestrator import Orchestrator
from shared.commands import Claim, Command, Fail, Release, Report, Settle
from shared.errors import CATALOGUE
from shared.job import Artefact, Job, JobError, StepName, StepStatus
from shared.ports import JobStore
from shared.ticket import Callback, ClaimRequest, Ticket
from shared.transitions import Refused
from shared.twin import run_folder

logger = logging.getLogger("callbacks")

SERVICE_OF: dict[StepName, str] = {
    StepName.EXTRACT: "extractor",
    StepName.TRANSFORM: "transformer",
    StepName.INGEST: "ingestor",
}
"""Which service's credential opens which step."""


class Callbacks:
    """The one door by which workers change a job."""

    def __init__(
        self,
        jobs: JobStore,
        orchestrator: Orchestrator,
        credentials: dict[str, str],
        *,
        heartbeat_seconds: float,
        deadline_seconds: float,
        max_attempts: int,
    ) -> None:
        self._jobs, self._orchestrator, self._credentials = jobs, orchestrator, credentials
        self._heartbeat, self._deadline, self._max_attempts = heartbeat_seconds, deadline_seconds, max_attempts

    def check_service(self, token: str | None, step: StepName) -> None:
        """Raise Unauthorized unless this is the credential of the service that may run the step."""
        secrets.check(token, self._credentials.get(SERVICE_OF.get(step, ""), ""))

    async def claim(self, job_id: str, request: ClaimRequest) -> tuple[Job, str]:
        """Grant the step: the job as it is now, and the attempt's token. Raises Refused."""
        token = secrets.new_token()
        now = await self._jobs.now()
        command = Claim(
            process_id=request.process_id,
            attempt=request.attempt,
            step=request.step,
            owner=request.owner,
            secret_hash=secrets.hash_of(token),
            deadline_at=now + timedelta(seconds=self._deadline),
        )
        return await self._orchestrator.apply(job_id, command), token

    def ticket(self, job: Job, token: str, document: Any) -> Ticket:
        """What the worker gets of a granted claim."""
        assert job.lease is not None
        return Ticket(
            token=token,
            job_id=job.job_id,
            process_id=job.process_id,
            attempt=job.attempt,
            step=job.lease.step,
            heartbeat_seconds=self._heartbeat,
            deadline_seconds=self._deadline,
            document=document,
            parameters=job.parameters,
            output_prefix=run_folder(job.library_id, job.document_id, job.process_id, job.lease.step, job.attempt),
            checkpoint=job.checkpoint,
        )

    async def receive(self, job_id: str, token: str | None, body: Callback) -> Job:
        """Apply a report. Raises Unauthorized, Refused, or RequestError not_found; then nothing has changed."""

        def command(job: Job) -> Command:
            secrets.check(token, job.job_secret_hash)
            return self._command(job, body)

        return await self._orchestrator.apply(job_id, command)

    async def heartbeat(self, job_id: str, token: str | None, process_id: str, attempt: int) -> None:
        """Keep the lease. Raises Unauthorized or Refused."""
        job = await self._jobs.get(job_id)
        secrets.check(token, job.job_secret_hash if job else "")
        if not await self._jobs.heartbeat(job_id, process_id, attempt):
            raise Refused("stale_attempt")

    def _command(self, job: Job, body: Callback) -> Command:
        step = body.step or running_step(job)
        who: dict[str, Any] = {"process_id": body.process.id or job.process_id, "attempt": body.attempt, "step": step}
        if body.phase in ("failed", "error") or body.status == "error":
            return self._failure(job, body, who)
        if body.phase == "released":
            return Release(**who, reason=body.message or "The worker gave the step back.")
        if body.phase == "completed":
            return _settlement(body, who)
        entries = list(body.logs)
        if body.phase != "running" or not entries:
            entries.append(_entry(body))
        return Report(
            **who,
            entries=entries,
            percent=body.progress or 0.0,
            pages_done=body.pages_done,
            pages_total=body.pages_total,
            message=body.message,
        )

    def _failure(self, job: Job, body: Callback, who: dict[str, Any]) -> Command:
        error = body.error or {}
        code = str(error.get("code") or "worker_failed")
        message = str(error.get("message") or body.message or CATALOGUE["worker_failed"].message)[:2000]
        if error.get("retryable") and job.attempt < self._max_attempts:
            return Release(**who, reason=f"{code}: {message}", entries=body.logs, delay=2.0**job.attempt)
        fault = JobError(
            code=code,
            category=str(error.get("category") or "document"),
            step=who["step"],
            message=message,
            hint=str(error.get("hint") or ""),
            retryable=bool(error.get("retryable")),
        )
        return Fail(**who, error=fault, entries=body.logs)


def running_step(job: Job) -> StepName:
    """The step a report without a name means: the running one, else the first."""
    for step in job.steps:
        if step.status == StepStatus.RUNNING and step.name != StepName.STORE:
            return step.name
    return StepName.EXTRACT


def _settlement(body: Callback, who: dict[str, Any]) -> Settle:
    data = body.data
    outputs = msgspec.convert(data.get("outputs", {}), dict[str, Artefact])
    return Settle(
        **who,
        entries=body.logs,
        skipped=bool(data.get("skipped")),
        reason=str(data.get("reason", "")),
        outputs=outputs,
        facts=dict(data.get("facts", {})),
        counts=dict(data.get("counts", {})),
        warnings=list(data.get("warnings", [])),
        meta=data.get("meta"),
    )


def _entry(body: Callback) -> dict[str, Any]:
    entry: dict[str, Any] = {"phase": body.phase or "running", "message": body.message[:2000]}
    if body.progress is not None:
        entry["progress"] = min(max(body.progress, 0.0), 100.0)
    return entry
