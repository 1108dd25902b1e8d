"""Diagnosis and repair of documents, and what a client needs to put pictures back."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec.structs import replace
from starlette.responses import Response, StreamingResponse

from services.gateway.composition import Gateway
from services.gateway.health import links
from services.gateway.health.doctor import Run, row_of
from services.gateway.health.repairs import RepairState
from services.gateway.health.rules import Selection
from services.gateway.health.steps import RepairRequest
from services.gateway.routes.documents import document_of
from services.gateway.web import MOST, answer, body_of, bounded
from shared.errors import RequestError, describe

logger = logging.getLogger("doctor")
LINES = "application/x-ndjson"
PICTURE_BYTES = 64 << 20


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["health"])

    @router.get("/diagnosis", summary="Whether documents are what their records say")
    async def diagnosis(
        request: Request,
        status: Annotated[str, Query(pattern="^(failed|stuck|all|any)$", description="any: well ones too")] = "failed",
        limit: Annotated[int | None, Query(ge=1, le=MOST)] = None,
        errorFilter: Annotated[str, Query(description="only errors with this text")] = "",
        library: Annotated[str | None, Query()] = None,
        documentId: Annotated[str | None, Query()] = None,
        checkOtherBuckets: Annotated[bool, Query()] = False,
    ) -> Response:
        """`{documents: [{documentId, state, advice, ...}], summary: {state: count}, objects, patterns}`, streamed.
        With `Accept: application/x-ndjson` a line each, the rest last. Reads only."""
        selection = Selection(
            status=status,
            limit=limit,
            error_filter=errorFilter,
            library_id=library,
            document_id=documentId,
            check_other_buckets=checkOtherBuckets,
        )
        await _check_named(gateway, documentId)
        return _streamed(gateway.doctor.run(selection), request)

    @router.post("/repairs", status_code=202, summary="Plan and do repairs")
    async def repair(request: Request) -> Response:
        """What may be done is said by flags; without any it is a plan of what could be. 200 when it has ended (always
        with `dryRun` or a `documentId`), else 202 and a handle. No document is changed while a job is at it."""
        wanted = await body_of(request, RepairRequest)
        await _check_named(gateway, wanted.document_id)
        state = await gateway.repairs.start(wanted)
        return answer(_absolute(state, request), 200 if state.finished else 202)

    @router.get("/repairs/{handle}", summary="State of a repair")
    async def repair_state(handle: str, request: Request) -> Response:
        """The plan, what was done so far, and what is left. A dry run is answered at once and not kept."""
        return answer(_absolute(await gateway.repairs.state(handle), request))

    @router.get("/repairs/{handle}/left", summary="Diagnosis of a repair's documents, now")
    async def left(handle: str, request: Request) -> Response:
        """As `GET /diagnosis`."""
        return _streamed(await gateway.repairs.left(handle), request)

    @router.get("/documents/{documentId}/source", summary="A document's PDF")
    async def source(documentId: str, library: Annotated[str, Query()] = "default") -> Response:
        """The stored bytes; 404 when they are gone."""
        document = await document_of(gateway, documentId, library)
        artefact = document.artefacts.get("source")
        size = await gateway.storage.stat(artefact.key) if artefact else None
        if artefact is None or size is None:
            raise RequestError("not_found", "The document's file is not stored.")
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
            "Content-Length": str(size),
            "ETag": f'"{artefact.sha256}"',
        }
        return StreamingResponse(gateway.storage.stream(artefact.key), media_type="application/pdf", headers=headers)

    @router.get("/documents/{documentId}/missing-images", summary="Pictures whose files are not stored")
    async def missing_images(documentId: str, library: Annotated[str, Query()] = "default") -> Response:
        """`{documentId, sha256, pdfStored, missing: [{page, name, sha256, size, kind}]}`."""
        document = await document_of(gateway, documentId, library)
        artefact = document.artefacts.get("source")
        stored = artefact is not None and await gateway.storage.stat(artefact.key) == document.size
        return answer(
            {
                "documentId": document.document_id,
                "sha256": document.sha256,
                "pdfStored": stored,
                "missing": await links.missing(document, gateway.storage),
            }
        )

    @router.put("/documents/{documentId}/images/{name}", summary="Put a missing picture back")
    async def put_image(
        documentId: str, name: str, request: Request, library: Annotated[str, Query()] = "default"
    ) -> Response:
        """The body is the file; only the bytes that the document lists under this name are taken. 201 if it was
        missing."""
        document = await document_of(gateway, documentId, library)
        content = await bounded(request, PICTURE_BYTES)
        written = await gateway.actions.put_picture_back(document, name, content)
        return answer({"name": name, "stored": written}, 201 if written else 200)

    return router


def _absolute(state: RepairState, request: Request) -> RepairState:
    """The state with whole addresses, as the caller knows this gateway."""
    base = str(request.base_url).rstrip("/")
    steps = [replace(step, upload_url=base + step.upload_url) if step.upload_url[:1] == "/" else step for step in
             state.actions]  # fmt: skip
    return replace(state, actions=steps)


async def _check_named(gateway: Gateway, document_id: str | None) -> None:
    if document_id is not None and await gateway.documents.get(document_id) is None:
        raise RequestError("not_found", "There is no such document.")


def _streamed(run: Run, request: Request) -> Response:
    if LINES in request.headers.get("accept", ""):
        return StreamingResponse(_lines(run), media_type=LINES)
    return StreamingResponse(_object(run), media_type="application/json")


async def _lines(run: Run) -> AsyncIterator[bytes]:
    """A line a document, then one with what the run says."""
    try:
        async for examined in run.documents():
            yield msgspec.json.encode(row_of(examined)) + b"\n"
        yield msgspec.json.encode(await run.end()) + b"\n"
    except Exception as error:
        yield msgspec.json.encode(_fault(error)) + b"\n"


async def _object(run: Run) -> AsyncIterator[bytes]:
    """One JSON object; `error` in it when the run ended early, since the status is told by then."""
    yield b'{"documents":['
    first = True
    try:
        async for examined in run.documents():
            yield (b"" if first else b",") + msgspec.json.encode(row_of(examined))
            first = False
        end: dict[str, object] = await run.end()
    except Exception as error:
        end = {"summary": dict(run.summary), "patterns": [], **_fault(error)}
    yield b"]," + msgspec.json.encode(end)[1:]


def _fault(error: Exception) -> dict[str, object]:
    said = describe(error)
    logger.warning("diagnosis ended early", extra={"code": said.code}, exc_info=said.code == "internal")
    return {"error": {"code": said.code, "message": said.message, "hint": said.hint}}
