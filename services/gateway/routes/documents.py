"""Documents and search."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from services.gateway.composition import Gateway
from services.gateway.searching import SearchRequest
from services.gateway.web import answer, body_of
from shared.document import Document, document_id_for
from shared.errors import RequestError


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["documents"])

    @router.post("/search", summary="Search chunks")
    async def search(request: Request) -> Response:
        """Hybrid search over the current generation of every document."""
        return answer({"hits": await gateway.search.find(await body_of(request, SearchRequest))})

    @router.get("/documents", summary="List documents")
    async def listing(
        library: Annotated[str | None, Query()] = None,
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """One page of documents."""
        documents, following = await gateway.documents.find(library, cursor, limit)
        return answer({"documents": documents, "cursor": following})

    @router.get("/documents/{documentId}", summary="A document by id or SHA-256")
    async def show(documentId: str, library: Annotated[str, Query()] = "default") -> Response:
        """The document record."""
        return answer(await document_of(gateway, documentId, library))

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

    @router.get("/file-status", summary="A file's state by its itemId")
    async def file_status(itemId: Annotated[str, Query()], library: Annotated[str, Query()] = "default") -> Response:
        """Status, counters and last job of the document with this canonical id."""
        document = await gateway.documents.get(document_id_for(library, itemId))
        if document is None:
            raise RequestError("not_found", "There is no document with this itemId.")
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


async def document_of(gateway: Gateway, identity: str, library: str) -> Document:
    """The document with this id, or with this SHA-256 in the library; RequestError not_found for none."""
    found = await gateway.documents.get(identity)
    if found is None:
        found = await gateway.documents.by_hash(library, identity)
    if found is None:
        raise RequestError("not_found", "There is no such document.")
    return found
