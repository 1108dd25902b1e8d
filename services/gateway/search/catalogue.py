"""Products and pictures of whole libraries: the files of the documents, walked newest first, filtered and paged.

A cursor names the last document that was read whole and how many rows of the next one were passed, so that new
documents never shift a page. One request passes at most MOST_DOCUMENTS, so it may answer fewer rows than asked for and
still have a cursor.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import msgspec

from services.gateway.pictures.picture_links import PictureLinks
from services.gateway.walking import every_document
from shared import links as linking
from shared import reading
from shared.cursor import write_cursor
from shared.document import Document
from shared.errors import RequestError, ShadowtwinError
from shared.imaging import image_id
from shared.jsonl import decoded
from shared.links import Link
from shared.mentions import fold
from shared.ports import DocumentStore, Storage

MOST_DOCUMENTS = 200
"""Documents that one request looks at."""
PAGE = 50
NEEDED = {"products": {"productId", "name", "pages"}, "images": {"name", "page"}}
"""What a row must have to be shown."""
_CURSOR = re.compile(r"(\d{1,9})@(.{0,220})", re.DOTALL)

Row = dict[str, Any]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is listed. All given filters must match: `product` is an id or a name (whole, folded), `name` a part of a
    product's or picture's name or caption, `page` a sheet from 1."""

    library: str | None = None
    document: str | None = None
    page: int | None = None
    product: str | None = None
    name: str | None = None


class Listed(NamedTuple):
    """Rows, and the cursor of the next ones (None: there are none)."""

    rows: list[Row]
    cursor: str | None


class Catalogue:
    """Lists products and pictures with their links."""

    def __init__(self, documents: DocumentStore, storage: Storage, links: PictureLinks) -> None:
        self._documents, self._storage, self._addresses = documents, storage, links

    async def products(self, wanted: Wanted, cursor: str | None, limit: int) -> Listed:
        """Rows of products.jsonl, each with its document and its pictures (by descending relevancy)."""
        return await self._listed("products", self._products, wanted, cursor, limit)

    async def images(self, wanted: Wanted, cursor: str | None, limit: int) -> Listed:
        """Rows of images.jsonl, each with its document, its address, and the products it shows."""
        return await self._listed("images", self._images, wanted, cursor, limit)

    async def links(self, document: Document) -> list[Link]:
        """A document's links; none where none were made."""
        return await self._rows(document, linking.ROLE, Link)

    async def _listed(
        self,
        role: str,
        rows_of: Callable[[Document, Wanted], Any],
        wanted: Wanted,
        cursor: str | None,
        limit: int,
    ) -> Listed:
        passed, after = _read_cursor(cursor)
        found: list[Row] = []
        looked = 0
        last = after
        async for document in self._walk(wanted, after):
            looked += 1
            if role in document.artefacts and document.artefacts[role].size:
                rows = await rows_of(document, wanted)
                room = limit - len(found)
                found += rows[passed : passed + room]
                if passed + room < len(rows):
                    return Listed(found, f"{passed + room}@{last}")
            passed = 0
            last = write_cursor(document.created_at, document.document_id)
            if len(found) == limit or looked >= MOST_DOCUMENTS:
                return Listed(found, None if wanted.document else f"0@{last}")
        return Listed(found, None)

    async def _walk(self, wanted: Wanted, after: str) -> AsyncIterator[Document]:
        if wanted.document is not None:
            document = await self._documents.get(wanted.document)
            if document is None and wanted.library is not None:
                document = await self._documents.by_hash(wanted.library, wanted.document)
            if document is None or wanted.library not in (None, document.library_id):
                raise RequestError("not_found", "There is no such document.")
            yield document
            return
        async for document in every_document(self._documents, wanted.library, PAGE, after or None):
            yield document

    async def _products(self, document: Document, wanted: Wanted) -> list[Row]:
        rows = [row for row in await self._rows(document, "products", Row) if _is_product(row, wanted)]
        if not rows:
            return []
        shown: dict[str, list[Link]] = {}
        for link in await self.links(document):
            if link.kind == "image-product":
                shown.setdefault(link.product_id, []).append(link)
        return [
            {
                **row,
                **_place(document),
                "images": [_shown(link) for link in _best(shown.get(row["productId"], []))],
            }
            for row in rows
        ]

    async def _images(self, document: Document, wanted: Wanted) -> list[Row]:
        names = {row["productId"]: row["name"] for row in await self._rows(document, "products", Row)}
        owners: dict[str, list[Link]] = {}
        for link in await self.links(document):
            if link.kind == "image-product":
                owners.setdefault(link.image, []).append(link)
        rows = []
        for row in await self._rows(document, "images", Row):
            own = _best(owners.get(row["name"], []))
            products = [
                {
                    "productId": link.product_id,
                    "name": names.get(link.product_id, ""),
                    "relevancy": link.relevancy,
                    "reason": link.reason,
                    "detail": link.detail,
                }
                for link in own
            ]
            if _is_image(row, products, wanted):
                file = row.get("duplicate_of") or row["name"]
                rows.append(
                    {
                        **row,
                        **_place(document),
                        "imageId": image_id(document.document_id, str(row.get("sha256") or "")),
                        "url": self._addresses.to(document, str(file)),
                        "products": products,
                    }
                )
        return rows

    async def _rows(self, document: Document, role: str, kind: Any) -> list[Any]:
        """The rows of one of a document's files; a file that is being replaced gives none."""
        if role not in document.artefacts:
            return []
        try:
            content = await reading.read(self._storage, document, role)
        except ShadowtwinError as error:
            if error.code not in ("artefact_missing", "artefact_changed"):
                raise
            return []
        rows = await asyncio.to_thread(lambda: list(decoded(content, kind, [])))
        return [row for row in rows if role not in NEEDED or NEEDED[role] <= row.keys()]


def _read_cursor(cursor: str | None) -> tuple[int, str]:
    if not cursor:
        return 0, ""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise RequestError("bad_request", "The cursor is not one that this listing gave.")
    return int(match[1]), match[2]


def _place(document: Document) -> Row:
    return {"documentId": document.document_id, "libraryId": document.library_id, "documentName": document.name}


def _shown(link: Link) -> Row:
    return {
        "imageId": link.image_id,
        "image": link.image,
        "page": link.page,
        "bbox": link.bbox,
        "relevancy": link.relevancy,
        "reason": link.reason,
        "detail": link.detail,
    }


def _best(links: list[Link]) -> list[Link]:
    return sorted(links, key=lambda link: -link.relevancy)


def _is_product(row: Row, wanted: Wanted) -> bool:
    named = wanted.product is None or _means(wanted.product, row)
    page = wanted.page is None or wanted.page in row["pages"]
    return named and page and (wanted.name is None or fold(wanted.name) in fold(row["name"]))


def _is_image(row: Row, products: list[Row], wanted: Wanted) -> bool:
    if wanted.page is not None and row["page"] != wanted.page:
        return False
    if wanted.product is not None and not any(_means(wanted.product, product) for product in products):
        return False
    said = (row["name"].casefold(), str(row.get("caption") or "").casefold())
    return wanted.name is None or any(wanted.name.casefold() in text for text in said)


def _means(product: str, row: Row) -> bool:
    return row["productId"] == product or (fold(row["name"]) == fold(product) != "")
