"""What a document's pages hold: the pages themselves, and the chunks with their boxes."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from services.gateway.composition import Gateway
from services.gateway.routes.documents import document_of, rows_of
from services.gateway.routes.paging import After, Limit, Page
from services.gateway.web import answer


class _Place(msgspec.Struct, frozen=True):
    """What rows are chosen by; the rest of a row is only decoded when it is wanted, since files are long."""

    number: int = 0
    scale: str = ""
    pages: list[int] = []


_PLACE = msgspec.json.Decoder(_Place)


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api/documents/{documentId}", tags=["documents"])

    @router.get("/pages", summary="A document's pages")
    async def pages(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        page: Page = None,
        after: After = 0,
        limit: Limit = 200,
    ) -> Response:
        """Rows of pages.jsonl: size in points, printed number, method, how well it could be read, and its blocks."""
        document = await document_of(gateway, documentId, library)

        def wanted(line: bytes) -> bool:
            return page is None or _PLACE.decode(line).number == page

        rows, cursor = await rows_of(gateway, document, "pages", after, limit, wanted)
        return answer({"pages": rows, "cursor": cursor})

    @router.get("/chunks", summary="A document's chunks")
    async def chunks(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        page: Page = None,
        scale: Annotated[str | None, Query(pattern="^(small|large)$")] = None,
        after: After = 0,
        limit: Limit = 200,
    ) -> Response:
        """Rows of chunks.jsonl with chapter, text and boxes (points from the sheet's top left)."""
        document = await document_of(gateway, documentId, library)

        def wanted(line: bytes) -> bool:
            row = _PLACE.decode(line)
            return scale in (None, row.scale) and (page is None or page in row.pages)

        rows, cursor = await rows_of(gateway, document, "chunks", after, limit, wanted)
        return answer({"chunks": rows, "cursor": cursor})

    return router
