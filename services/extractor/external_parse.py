"""The OCR contract of seed 004: `POST /parse` answers with the text, or with a `job_id` that is polled.

What comes back is handed to the gateway in the source's payload, so that every foreign text is cleaned, paged and
stored by the same code (checklist A4.15, A4.16, A4.31).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from shared.adapters.external_service import ExternalService, NotThere, Reply
from shared.errors import DocumentError, TransientError
from shared.external_settings import ExternalSettings
from shared.phase import Report
from shared.ticket import Outcome, Ticket

SEND_TRIES = 4
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,199}")
_DONE = frozenset({"done", "completed", "complete", "succeeded", "success", "finished"})
_FAILED = frozenset({"failed", "failure", "error", "cancelled", "canceled"})


class Asked(Protocol):
    """Repeats a call while the worker is away."""

    def __call__(self, call: Callable[[], Awaitable[Reply]], report: Report, *, tries: int) -> Awaitable[Reply]: ...


class Remote(msgspec.Struct, frozen=True):
    """Checkpoint: the job at the foreign worker, and which run started it. A crash of ours does not pay it again."""

    remote_job: str = ""
    run: str = ""


async def parse(
    service: ExternalService, settings: ExternalSettings, ticket: Ticket, report: Report, path: str, asked: Asked
) -> Outcome:
    """The foreign worker's text. Raises DocumentError empty_text or worker_failed, TransientError."""
    remote = _remembered(ticket)
    body: dict[str, Any] | None = None
    if remote:
        report.mark("running", "going on with the external worker's job", remoteJob=remote)
        try:
            body = await _polled(service, settings, ticket, report, remote)
        except NotThere:
            report.mark("running", "the external worker has lost its job; it is asked anew")
    if body is None:
        body = await _sent(service, settings, ticket, report, path, asked)
        if not body.get("text") and body.get("job_id") is not None:
            body = await _polled(service, settings, ticket, report, _job_id(body["job_id"]))
    report.mark("running", "the external worker has answered (no proof of success)", progress=75)
    return Outcome(handed=handed(body, settings.external_parser_key))


async def _sent(
    service: ExternalService, settings: ExternalSettings, ticket: Ticket, report: Report, path: str, asked: Asked
) -> dict[str, Any]:
    name, target, patience = ticket.document.name, settings.external_address(), settings.external_seconds
    report.mark("request_sent", f"{name} for the external worker", target=f"{target}/parse")
    await report.flush()
    form = {"doc_hash": ticket.document.sha256}
    reply = await asked(
        lambda: service.send("/parse", form, file=path, name=name, patience=patience), report, tries=SEND_TRIES
    )
    report.mark("request_ack", "the external worker has answered", status=reply.status)
    report.mark("running", "the PDF is with the external worker", progress=30)
    report.mark("running", f"the external worker reads, {ticket.parameters.extraction_method}", progress=60)
    return reply.body


async def _polled(
    service: ExternalService, settings: ExternalSettings, ticket: Ticket, report: Report, job: str
) -> dict[str, Any]:
    """The result of a job at the foreign worker. What passes is asked again until it has been away for too long."""
    checkpoint = msgspec.to_builtins(Remote(job, ticket.process_id))
    await report.progress(0.0, "the external worker reads", checkpoint=checkpoint)
    await report.flush()
    where = f"/jobs/{quote(job, safe='')}"
    loop = asyncio.get_running_loop()
    heard, stage, done = loop.time(), "", False
    while True:
        await asyncio.sleep(settings.external_poll_seconds)
        try:
            if not done:
                state = (await service.get(where)).body
                heard = loop.time()
                stage = await _shown(state, stage, report)
                done = _is_done(state)
            if done:
                reply = await service.get(f"{where}/result")
                if reply.status != 202:
                    return reply.body
        except NotThere:
            if not done:
                raise
        except TransientError as error:
            await asyncio.sleep(error.retry_after or 0.0)
        if loop.time() - heard > settings.external_quiet_seconds:
            raise TransientError("worker_silent")


async def _shown(state: dict[str, Any], former: str, report: Report) -> str:
    """Show {phase, stage, percent, current, total}; a new stage is a log entry of its own. Gives the stage."""
    inner = state.get("progress")
    fields = {**state, **inner} if isinstance(inner, dict) else state
    percent = _number(inner if not isinstance(inner, dict) and inner is not None else fields.get("percent"))
    current, total = int(_number(fields.get("current"))), int(_number(fields.get("total")))
    stage = " / ".join(str(fields[key])[:100] for key in ("phase", "stage") if fields.get(key))
    if stage != former:
        report.mark("running", stage, stage=stage, percent=percent, current=current, total=total)
    await report.progress(min(percent, 100.0), stage or "the external worker reads", current, total)
    return stage


def _is_done(state: dict[str, Any]) -> bool:
    """Whether the job has ended well; raises DocumentError when it has ended otherwise."""
    word = str(state.get("status") or state.get("state") or state.get("phase") or "").strip().lower()
    if word in _FAILED or word.startswith("error"):
        said = state.get("error") or state.get("message") or "no reason given"
        raise DocumentError("worker_failed", f"The external worker's job has failed: {str(said)[:300]}")
    return word in _DONE


def handed(body: dict[str, Any], parser: str) -> dict[str, Any]:
    """An answer of the contract as `data` of a final report; it may be wrapped as `result`. Raises DocumentError."""
    if "text" not in body and isinstance(body.get("result"), dict):
        body = body["result"]
    if "text" not in body:
        raise DocumentError("worker_failed", "The external worker's answer holds neither text nor job_id.")
    text = body["text"]
    if text is None or (isinstance(text, str) and not text.strip()):
        raise DocumentError("empty_text")
    if not isinstance(text, str):
        raise DocumentError("worker_failed", "The external worker's answer has a text that is no text.")
    given = body.get("metadata")
    metadata = dict(given) if isinstance(given, dict) else {}
    if "text_contents" not in metadata and isinstance(body.get("pages"), list):
        metadata["text_contents"] = body["pages"]
    data: dict[str, Any] = {"extracted_text": text, "metadata": {**metadata, "source": "ocr", "parser": parser}}
    for archive in ("images_archive_url", "pages_archive_url"):
        if body.get(archive):
            data[archive] = body[archive]
    return data


def _remembered(ticket: Ticket) -> str:
    try:
        found = msgspec.convert(ticket.checkpoint, Remote)
    except msgspec.ValidationError:
        return ""
    return found.remote_job if found.run == ticket.process_id else ""


def _job_id(given: object) -> str:
    job = str(given) if isinstance(given, str | int) else ""
    if not _JOB_ID.fullmatch(job):
        raise DocumentError("worker_failed", "The external worker's job_id is none.")
    return job


def _number(value: object) -> float:
    """A finite number of at least 0; anything else is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 1e9 else 0.0
