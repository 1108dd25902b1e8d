"""The workers' view of the gateway over HTTP, by aiohttp's client: a tenth of httpx's CPU a request (ADR 4)."""

from __future__ import annotations

import asyncio
import io
import re
from typing import Any

import aiohttp
import msgspec

from shared import tracing
from shared.adapters.trace_choice import client_traces
from shared.errors import ConfigurationError, TransientError
from shared.job import StepName
from shared.ticket import ClaimRequest, Ticket
from shared.worker_gateway import Busy, Gone

LARGE = 1 << 20
"""Bodies from this size on (a foreign worker's text) are encoded beside the event loop and sent in pieces."""

_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)


class HttpGateway:
    """One connection pool for a worker process; `token` is the service's own credential."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._service = {"Authorization": f"Bearer {token}"}
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    async def claim(self, job_id: str, request: ClaimRequest) -> Ticket:
        """See shared.phase.Gateway."""
        status, body = await self._post(f"/api/internal/jobs/{job_id}/claim", self._service, request)
        if status == 200:
            return msgspec.json.decode(body, type=Ticket)
        raise _refusal(status, body)

    async def callback(self, ticket: Ticket, body: dict[str, Any]) -> None:
        """See shared.phase.Gateway."""
        process = {"process": {"id": ticket.process_id}, "attempt": ticket.attempt, "step": ticket.step}
        path = f"/api/external/jobs/{ticket.job_id}"
        report: object = {**body, **process}
        if len(str(body.get("data", {}).get("extracted_text", ""))) > LARGE:
            report = msgspec.Raw(await asyncio.to_thread(msgspec.json.encode, report))
        status, answer = await self._post(path, _bearer(ticket), report)
        if status != 200 or not msgspec.json.decode(answer).get("applied"):
            raise _refusal(status, answer)

    async def heartbeat(self, ticket: Ticket) -> int:
        """See shared.phase.Gateway."""
        body = {"processId": ticket.process_id, "attempt": ticket.attempt}
        with tracing.current().quiet():
            status, answer = await self._post(f"/api/internal/jobs/{ticket.job_id}/heartbeat", _bearer(ticket), body)
        if status != 200:
            raise _refusal(status, answer)
        return int(msgspec.json.decode(answer).get("reports", 0))

    async def left(self, ticket: Ticket) -> None:
        """See shared.phase.Gateway."""
        path = f"/api/internal/jobs/{ticket.job_id}/left"
        document = ticket.document
        where = {"libraryId": document.library_id, "documentId": document.document_id}
        attempt = {"processId": ticket.process_id, "attempt": ticket.attempt}
        await self._post(path, self._service, {"step": ticket.step, **where, **attempt})

    async def requeue(self, job_id: str, step: StepName) -> None:
        """See shared.phase.Gateway."""
        status, answer = await self._post(f"/api/internal/jobs/{job_id}/requeue", self._service, {"from": step})
        if status >= 300:
            raise _refusal(status, answer)

    async def _post(self, path: str, headers: dict[str, str], body: object) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, trace_configs=client_traces())
        try:
            content = msgspec.json.encode(body)
            async with self._session.post(
                self._url + path,
                data=content if len(content) <= LARGE else io.BytesIO(content),
                headers={**headers, "Content-Type": "application/json"},
            ) as answer:
                said = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TransientError("unavailable", f"The gateway cannot be reached ({type(error).__name__}).") from error
        if answer.status >= 500 or answer.status == 429:
            wait = answer.headers.get("Retry-After", "")
            raise TransientError("unavailable", retry_after=float(wait) if re.fullmatch(r"[0-9]{1,6}", wait) else None)
        return answer.status, said


def _bearer(ticket: Ticket) -> dict[str, str]:
    return {"Authorization": f"Bearer {ticket.token}"}


def _refusal(status: int, body: bytes) -> Exception:
    """The exception for an answer that is no success; a wrong service credential is the operator's to mend."""
    try:
        said = msgspec.json.decode(body)
        reason = str(said.get("reason") or said.get("code") or status)
    except (msgspec.DecodeError, AttributeError):
        reason = str(status)
    if reason in ("busy", "not_ready"):
        return Busy(reason)
    if reason == "service_unauthorized":
        return ConfigurationError("misconfigured", "The gateway refuses this service's credential.")
    return Gone(reason)
