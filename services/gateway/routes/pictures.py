"""Pictures of a document: its images and figures, and previews of its pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query
from starlette.responses import Response, StreamingResponse

from services.gateway import access
from services.gateway.composition import Gateway
from services.gateway.routes.documents import document_of
from services.gateway.routes.paging import After, Limit, Page
from services.gateway.web import MOST, answer
from shared import reading, twin
from shared.document import Document
from shared.errors import RequestError

MEDIA_TYPES = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
    "jp2": "image/jp2", "j2k": "image/j2c", "tif": "image/tiff", "tiff": "image/tiff", "bmp": "image/bmp",
}  # fmt: skip
"""What is served as an image; anything else goes out as bytes without a type."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["documents"])

    @router.get("/documents/{documentId}/images", summary="A document's images and figures")
    async def listing(
        documentId: str,
        library: Annotated[str, Query()] = "default",
        after: After = 0,
        limit: Limit = 200,
        page: Page = None,
    ) -> Response:
        """Rows of images.jsonl in page order, each with the `url` of its bytes; repeats point to the first. An `url`
        opens without a key for an hour."""
        document = await document_of(gateway, documentId, library)
        rows: list[dict[str, Any]] = []
        seen = 0
        async for line in _lines(gateway, document):
            seen += 1
            if seen <= after:
                continue
            row = msgspec.json.decode(line)
            if page in (None, row["page"]):
                name = row["duplicate_of"] or row["name"]
                rows.append({**row, "url": gateway.picture_links.to(document, name)})
            if len(rows) == limit:
                return answer({"images": rows, "cursor": seen})
        return answer({"images": rows, "cursor": None})

    @router.get("/documents/{documentId}/images/{name}", summary="An image's or a figure's bytes")
    async def image(
        documentId: str,
        name: str,
        library: Annotated[str, Query()] = "default",
        expires: Annotated[int, Query(ge=0, le=MOST, description="from a listed `url`")] = 0,
        signature: Annotated[str | None, Query(description="from a listed `url`; stands for a key")] = None,
    ) -> Response:
        """The file as it is stored: original bytes where the PDF allows."""
        if signature is not None and access.current() is None:
            gateway.picture_links.check(library, documentId, name, expires, signature)
        return await _file(gateway, await document_of(gateway, documentId, library), "images", name)

    @router.get("/documents/{documentId}/previews/{page}", summary="A picture of a page")
    async def preview(
        documentId: str, page: Annotated[int, Path(ge=1, le=MOST)], library: Annotated[str, Query()] = "default"
    ) -> Response:
        """JPEG: the one that the job was asked for (`previews`), else drawn from the stored PDF and kept."""
        key = await gateway.page_pictures.key_of(await document_of(gateway, documentId, library), page)
        return await _stored(gateway, key, f"{page}.jpg")

    return router


async def _file(gateway: Gateway, document: Document, folder: str, name: str) -> Response:
    """Stream one file of the twin; never as anything a browser would run."""
    if not _NAME.fullmatch(name):
        raise RequestError("not_found", "There is no such picture.")
    return await _stored(gateway, f"{twin.folder(document.library_id, document.document_id)}/{folder}/{name}", name)


async def _stored(gateway: Gateway, key: str, name: str) -> Response:
    size = await gateway.storage.stat(key)
    if size is None:
        raise RequestError("not_found", "There is no such picture.")
    media_type = MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
    disposition = "inline" if media_type.startswith("image/") else "attachment"
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": f'{disposition}; filename="{name}"',
        "Content-Length": str(size),
    }
    return StreamingResponse(gateway.storage.stream(key), media_type=media_type, headers=headers)


async def _lines(gateway: Gateway, document: Document) -> AsyncIterator[bytes]:
    """The rows of images.jsonl; none when the document has no such file."""
    artefact = document.artefacts.get("images")
    if artefact is not None:
        async for line in reading.lines(gateway.storage, artefact.key):
            yield line
