"""Products and pictures of libraries, their links, and the search for pictures."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway.composition import Gateway
from services.gateway.routes.documents import document_of
from services.gateway.search.catalogue import Wanted
from services.gateway.search.image_search import MAX_TOP, ImageQuery
from services.gateway.web import MOST, answer, body_of, bounded

UPLOAD_BYTES = 20 << 20
"""Of a picture that is searched by."""
PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "JPEG, PNG, WebP, GIF, TIFF, BMP or JPEG 2000, at most 20 MB",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_ID = Annotated[str | None, Query(max_length=300)]


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["catalogue"])

    @router.get("/products", summary="List products")
    async def products(
        library: _ID = None,
        document: _ID = None,
        page: Annotated[int | None, Query(ge=1, le=MOST, description="products of this sheet")] = None,
        product: Annotated[str | None, Query(max_length=300, description="id, or the whole name")] = None,
        name: Annotated[str | None, Query(max_length=300, description="part of the name")] = None,
        cursor: _ID = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Newest document first, each with the pictures linked to it. A page may hold fewer rows and have a cursor."""
        wanted = Wanted(library=library, document=document, page=page, product=product, name=name)
        found = await gateway.catalogue.products(wanted, cursor, limit)
        return answer({"products": found.rows, "cursor": found.cursor})

    @router.get("/images", summary="List pictures")
    async def images(
        library: _ID = None,
        document: _ID = None,
        page: Annotated[int | None, Query(ge=1, le=MOST, description="pictures on this sheet")] = None,
        product: Annotated[str | None, Query(max_length=300, description="id or whole name of a linked one")] = None,
        name: Annotated[str | None, Query(max_length=300, description="part of file name or caption")] = None,
        cursor: _ID = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Every place of every picture, newest document first, with the products it shows, how sure and why."""
        wanted = Wanted(library=library, document=document, page=page, product=product, name=name)
        found = await gateway.catalogue.images(wanted, cursor, limit)
        return answer({"images": found.rows, "cursor": found.cursor})

    @router.get("/documents/{documentId}/links", summary="A document's links")
    async def links(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        kind: Annotated[str | None, Query(pattern="^(image-product|chunk-product|image-chunk)$")] = None,
        end: Annotated[str | None, Query(max_length=300, description="id of a picture, product or chunk")] = None,
        after: Annotated[
            int, Query(ge=0, le=MOST, description="links to leave out: the cursor of the answer before")
        ] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """Links of pictures, chunks and products with relevancy (0-1) and reason, in the order of links.jsonl."""
        document = await document_of(gateway, documentId, library)
        found = [
            link
            for link in await gateway.catalogue.links(document)
            if kind in (None, link.kind) and end in (None, link.image_id, link.image, link.product_id, link.chunk_id)
        ]
        following = after + limit if after + limit < len(found) else None
        return answer({"links": found[after : after + limit], "total": len(found), "cursor": following})

    @router.post("/images/search", summary="Search pictures by words or by a stored picture")
    async def search(request: Request) -> Response:
        """Body: see ImageQuery. Words find pictures by caption, products and analysis."""
        return answer({"hits": await gateway.image_search.find(await body_of(request, ImageQuery))})

    @router.post("/images/similar", summary="Search pictures by an uploaded picture", openapi_extra=PICTURE)
    async def similar(
        request: Request,
        query: Annotated[str, Query(max_length=2000, description="words beside the picture")] = "",
        space: Annotated[str, Query(description="visual, colour, texture, application or multimodal")] = "",
        top: Annotated[int, Query(ge=1, le=MAX_TOP)] = 10,
        library: _ID = None,
        document: _ID = None,
        product: Annotated[str | None, Query(max_length=300, description="id or whole name of a linked one")] = None,
        decoration: Annotated[bool, Query(description="also logos and the like that run along")] = False,
    ) -> Response:
        """The body is the picture's file. It is read in a process of its own and kept nowhere."""
        content = await bounded(request, UPLOAD_BYTES)
        asked = ImageQuery(
            query=query,
            space=space,
            top=top,
            library_id=library,
            document_id=document,
            product=product,
            decoration=decoration,
        )
        return answer({"hits": await gateway.image_search.find(asked, content)})

    return router
