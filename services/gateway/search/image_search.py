"""Pictures by a picture, by words, or by both: the nearest in one of the five spaces, current generations only."""

from __future__ import annotations

from typing import Any

import msgspec

from services.gateway import access
from services.gateway.pictures.picture_links import PictureLinks
from services.gateway.search.catalogue import Catalogue, Wanted
from shared import imaging, twin
from shared.document import Document
from shared.errors import RequestError, ShadowtwinError
from shared.image_index import ImageIndex
from shared.imaging import SPACES, WIDE
from shared.ports import DocumentStore, Hit, ImageEmbedder, Storage, VectorFilter

MAX_TOP = 100
_REACH = (2, 8)
"""Rows asked of the store for each picture wanted, first and when too many were of an old generation."""


class ImageQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/images/search`. Of `query` (words) and `image_id` one is needed, both may be given; a picture
    can be uploaded instead of `image_id`. `space` is one of shared.imaging.SPACES: by default multimodal for words,
    visual for a picture alone. `pages` is [first, last]; `product` leaves only pictures linked to this product (id or
    name). Logos and the like that run along are left out unless `decoration`."""

    query: str = ""
    image_id: str = ""
    space: str = ""
    top: int = 10
    library_id: str | None = None
    document_id: str | None = None
    pages: tuple[int, int] | None = None
    product: str | None = None
    decoration: bool = False


class ImageHit(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A picture where it stands first. `score` orders hits of one answer only; `products` are those it is linked to."""

    image_id: str
    document_id: str
    library_id: str
    name: str
    image: str
    url: str
    page: int
    pages: list[int]
    bbox: list[float]
    caption: str
    width: int
    height: int
    products: list[dict[str, Any]]
    score: float


class ImageSearch:
    """Finds pictures. Without an index every question is answered with image_search_off."""

    def __init__(
        self,
        documents: DocumentStore,
        storage: Storage,
        catalogue: Catalogue,
        images: tuple[ImageIndex, ImageEmbedder] | None,
        links: PictureLinks,
    ) -> None:
        self._documents, self._storage, self._catalogue, self._images = documents, storage, catalogue, images
        self._links = links

    async def find(self, request: ImageQuery, upload: bytes | None = None) -> list[ImageHit]:
        """The nearest pictures; the one that was asked with is not among them. Raises RequestError bad_request,
        not_found, and DocumentError image_unreadable."""
        _check(request, upload)
        if self._images is None:
            raise ShadowtwinError("image_search_off")
        index, embedder = self._images
        picture = upload if upload is not None else await self._stored(request.image_id)
        space = request.space or (WIDE if request.query.strip() else "visual")
        if picture is None and space != WIDE:
            raise RequestError("bad_request", f"Words are searched in the space {WIDE} only.")
        vector = (await embedder.query(picture, request.query))[space]
        found: list[ImageHit] = []
        for reach in _REACH:
            rows = request.top * reach + 20
            hits = await index.search(space, vector, request.query, _filter(request), rows)
            found = await self._shown(hits, request)
            if len(found) >= request.top or len(hits) < rows:
                break
        return found[: request.top]

    async def _shown(self, hits: list[Hit], request: ImageQuery) -> list[ImageHit]:
        documents = await self._documents.many(list({hit.row.document_id for hit in hits}))
        shown = []
        for hit in hits:
            document = documents.get(hit.row.document_id)
            if document is None or document.generation != hit.row.generation:
                continue
            extra = hit.row.extra
            asked = extra["imageId"] == request.image_id
            wanted = request.product is None or _linked(request.product, extra["products"])
            if asked or not wanted or (extra["decoration"] and not request.decoration):
                continue
            shown.append(_hit(hit, document, self._links))
        return shown

    async def _stored(self, picture: str) -> bytes | None:
        """The bytes of a picture of the twin."""
        if not picture:
            return None
        document_id = imaging.document_of(picture)
        document = await self._documents.get(document_id) if document_id else None
        if document is not None:
            listed = await self._catalogue.images(Wanted(document=document.document_id), None, 1_000_000)
            for row in listed.rows:
                if row["imageId"] == picture:
                    home = twin.folder(document.library_id, document.document_id)
                    return await self._storage.read(f"{home}/images/{row.get('duplicate_of') or row['name']}")
        raise RequestError("not_found", "There is no such picture.")


def _check(request: ImageQuery, upload: bytes | None) -> None:
    if not (request.query.strip() or request.image_id or upload is not None):
        raise RequestError("bad_request", "Give words (query), a picture (file), an imageId, or words and a picture.")
    if len(request.query) > 10_000:
        raise RequestError("bad_request", "query must be a text of at most 10,000 characters.")
    if not 1 <= request.top <= MAX_TOP:
        raise RequestError("bad_request", f"top must be between 1 and {MAX_TOP}.")
    if request.space and request.space not in SPACES:
        raise RequestError("bad_request", f"space must be one of: {', '.join(SPACES)}.")
    if request.pages is not None and not 1 <= request.pages[0] <= request.pages[1] <= 10**9:
        raise RequestError("bad_request", "pages must be [first, last], counted from 1.")
    if upload is not None and request.image_id:
        raise RequestError("bad_request", "Give a file or an imageId, not both.")


def _filter(request: ImageQuery) -> VectorFilter:
    return VectorFilter(
        library_ids=access.within(request.library_id or None),
        document_ids=[request.document_id] if request.document_id else None,
        pages=request.pages,
    )


def _linked(product: str, products: list[dict[str, Any]]) -> bool:
    wanted = product.casefold()
    return any(row["productId"] == product or row["name"].casefold() == wanted for row in products)


def _hit(hit: Hit, document: Document, links: PictureLinks) -> ImageHit:
    row, extra = hit.row, hit.row.extra
    return ImageHit(
        image_id=extra["imageId"],
        document_id=document.document_id,
        library_id=document.library_id,
        name=document.name,
        image=extra["image"],
        url=links.to(document, str(extra["file"])),
        page=extra["page"],
        pages=row.pages,
        bbox=extra["bbox"],
        caption=extra["caption"],
        width=extra["width"],
        height=extra["height"],
        products=extra["products"],
        score=round(hit.score, 6),
    )
