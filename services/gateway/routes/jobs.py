"""Jobs: start, list, show, logs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, File, Form, Header, Query, Request, UploadFile
from starlette.datastructures import FormData
from starlette.responses import Response

from services.gateway import access
from services.gateway.composition import Gateway
from services.gateway.creation import JobRequest
from services.gateway.foreign.payload import expanded
from services.gateway.job_listing import matching
from services.gateway.requeue import RequeueRequest, cancel, requeue
from services.gateway.routes.options import options_of, parameters_of
from services.gateway.uploads.form import ReceivedFile, streamed
from services.gateway.uploads.receiving import Incoming
from services.gateway.web import MOST, answer, body_of, shown_job
from shared.errors import RequestError
from shared.job import Job
from shared.ports import JobQuery

UPLOAD_PIECE = 1 << 20
MOST_KEPT = 32 << 10
"""Characters of a request that are kept for its retry."""
SECRETS = ("password", "sourceUrl")
SECRET = {"format": "password", "writeOnly": True}


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    uploads = streamed(lambda: (gateway.intake.receiver, gateway.upload_log))
    router = APIRouter(prefix="/api", tags=["jobs"], route_class=uploads)

    @router.post("/jobs", status_code=202, summary="Process a PDF")
    async def create(
        form: Request,
        file: Annotated[UploadFile | None, File(description="The PDF")] = None,
        libraryId: Annotated[str, Form()] = "default",
        itemId: Annotated[str, Form()] = "",
        parentId: Annotated[str, Form()] = "",
        documentId: Annotated[str, Form(description="Instead of a file: a document stored already")] = "",
        sourceUrl: Annotated[
            str,
            Form(description="Instead of a file: where it is fetched from (http, https; public or allowed addresses)"),
        ] = "",
        userEmail: Annotated[str, Form()] = "",
        batchId: Annotated[str | None, Form()] = None,
        batchName: Annotated[str | None, Form()] = None,
        priority: Annotated[int, Form(ge=-100, le=100, description="higher goes first in its library")] = 0,
        parameters: Annotated[
            str, Form(description="JSON: template, policies, phases, options; each may be a field of its own instead")
        ] = "{}",
        password: Annotated[
            str, Form(description="of the PDF; kept sealed, shown nowhere", json_schema_extra=SECRET)
        ] = "",
        plan: Annotated[bool, Query(description="Only say what would run, be skipped, why, and at what cost")] = False,
        idempotencyKey: Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)] = None,
    ) -> Response:
        """Take a PDF (multipart) and start its job; default policies do/do/do. Unknown fields are refused."""
        options = options_of(await form.form())
        request = JobRequest(
            library_id=libraryId,
            item_id=itemId,
            parent_id=parentId,
            document_id=documentId,
            user_email=userEmail,
            batch_id=batchId,
            batch_name=batchName,
            priority=priority,
            idempotency_key=idempotencyKey,
            parameters=parameters_of(parameters, options, password, gateway.sealing),
        )
        await gateway.check_named(access.library_id(libraryId), request.parameters)
        if sourceUrl:
            return await _from_url(gateway, file, sourceUrl, request, _fields(await form.form()), plan=plan)
        return await _from_form(gateway, file, request, plan=plan)

    @router.get("/jobs", summary="List jobs, newest first")
    async def listing(
        status: Annotated[str | None, Query()] = None,
        library: Annotated[str | None, Query()] = None,
        batch: Annotated[str | None, Query()] = None,
        document: Annotated[str | None, Query()] = None,
        text: Annotated[str, Query(max_length=200, description="part of name, item, id, batch or error code")] = "",
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """One page of jobs, without their logs. With `text` it may hold fewer jobs and have a cursor."""
        query = JobQuery(
            status=status, library_id=library, batch_id=batch, document_id=document, cursor=cursor, limit=limit
        )
        page = await (matching(gateway.jobs, query, text) if text else gateway.jobs.find(query))
        shown = [{k: v for k, v in shown_job(job).items() if k != "logs"} for job in page.jobs]
        return answer({"jobs": shown, "cursor": page.cursor})

    @router.get("/jobs/{jobId}", summary="The job document")
    async def show(
        jobId: str,
        expand: Annotated[str, Query(pattern="^(payload)?$", description="payload: long texts in full")] = "",
    ) -> Response:
        """The whole job document; its log's newest entries. A text over 8 KB that a foreign worker handed over is named
        by its stored transcript (`storage:...`); with `expand=payload` it is given instead."""
        job = await _job(gateway, jobId)
        return answer(shown_job(await expanded(gateway.storage, job) if expand else job))

    @router.get("/jobs/{jobId}/logs", summary="The job's log")
    async def logs(
        jobId: str,
        after: Annotated[int, Query(ge=0, le=MOST)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        phase: Annotated[str | None, Query(description="only this log phase")] = None,
        run: Annotated[str | None, Query(description="only this processId")] = None,
    ) -> Response:
        """Entries with seq > after, oldest first, across all runs; the cursor goes on behind the last one looked at."""
        await _job(gateway, jobId)
        entries = await gateway.jobs.logs(jobId, after, limit)
        wanted = [entry for entry in entries if phase in (None, entry.get("phase")) and run in (None, entry.get("run"))]
        return answer({"logs": wanted, "cursor": entries[-1]["seq"] if entries else after})

    @router.post("/jobs/{jobId}/requeue", status_code=202, summary="Start a new run")
    async def requeue_job(jobId: str, request: Request) -> Response:
        """Body `{from?, policies?, force?}`: new processId and secret, finished phases and all logs kept."""
        body = await body_of(request, RequeueRequest)
        return answer(shown_job(await requeue(gateway.orchestrator, jobId, body)), 202)

    @router.post("/jobs/{jobId}/cancel", summary="Cancel the job")
    async def cancel_job(jobId: str) -> Response:
        """Stored as failed with the code `cancelled`; its worker stops within two heartbeats."""
        return answer(shown_job(await cancel(gateway.orchestrator, jobId)))

    @router.get("/status/{jobId}", summary="A job's state in one word")
    async def status_of(jobId: str) -> Response:
        """queued | running | done | cancelled | error:<message>."""
        job = await _job(gateway, jobId)
        return answer({"jobId": jobId, "status": short_status(job), "documentId": job.document_id})

    return router


async def _from_form(gateway: Gateway, file: UploadFile | None, request: JobRequest, *, plan: bool) -> Response:
    """With the form's file, or a document that is stored already."""
    if plan:
        content = _content(file) if file is not None else None
        return answer(await gateway.intake.plan(file.filename or "" if file else "", content, request))
    if file is not None:
        accepted = await gateway.intake.upload(file.filename or "document.pdf", _content(file), request)
    elif request.document_id:
        accepted = await gateway.intake.again(request)
    else:
        raise RequestError("bad_request", "Send a PDF as the form field `file`, its sourceUrl, or a documentId.")
    return answer(accepted, 202 if accepted.job_id else 200)


