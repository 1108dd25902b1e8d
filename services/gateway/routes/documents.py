"""Documents and search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from services.gateway.composition import Gateway
from services.gateway.document_state import shown
from services.gateway.durations import durations_of
from services.gateway.routes.paging import After, Limit
from services.gateway.search.searching import SearchRequest
from services.gateway.web import answer, body_of
from shared import reading
from shared.document import Document, document_id_for
from shared.errors import RequestError
from shared.job import to_document


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["documents"])

    @router.post("/search", summary="Search chunks")
    async def search(request: Request) -> Response:
        """Hybrid search over the current generation of every document."""
        return answer({"hits": await gateway.search.find(await body_of(request, SearchRequest))})

    @router.get("/uploads", summary="Uploads that failed, newest first")
    async def uploads(
        library: Annotated[str | None, Query()] = None,
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Files that did not become a document, and why, for 30 days; failures of processing are shown by jobs."""
        found, following = await gateway.upload_log.find(library, cursor, limit)
        return answer({"uploads": found, "cursor": following})

    @router.get("/documents", summary="List documents")
    async def listing(
        library: Annotated[str | None, Query()] = None,
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """One page of documents."""
        documents, following = await gateway.documents.find(library, cursor, limit)
        return answer({"documents": await shown(gateway.jobs, documents), "cursor": following})

    @router.get("/documents/{documentId}", summary="A document by id or SHA-256")
    async def show(documentId: str, library: Annotated[str, Query()] = "default") -> Response:
        """The document record, and how long the stages of its last job took."""
        document = (await shown(gateway.jobs, [await document_of(gateway, documentId, library)]))[0]
        last = await gateway.jobs.get(document.last_job_id) if document.last_job_id else None
        return answer({**to_document(document), "durations": durations_of(last) if last else None})

    @router.delete("/documents/{documentId}", summary="Delete a document by id or SHA-256")
    async def remove(documentId: str, library: Annotated[str, Query()] = "default") -> Response:
        """Vectors, files, rows and jobs of it. 409 while a job of it is open: wait for it or cancel it first. 202 when
        a store is away: the deletion goes on by itself. A second call answers 404, and nothing is different."""
        document = await document_of(gateway, documentId, library)
        gone = await gateway.deletion.delete(document)
        said = {"documentId": document.document_id, "status": "deleted" if gone else "deleting"}
        return answer(said, 200 if gone else 202)

    @router.get("/documents/{documentId}/twin", summary="The shadow twin's Markdown")
    async def twin(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        kind: Annotated[str, Query(pattern="^(transcript|transformation)$")] = "transformation",
    ) -> Response:
        """The current transformation or transcript as text/markdown."""
        document = await document_of(gateway, documentId, library)
        artefact = document.artefacts.get(kind)
        if artefact is None:
            raise RequestError("not_found", f"The document has no {kind} yet.")
        return StreamingResponse(
            gateway.storage.stream(artefact.key),
            media_type="text/markdown; charset=utf-8",
            headers={"X-Content-Type-Options": "nosniff", "ETag": f'"{artefact.sha256}"'},
        )

    @router.get("/documents/{documentId}/products", summary="A document's products")
    async def products(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        after: After = 0,
        limit: Limit = 200,
    ) -> Response:
        """Rows of products.jsonl in page order: names, page ranges, metadata and variants."""
        rows, cursor = await rows_of(gateway, await document_of(gateway, documentId, library), "products", after, limit)
        return answer({"products": rows, "cursor": cursor})

    @router.get("/documents/{documentId}/entities", summary="What a document states beside its products")
    async def entities(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        after: After = 0,
        limit: Limit = 200,
    ) -> Response:
        """Rows of entities.jsonl in page order: certificates, specifications, logos and claims."""
        rows, cursor = await rows_of(gateway, await document_of(gateway, documentId, library), "entities", after, limit)
        return answer({"entities": rows, "cursor": cursor})

    @router.get("/file-status", summary="A file's state by its itemId")
    async def file_status(itemId: Annotated[str, Query()], library: Annotated[str, Query()] = "default") -> Response:
        """Status, counters and last job of the document with this canonical id."""
        document = await gateway.documents.get(document_id_for(library, itemId))
        if document is None:
            raise RequestError("not_found", "There is no document with this itemId.")
        document = (await shown(gateway.jobs, [document]))[0]
        return answer(
            {
                "itemId": document.item_id,
                "documentId": document.document_id,
                "status": document.status,
                "error": document.error,
                "chunkCount": document.chunk_count,
                "chaptersCount": document.chapters_count,
                "pages": document.pages,
                "lastJobId": document.last_job_id,
                "lastIngestedAt": document.last_ingested_at,
            }
        )

    return router


async def rows_of(
    gateway: Gateway,
    document: Document,
    role: str,
    after: int,
    limit: int,
    wanted: Callable[[bytes], bool] = lambda line: True,
) -> tuple[list[Any], int | None]:
    """Some rows of a document's .jsonl artefact whose lines are wanted, and the cursor of the next ones; none when it
    has no such file."""
    artefact = document.artefacts.get(role)
    rows: list[Any] = []
    seen = 0
    if artefact is None:
        return rows, None
    async for line in reading.lines(gateway.storage, artefact.key):
        if len(rows) == limit:
            return rows, seen
        seen += 1
        if seen > after and wanted(line):
            rows.append(msgspec.json.decode(line))
    return rows, None


async def document_of(gateway: Gateway, identity: str, library: str) -> Document:
    """The document with this id, or with this SHA-256 in the library; RequestError not_found for none."""
    found = await gateway.documents.get(identity)
    if found is None:
        found = await gateway.documents.by_hash(library, identity)
    if found is None:
        raise RequestError("not_found", "There is no such document.")
    return found
