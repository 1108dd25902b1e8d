"""Search: query to hits, showing only the current generation of each document."""

from __future__ import annotations

import msgspec

from shared.errors import RequestError
from shared.ports import DocumentStore, Embedder, Hit, VectorFilter, VectorStore

MAX_TOP = 100


class SearchRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Body of `POST /api/search`."""

    query: str
    top: int = 5
    library_id: str | None = None
    document_id: str | None = None


class SearchHit(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One hit: a chunk with its place. `score` orders hits of one answer only."""

    chunk_id: str
    document_id: str
    library_id: str
    item_id: str
    name: str
    pages: list[int]
    chapter: str
    text: str
    score: float


class Search:
    """Finds chunks."""

    def __init__(self, documents: DocumentStore, vectors: VectorStore, embedder: Embedder) -> None:
        self._documents, self._vectors, self._embedder = documents, vectors, embedder

    async def find(self, request: SearchRequest) -> list[SearchHit]:
        """The best chunks. Rows of a generation that is not the document's current one are never shown; if that
        drops any (a switch was under way), the store is asked again so that the new ones are found."""
        query = request.query.strip()
        if not query or len(query) > 10_000:
            raise RequestError("bad_request", "query must be a text of 1 to 10,000 characters.")
        if not 1 <= request.top <= MAX_TOP:
            raise RequestError("bad_request", f"top must be between 1 and {MAX_TOP}.")
        vector = (await self._embedder.embed([query], query=True))[0]
        where = VectorFilter(
            library_ids=[request.library_id] if request.library_id else None,
            document_ids=[request.document_id] if request.document_id else None,
            kinds=["chunk"],
            scale="small",
        )
        hits: list[SearchHit] = []
        for reach in (3, 8, 24):
            found = await self._vectors.search(vector, query, where, request.top * reach)
            hits = await self._current(found)
            if len(hits) >= request.top or len(hits) == len(found):
                break
        return hits[: request.top]

    async def _current(self, found: list[Hit]) -> list[SearchHit]:
        documents = await self._documents.many(list({hit.row.document_id for hit in found}))
        hits = []
        for hit in found:
            document = documents.get(hit.row.document_id)
            if document is None or document.generation != hit.row.generation:
                continue
            hits.append(
                SearchHit(
                    chunk_id=str(hit.row.extra.get("chunkId") or hit.row.row_id),
                    document_id=document.document_id,
                    library_id=document.library_id,
                    item_id=document.item_id,
                    name=document.name,
                    pages=hit.row.pages,
                    chapter=hit.row.chapter,
                    text=hit.row.text,
                    score=round(hit.score, 6),
                )
            )
        return hits
