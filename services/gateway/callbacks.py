"""Callbacks: a worker's report, ours or a foreign one's, becomes a command. Order: secret, run, terminal state.

Everything that is decided here is decided on the job just read and stored by compare-and-swap on that very revision.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from services.gateway import secrets, signatures
from services.gateway.audit import AuditLog
from services.gateway.foreign import ForeignResults
from services.gateway.orchestrator import Orchestrator
from services.gateway.reports import MESSAGE_MOST, Finished, charges, finished, log_entries, progress_entry, text_of
from services.gateway.secrets import Unauthorized
from services.gateway.signatures import Signature
from shared.commands import Claim, Command, Fail, Release, Report, Settle, is_mark
from shared.edits import spent
from shared.errors import CATALOGUE, RequestError, TransientError
from shared.job import Job, JobError, Parameters, StepName, StepStatus
from shared.ports import JobStore
from shared.ticket import Callback, ClaimRequest, Ticket
from shared.transitions import Refused, admitted
from shared.twin import run_folder

T = TypeVar("T")

SERVICE_OF: dict[StepName, str] = {
    StepName.EXTRACT: "extractor",
    StepName.TRANSFORM: "transformer",
    StepName.INGEST: "ingestor",
    StepName.QUALITY: "transformer",
}
"""Which service's credential opens which step."""


FINAL = ("completed", "template_completed")
"""Phases that end a step; the second is what internal callbacks of the template step say."""

PAUSE_MOST = 3600.0
"""Seconds after which a step that was given back is tried again at the latest, whatever the worker says."""

PREPARED_AT_ONCE = 4
"""Foreign results whose files are written at the same time: each may hold a whole text in memory."""


class Credentials(NamedTuple):
    """What a callback came with. A signature, if there is one, decides alone."""

    tokens: tuple[str | None, ...] = ()
    signature: Signature | None = None
    internal: str | None = None
    source: str = ""

    @property
    def kind(self) -> str:
        """The strongest kind, for the audit log."""
        if self.signature is not None:
            return "signature"
        return "token" if any(self.tokens) else "internal" if self.internal else "none"


