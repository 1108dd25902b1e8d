"""Batches, bulk requeues, retries, and rebuilding."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from msgspec.structs import replace
from starlette.responses import Response

from services.gateway import access
from services.gateway.bulk import BatchRequest, BulkRequeue
from services.gateway.composition import Gateway
from services.gateway.rebuilding import RebuildRequest
from services.gateway.web import answer, body_of

BATCH_BYTES = 8 << 20


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["jobs"])

    @router.post("/batches", status_code=202, summary="Process stored documents again")
    async def batch(request: Request) -> Response:
        """A job for each document, with the source's `force_reprocess_*` (null, true or a list of document ids)."""
        wanted = await body_of(request, BatchRequest, BATCH_BYTES)
        await gateway.check_named(access.library_id(wanted.libraryId), wanted.parameters)
        return answer(await gateway.bulk.batch(wanted), 202)

    @router.get("/batches/{batchId}", summary="Counts of a batch")
    async def counts(batchId: str) -> Response:
        """Jobs by status."""
        return answer(await gateway.bulk.counts(batchId))

    @router.post("/jobs/requeue", status_code=202, summary="Requeue jobs by filter")
    async def requeue_many(request: Request) -> Response:
        """Answers a handle; with `dryRun` only the number that would be requeued."""
        wanted = await body_of(request, BulkRequeue)
        handle = await gateway.bulk.requeue(replace(wanted, library=access.chosen(wanted.library)))
        return answer(handle, 200 if handle.finished else 202)

    @router.get("/jobs/requeue/{handle}", summary="State of a bulk requeue")
    async def requeue_state(handle: str) -> Response:
        """How many were found, requeued and refused so far."""
        return answer(await gateway.bulk.requeue_state(handle))

    @router.post("/ingest/{docHash}/retry", status_code=202, summary="Process a stored file again")
    async def retry(docHash: str, library: Annotated[str, Query()] = "default") -> Response:
        """404 when the record or its file is missing; the display name is kept."""
        accepted = await gateway.intake.retry(library, docHash)
        return answer({**msgspec.to_builtins(accepted), "retry": True}, 202)

    @router.post("/system/rebuild-broker", summary="Tell all pending work again")
    async def rebuild() -> Response:
        """For a broker that was wiped: streams and consumers are made, then every open job's event is told again."""
        return answer({"told": await gateway.rebuild_broker()})

    @router.post("/system/rebuild", status_code=202, summary="Make documents, chunks and vectors anew from the twins")
    async def rebuild_all(request: Request) -> Response:
        """Nothing is read from PDFs again and no model is asked. Answers a handle and the batch of the jobs."""
        return answer(await gateway.rebuilding.rebuild(await _about(request)), 202)

    @router.post("/system/reembed", status_code=202, summary="Make the vectors of another embedder anew")
    async def reembed(request: Request) -> Response:
        """Only of documents whose vectors were not made with the configured embedder."""
        return answer(await gateway.rebuilding.reembed(await _about(request)), 202)

    @router.get("/system/rebuild/{handle}", summary="State of a rebuild or re-embedding")
    async def rebuild_state(handle: str) -> Response:
        """How many documents were found, restored and given a job so far; the jobs are `GET /batches/{batchId}`."""
        return answer(await gateway.rebuilding.state(handle))

    return router


async def _about(request: Request) -> RebuildRequest:
    wanted = await body_of(request, RebuildRequest)
    return replace(wanted, libraryId=access.chosen(wanted.libraryId))
