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
from services.gateway.foreign.results import ForeignResults
from services.gateway.orchestrator import Orchestrator
from services.gateway.report_commands import command_of, running_step, without_manifest
from services.gateway.secrets import Unauthorized
from services.gateway.signatures import Signature
from shared.commands import Claim, Command, Settle
from shared.edits import spent
from shared.errors import RequestError, TransientError
from shared.job import Job, Parameters, StepName
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

    def check_known(self, token: str | None) -> None:
        """Raise Unauthorized unless this is any service's credential."""
        if not any([secrets.matches([token], known) for known in self._credentials.values()]):
            raise Unauthorized

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
            if isinstance(body, Callback) and without_manifest(body):
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
        command = command_of(job, body, body.process.id or ("" if internal else job.process_id), self._max_attempts)
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


def _parameters_for(job: Job) -> Parameters:
    """The password goes to the extractor only."""
    if job.lease is not None and job.lease.step == StepName.EXTRACT:
        return job.parameters
    return replace(job.parameters, sealed_password="")