class Callbacks:
    """The one door by which workers change a job."""

    def __init__(
        self,
        jobs: JobStore,
        orchestrator: Orchestrator,
        credentials: dict[str, str],
        foreign: ForeignResults,
        audit: AuditLog,
        *,
        internal_hash: str = "",
        heartbeat_seconds: float,
        deadline_seconds: float,
        max_attempts: int,
    ) -> None:
        self._jobs, self._orchestrator, self._credentials = jobs, orchestrator, credentials
        self._foreign, self._audit, self._internal_hash = foreign, audit, internal_hash
        self._preparing = asyncio.Semaphore(PREPARED_AT_ONCE)
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
            parameters=_parameters_for(job),
            output_prefix=run_folder(job.library_id, job.document_id, job.process_id, job.lease.step, job.attempt),
            checkpoint=job.checkpoint.get(str(job.lease.step), {}),
            spent_usd=spent(job),
            paid=job.paid,
            correlation=job.correlation,
        )

    async def receive(self, job_id: str, credentials: Credentials, body: Callback | RequestError) -> Job:
        """Apply a report. Raises Unauthorized, Refused or RequestError; then nothing has changed.

        A body that could not be read is given as the error to raise: only who has the secret learns of it.
        """
        now = await self._jobs.now() if credentials.signature else None

        def checked(job: Job) -> Command:
            return self._checked(job, credentials, body, now)

        try:
            if isinstance(body, Callback) and _without_manifest(body):
                return await self._settle_foreign(job_id, body, checked)
            return await self._orchestrator.apply(job_id, checked)
        except Unauthorized:
            self._audit.refused(job_id, credentials.source, credentials.kind)
            raise

    async def _settle_foreign(self, job_id: str, body: Callback, checked: Callable[[Job], Command]) -> Job:
        """Check, write the files, and check again in the swap: fetching must take a secret, and it takes a while."""
        async with self._preparing:
            job = await self._jobs.get(job_id)
            if job is None:
                raise RequestError("not_found", "There is no such job.")
            report = checked(job)
            assert isinstance(report, Settle)
            prepared = await self._alive_while(job, self._foreign.settlement(job, report, body))

        def settled(current: Job) -> Command:
            return replace(prepared, callback_ids=checked(current).callback_ids)

        return await self._orchestrator.apply(job_id, settled)

    async def _alive_while(self, job: Job, work: Coroutine[Any, Any, T]) -> T:
        """The result of the gateway's own work for an attempt, whose lease is kept meanwhile."""
        working = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({working}, timeout=self._heartbeat))[0]:
                with contextlib.suppress(TransientError):
                    await self._jobs.heartbeat(job.job_id, job.process_id, job.attempt)
        finally:
            working.cancel()
        return working.result()

    def _checked(
        self, job: Job, credentials: Credentials, body: Callback | RequestError, now: datetime | None
    ) -> Command:
        """The command of a report that is authentic, readable, admitted and new."""
        internal = self._authenticate(job, credentials, now)
        if isinstance(body, RequestError):
            raise body
        command = self._command(job, body, body.process.id or ("" if internal else job.process_id))
        admitted(job, command)
        if credentials.signature is None:
            return command
        return replace(command, callback_ids=signatures.remembered(job.callback_ids, credentials.signature))

    def _authenticate(self, job: Job, credentials: Credentials, now: datetime | None) -> bool:
        """Whether it was the internal token that counted. Raises Unauthorized."""
        if credentials.signature is not None and now is not None:
            signatures.verify(credentials.signature, job.job_secret_hash, now)
            return False
        if secrets.matches(credentials.tokens, job.job_secret_hash):
            return False
        if job.worker != "internal" or running_step(job) != StepName.TRANSFORM:
            raise Unauthorized
        secrets.check(credentials.internal, self._internal_hash)
        return True

    async def authentic(self, job_id: str, token: str | None) -> Job:
        """The job of which this is the current attempt's token. Raises Unauthorized, for unknown jobs too."""
        job = await self._jobs.get(job_id)
        secrets.check(token, job.job_secret_hash if job else "")
        assert job is not None
        return job

    async def heartbeat(self, job_id: str, token: str | None, process_id: str, attempt: int) -> int:
        """Keep the lease; how many reports this attempt has had. Raises Unauthorized or Refused."""
        job = await self.authentic(job_id, token)
        if not await self._jobs.heartbeat(job_id, process_id, attempt):
            raise Refused("stale_attempt")
        return job.lease.reports if job.lease else 0

    def _command(self, job: Job, body: Callback, process_id: str) -> Command:
        step = body.step or running_step(job)
        if step == StepName.STORE:
            raise RequestError("bad_request", "No worker reports on store_shadow_twin.")
        if all(row.name != step for row in job.steps):
            raise RequestError("bad_request", f"The job has no step {step}.")
        who: dict[str, Any] = {
            "process_id": process_id,
            "attempt": body.attempt,
            "step": step,
            "costs": charges(body.costs),
            "stages": body.stages[: len(StepName)],
        }
        entries = log_entries(body.logs)
        if body.phase in ("failed", "error") or body.status in ("failed", "error"):
            return self._failure(job, body, who, entries)
        if body.phase == "released":
            reason = text_of(body.message) or "The worker gave the step back."
            delay = min(max(body.retry_after, 0.0), PAUSE_MOST)
            return Release(**who, reason=reason, entries=entries, lost=False, delay=delay)
        if body.phase in FINAL:
            return Settle(**who, entries=entries) if _without_manifest(body) else _settlement(job, body, who, entries)
        entry = progress_entry(body)
        own = bool(entries)
        if body.phase != "running" or not own:
            entries.append(entry)
        return Report(
            **who,
            entries=entries,
            coalesced=not own and not is_mark(entry),
            percent=body.progress or 0.0,
            pages_done=body.pages_done,
            pages_total=body.pages_total,
            message=text_of(body.message),
            checkpoint=body.checkpoint,
        )

    def _failure(self, job: Job, body: Callback, who: dict[str, Any], entries: list[dict[str, Any]]) -> Command:
        """A failure counts for a step that is being worked on: a late one cannot undo what was settled."""
        status = job.step(who["step"]).status
        if who["process_id"] == job.process_id and job.open and status != StepStatus.RUNNING:
            raise Refused("settled" if status == StepStatus.COMPLETED else "not_running")
        error = body.error or {}
        given = error.get("code")
        code = (text_of(given, 100) if isinstance(given, str) else "") or "worker_failed"
        message = text_of(error.get("message") or body.message) or CATALOGUE["worker_failed"].message
        if error.get("details"):
            entries += log_entries([{"phase": "error", "message": message, "details": error["details"]}])
        if error.get("retryable") and job.losses + 1 < self._max_attempts:
            return Release(**who, reason=f"{code}: {message}", entries=entries, delay=2.0 ** (job.losses + 1))
        fault = JobError(
            code=code,
            category=text_of(error.get("category"), 50) or "document",
            step=who["step"],
            message=message,
            hint=text_of(error.get("hint"), MESSAGE_MOST),
            retryable=bool(error.get("retryable")),
        )
        return Fail(**who, error=fault, entries=entries)


def running_step(job: Job) -> StepName:
    """The step a report without a name means: the running one, else the first."""
    for step in job.steps:
        if step.status == StepStatus.RUNNING and step.name != StepName.STORE:
            return step.name
    return job.steps[0].name


def _without_manifest(body: Callback) -> bool:
    """Whether this is a final report in the source's words, for which the gateway has to write the files."""
    return body.phase in FINAL and not body.data.get("skipped") and "outputs" not in body.data


def _settlement(job: Job, body: Callback, who: dict[str, Any], entries: list[dict[str, Any]]) -> Settle:
    """Our own worker's final report: its manifest must lie in its own attempt's folder."""
    done: Finished = finished(body.data)
    if not done.skipped:
        folder = run_folder(job.library_id, job.document_id, job.process_id, who["step"], job.attempt)
        if "manifest" not in done.outputs or not done.outputs["manifest"].key.startswith(f"{folder}/"):
            raise RequestError("bad_request", "data.outputs must name the manifest in the attempt's folder.")
    return Settle(
        **who,
        entries=entries,
        skipped=done.skipped,
        reason=done.reason,
        outputs=done.outputs,
        facts=done.facts,
        counts=done.counts,
        warnings=done.warnings,
        meta=done.meta,
    )


def _parameters_for(job: Job) -> Parameters:
    """The password goes to the extractor only."""
    if job.lease is not None and job.lease.step == StepName.EXTRACT:
        return job.parameters
    return replace(job.parameters, sealed_password="")
