"""Search: query to passages with their places, showing only the current generation of each document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from services.gateway import access
from services.gateway.pictures.picture_links import PictureLinks
from services.gateway.search import ranking
from services.gateway.search.catalogue import Catalogue
from services.gateway.search.product_scope import ProductScope, scope_of
from services.gateway.search.ranking import Passage
from shared import reading
from shared.document import Document
from shared.errors import RequestError, ShadowtwinError
from shared.ports import DocumentStore, Embedder, Hit, Storage, VectorFilter, VectorStore

MAX_TOP = 100
KINDS = ("chunk", "summary")
_REACH = (8, 16, 32)
"""Rows asked of the store for each passage wanted: several windows make one page."""
_LEAST_ROWS = 40
_MOST_ROWS = 1_000


class SearchRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/search`. `pages` is [first, last], `chapter` a path as hits show it (what is below it counts
    too), `product` an id or a whole name (its pages, and chunks that name it). `collapse` is `page` (one hit a page) or
    `none` (one a window), `expand` adds the large parent's text."""

    query: str
    top: int = 5
    library_id: str | None = None
    document_id: str | None = None
    chapter: str | None = None
    pages: tuple[int, int] | None = None
    kinds: tuple[str, ...] = ("chunk",)
    product: str | None = None
    collapse: str = "page"
    expand: bool = False


class PlaceBox(msgspec.Struct, frozen=True, rename="camel"):
    """A box on a page in points from the sheet's top left: [x0, y0, x1, y1]."""

    page: int
    bbox: tuple[float, float, float, float]