async def _from_url(
    gateway: Gateway, file: UploadFile | None, url: str, request: JobRequest, fields: dict[str, str], *, plan: bool
) -> Response:
    """With a file that is fetched."""
    if file is not None or request.document_id:
        raise RequestError("bad_request", "Give one of file, sourceUrl and documentId.")
    if plan:
        return answer(await gateway.sources.plan(url, request, fields))
    accepted = await gateway.sources.upload(url, request, fields)
    return answer(accepted, 202 if accepted.job_id else 200)


def _fields(form: FormData) -> dict[str, str]:
    """What a retry has to send again; never a password."""
    kept = {name: value for name, value in form.items() if isinstance(value, str) and name not in SECRETS}
    if kept.get("parameters"):
        given = msgspec.json.decode(kept["parameters"], type=dict[str, Any])
        given.pop("password", None)
        kept["parameters"] = msgspec.json.encode(given).decode()
    return kept if sum(map(len, kept.values())) <= MOST_KEPT else {}


async def _job(gateway: Gateway, job_id: str) -> Job:
    job = await gateway.jobs.get(job_id)
    if job is None:
        raise RequestError("not_found", "There is no such job.")
    return job


def short_status(job: Job) -> str:
    """Seed 004's vocabulary."""
    if job.error is not None and job.error.code == "cancelled":
        return "cancelled"
    if job.error is not None and job.status == "failed":
        return f"error:{job.error.message}"
    return {"completed": "done"}.get(job.status, str(job.status))


def _content(file: UploadFile) -> AsyncIterator[bytes] | Incoming:
    """The file's bytes: received already, unless it came in another way than by a streamed form."""
    return file.incoming if isinstance(file, ReceivedFile) else _pieces(file)


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(UPLOAD_PIECE):
        yield piece
