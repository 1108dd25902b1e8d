"""The external lane: the document is handed to a foreign worker, which is then watched until its step has ended.

Protocol `callback` (the source's): the worker reports to the gateway with this attempt's token. Whatever it reports,
the gateway decides; here it is only noticed that it still reports. When the step is settled, the next heartbeat ends
the watch. Protocol `parse`: see services.extractor.external_parse.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from services.extractor.external_parse import parse
from services.extractor.workspace import Workspace
from shared.adapters.external_service import ExternalService, NoAnswer, Reply
from shared.errors import ConfigurationError, Paused, ShadowtwinError, TransientError
from shared.external import external_made_from
from shared.external_settings import ExternalSettings
from shared.kept_answers import Answer, find_answer, renamed
from shared.manifest import Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.ticket import Outcome, Ticket

SEND_TRIES = 4
"""Requests of one attempt, when the worker cannot be reached or asks to wait."""


PLACE_PAUSE = 5.0
"""Seconds after which a step that was given back for want of a place is tried again."""


class ExternalLane:
    """Hands documents over; as many at a time as the foreign worker is said to bear."""

    def __init__(self, storage: Storage, settings: ExternalSettings, workspace: Workspace | None = None) -> None:
        self._storage, self._settings = storage, settings
        self._workspace = workspace or Workspace()
        self._service = ExternalService(settings)
        self._places = asyncio.Semaphore(settings.external_concurrency)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """The extract phase's work by a foreign worker, or by an answer of its that was kept."""
        self._settings.external_address()
        report.mark("initializing", "job context made", progress=5)
        if ticket.parameters.use_cache:
            made_from = external_made_from(ticket.document.sha256, ticket.parameters)
            kept = await find_answer(self._storage, ticket.document, made_from)
            if kept is not None:
                return await self._reuse(ticket, report, kept)
        async with self._place(), self._in_time(ticket), self._source(ticket, report) as path:
            if self._settings.external_protocol == "parse":
                return await parse(self._service, self._settings, ticket, report, path, self.asked)
            await self._hand_over(ticket, report, path)
            return await self._watch(ticket, report)

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """One of the foreign worker's places. Who gets none for long gives the step back: waiting is no lost attempt,
        and the step's own deadline is for the work."""
        try:
            async with asyncio.timeout(self._settings.external_place_seconds):
                await self._places.acquire()
        except TimeoutError:
            taken = f"its {self._settings.external_concurrency} places are taken"
            raise Paused("the external worker", taken, PLACE_PAUSE) from None
        try:
            yield
        finally:
            self._places.release()

    async def _reuse(self, ticket: Ticket, report: Report, kept: Answer) -> Outcome:
        report.mark("running", "a kept answer of these bytes and options is used; nothing was asked", progress=90)
        outputs = Outputs(self._storage, ticket.output_prefix)
        for file in renamed(kept.files, ticket.document, ticket.parameters.target_language):
            outputs.adopt(file)
        return Outcome(outputs=await outputs.seal(), facts=kept.facts, counts=kept.counts, warnings=kept.warnings)

    @contextlib.asynccontextmanager
    async def _in_time(self, ticket: Ticket) -> AsyncIterator[None]:
        """One deadline for everything that the foreign worker does in an attempt."""
        limit = self._settings.external_seconds
        if ticket.deadline_seconds > 0:
            limit = min(limit, ticket.deadline_seconds)
        try:
            async with asyncio.timeout(limit) as deadline:
                yield
        except TimeoutError as error:
            if not deadline.expired():
                raise
            raise ShadowtwinError(
                "step_deadline", f"The external worker was not done after {limit:g} s.", hint=_LONGER
            ) from error

    @contextlib.asynccontextmanager
    async def _source(self, ticket: Ticket, report: Report) -> AsyncIterator[str]:
        """A local file to send; "" when the worker is told where to fetch it."""
        if self._settings.external_protocol == "callback" and self._settings.external_send == "link":
            yield ""
            return
        with self._workspace.folder() as folder:
            report.mark("running", "reading the PDF from storage", progress=10)
            path = await self._storage.local_path(ticket.document.artefacts["source"].key, folder)
            if await asyncio.to_thread(_digest, path) != ticket.document.sha256:
                raise ShadowtwinError("artefact_changed", "The stored PDF is not the one that was uploaded.")
            yield path

    async def _hand_over(self, ticket: Ticket, report: Report, path: str) -> None:
        callback = self._settings.callback_url(ticket.job_id)
        form = request_form(ticket, callback, self._settings)
        report.mark(
            "request_sent",
            f"{ticket.document.name} for the external worker",
            target=self._settings.external_target(),
            callback=callback,
        )
        await report.flush()
        reply = await self.asked(
            lambda: self._service.send(
                "", form, file=path, name=ticket.document.name, patience=self._settings.external_quiet_seconds
            ),
            report,
            tries=SEND_TRIES,
        )
        report.mark("request_ack", "the external worker has accepted", status=reply.status)
        report.mark("running", "the PDF is with the external worker", progress=30)
        report.mark("running", f"the external worker reads, {ticket.parameters.extraction_method}", progress=60)
        await report.flush()

    async def asked(self, call: Callable[[], Awaitable[Reply]], report: Report, *, tries: int) -> Reply:
        """The answer of a call that is repeated while the worker is away or asks to wait."""
        for number in range(1, tries + 1):
            try:
                return await call()
            except NoAnswer:
                raise
            except TransientError as error:
                if number == tries:
                    raise
                wait = error.retry_after or random.uniform(0.25, 0.75) * 2.0**number
                report.mark("running", f"{error.message} Asked again in {wait:.1f} s.")
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _watch(self, ticket: Ticket, report: Report) -> Outcome:
        """Until the attempt is over, which a heartbeat finds out and which cancels this; raises TransientError when
        the worker has been silent for too long. Silence counts in heartbeats that the gateway has answered: while it
        is away, nobody could have been heard."""
        heard, since = report.heard, report.beats
        while True:
            await asyncio.sleep(ticket.heartbeat_seconds)
            if report.heard != heard:
                heard, since = report.heard, report.beats
            elif (report.beats - since) * ticket.heartbeat_seconds > self._settings.external_quiet_seconds:
                raise TransientError("worker_silent")


_LONGER = "Requeue it with a higher SHADOWTWIN_EXTERNAL_SECONDS, or look at the external worker."


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def request_form(ticket: Ticket, callback: str, settings: ExternalSettings) -> dict[str, str]:
    """The fields beside the file, in the source's words. The token is this attempt's and dies with it."""
    if ticket.correlation is None:
        raise ConfigurationError("misconfigured", "The gateway is older than this extractor; start it anew.")
    options = ticket.parameters

    def word(flag: bool) -> str:
        return "true" if flag else "false"

    form = {
        "jobId": ticket.job_id,
        "callback_url": callback,
        "callback_token": ticket.token,
        "correlation": msgspec.json.encode(ticket.correlation).decode(),
        "process": msgspec.json.encode({"id": ticket.process_id, "main_processor": "pdf"}).decode(),
        "attempt": str(ticket.attempt),
        "doc_hash": ticket.document.sha256,
        "target_language": options.target_language,
        "extraction_method": options.extraction_method,
        "includeImages": word(options.include_images),
        "useCache": word(options.use_cache),
    }
    if settings.external_send == "link":
        form["file_url"] = f"{callback}/source"
    return form