class SearchHit(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One passage with its place. `score` orders hits of one answer only; `confidence` is the share, 0 to 1, of what
    was asked that the passage holds, `confident` whether that is enough. `highlights` are characters of `text`,
    `excerpt` is the stretch of it to show where there is little room;
    `chunk_ids` are all windows that the text is from, `context` the text of the large chunk around the best one.
    `chunk_type` is ocr where any of the best one was recognised in a picture of its page, with the lowest
    `ocr_confidence`, 0 to 1, of these pages; else text. `image_index`, `image_key` (below the document's folder),
    `image_size` (WxH, pixels) and `image_url` (opens for an hour) are of the picture it was recognised in."""

    chunk_id: str
    chunk_ids: list[str]
    kind: str
    document_id: str
    library_id: str
    item_id: str
    name: str
    pages: list[int]
    chapter: str
    header: str
    text: str
    highlights: list[tuple[int, int]]
    excerpt: tuple[int, int]
    boxes: list[PlaceBox]
    score: float
    confidence: float
    confident: bool
    context: str = ""
    chunk_type: str = "text"
    ocr_confidence: float | None = None
    image_index: int | None = None
    image_key: str = ""
    image_size: str = ""
    image_url: str = ""


class Search:
    """Finds passages."""

    def __init__(
        self,
        documents: DocumentStore,
        vectors: VectorStore,
        embedder: Embedder,
        storage: Storage,
        catalogue: Catalogue,
        links: PictureLinks,
    ) -> None:
        self._documents, self._vectors, self._embedder, self._storage = documents, vectors, embedder, storage
        self._catalogue, self._links = catalogue, links

    async def find(self, request: SearchRequest) -> list[SearchHit]:
        """The best passages. Rows of a generation that is not the document's current one are never shown; if that
        drops any (a switch was under way), or windows of few pages were found, the store is asked for more."""
        query = _checked(request)
        scope = await self._scope(request)
        if scope is not None and not scope.documents:
            return []
        where = _filter(request, scope)
        vector = (await self._embedder.embed([query], query=True))[0]
        passages: list[Passage] = []
        documents: dict[str, Document] = {}
        for reach in _REACH:
            rows = min(max(request.top * reach, _LEAST_ROWS), _MOST_ROWS)
            found = await self._vectors.search(vector, query, where, rows)
            documents = await self._documents.many(list({hit.row.document_id for hit in found}))
            hits = [hit for hit in found if _current(hit, documents) and hit.row.scale != "large"]
            if scope is not None:
                hits = [hit for hit in hits if scope.holds(hit)]
            passages = ranking.rank(query, hits, by_page=request.collapse == "page")
            if scope is not None:
                passages = [passage for passage in passages if scope.shows(passage)]
            if request.pages is not None and request.collapse == "page":
                # a window that touches the range may also stand on a page outside of it
                first, last = request.pages
                passages = [passage for passage in passages if first <= passage.page <= last]
            if len(passages) >= request.top or len(found) < rows:
                break
        shown = passages[: request.top]
        contexts = await self._contexts(shown, documents) if request.expand else {}
        by_page, links = request.collapse == "page", self._links
        return [
            _hit(query, passage, documents[passage.rows[0].document_id], contexts, links, by_page=by_page)
            for passage in shown
        ]

    async def _scope(self, request: SearchRequest) -> ProductScope | None:
        if request.product is None:
            return None
        asked = (request.product, request.library_id, request.document_id)
        return await scope_of(self._catalogue, self._documents, *asked)

    async def _contexts(self, passages: Iterable[Passage], documents: dict[str, Document]) -> dict[str, str]:
        """The texts of the large chunks around the passages, by id, from each document's chunks.jsonl."""
        wanted: dict[str, set[str]] = {}
        for passage in passages:
            row = passage.rows[0]
            wanted.setdefault(row.document_id, set()).add(str(row.extra.get("parentId", "")))
        texts: dict[str, str] = {}
        for document_id, ids in wanted.items():
            artefact = documents[document_id].artefacts.get("chunks")
            if artefact is not None:
                texts |= await self._large(artefact.key, ids)
        return texts

    async def _large(self, key: str, ids: set[str]) -> dict[str, str]:
        """Read line by line until all are found; a file that is not there gives none."""
        found: dict[str, str] = {}
        try:
            async for line in reading.lines(self._storage, key):
                if b'"scale":"large"' in line:
                    row = msgspec.json.decode(line)
                    if row["chunk_id"] in ids:
                        found[row["chunk_id"]] = row["text"]
                        if len(found) == len(ids):
                            break
        except ShadowtwinError as error:
            if error.code != "artefact_missing":
                raise
        return found


def _checked(request: SearchRequest) -> str:
    query = request.query.strip()
    if not query or len(query) > 10_000:
        raise RequestError("bad_request", "query must be a text of 1 to 10,000 characters.")
    if not 1 <= request.top <= MAX_TOP:
        raise RequestError("bad_request", f"top must be between 1 and {MAX_TOP}.")
    if not request.kinds or not set(request.kinds) <= set(KINDS):
        raise RequestError("bad_request", f"kinds must name one or more of: {', '.join(KINDS)}.")
    if request.collapse not in ("page", "none"):
        raise RequestError("bad_request", "collapse must be page or none.")
    if request.pages is not None and not 1 <= request.pages[0] <= request.pages[1] <= 10**9:
        raise RequestError("bad_request", "pages must be [first, last], counted from 1.")
    return query


def _filter(request: SearchRequest, scope: ProductScope | None) -> VectorFilter:
    documents = [request.document_id] if request.document_id else None
    return VectorFilter(
        library_ids=access.within(request.library_id or None),
        document_ids=documents if scope is None else scope.documents,
        kinds=list(request.kinds),
        scale="small" if request.kinds == ("chunk",) else None,
        chapter=request.chapter,
        pages=request.pages,
    )


def _current(hit: Hit, documents: dict[str, Document]) -> bool:
    document = documents.get(hit.row.document_id)
    return document is not None and document.generation == hit.row.generation


def _hit(
    query: str, passage: Passage, document: Document, contexts: dict[str, str], links: PictureLinks, *, by_page: bool
) -> SearchHit:
    row = passage.rows[0]
    text = passage.text
    words = ranking.highlights(query, text)
    pages = [passage.page] if by_page and passage.page and row.kind == "chunk" else row.pages
    ids = [str(row.extra.get("chunkId") or row.row_id) for row in passage.rows]
    picture = str(row.extra.get("imageKey") or "")
    return SearchHit(
        chunk_id=ids[0],
        chunk_ids=list(dict.fromkeys(ids)),
        kind=row.kind,
        document_id=document.document_id,
        library_id=document.library_id,
        item_id=document.item_id,
        name=document.name,
        pages=pages,
        chapter=row.chapter,
        header=str(row.extra.get("header", "")),
        text=text,
        highlights=words,
        excerpt=ranking.excerpt(text, words),
        boxes=_boxes(passage, set(pages)),
        score=round(passage.score, 6),
        confidence=round(passage.confidence, 3),
        confident=passage.confidence >= ranking.CONFIDENT,
        context=contexts.get(str(row.extra.get("parentId", "")), ""),
        chunk_type=str(row.extra.get("chunkType", "text")),
        ocr_confidence=row.extra.get("ocrConfidence"),
        image_index=row.extra.get("imageIndex"),
        image_key=picture,
        image_size=str(row.extra.get("imageSize") or ""),
        image_url=links.to(document, picture.rpartition("/")[2]) if picture else "",
    )


def _boxes(passage: Passage, pages: set[int]) -> list[PlaceBox]:
    """The boxes of the rows that the passage's stretches touch, each once, in the order of the text."""
    found: dict[tuple[Any, ...], PlaceBox] = {}
    for row in passage.rows:
        for page, start, end, *bbox in row.extra.get("boxes") or []:
            if page in pages and any(span.start < end and start < span.end for span in passage.spans):
                x0, y0, x1, y1 = bbox
                found[(page, start, end)] = PlaceBox(page, (x0, y0, x1, y1))
    return [found[key] for key in sorted(found)]
