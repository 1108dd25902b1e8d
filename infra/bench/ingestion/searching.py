"""Search over generated vectors: latency of the embedded store and of whole answers, and recall against exact search.

Two kinds of vectors. `topics`: pages of documents of fifty topics, each a step away from what it belongs to, as texts
of a collection lie. `noise`: directions without any structure, the worst case of every index, where a vector's ten
nearest are hardly nearer than all others.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.gateway.search.searching import Search, SearchRequest
from shared.adapters.lancedb_vectors import LanceVectors
from shared.document import Document
from shared.job import utc_now
from shared.ports import FIRST_VERSION, VectorFilter, VectorRow

DIMENSION = 256
BATCH = 5_000
QUERIES = 60
WARM_UP = 5
TOP = 10
SPREADS = ("topics", "noise")
_TOPICS, _STEP = 50, 0.7
_SMALL = VectorFilter(library_ids=["bench"], kinds=["chunk"], scale="small")


class Source:
    """Vectors of one kind, always the same, piece by piece, so that a million need no more room than their numbers."""

    def __init__(self, spread: str, seed: int = 1) -> None:
        self._spread = spread
        self._chance = np.random.default_rng(seed)
        self._topics = self._normal(_TOPICS)

    def rows(self, count: int) -> Iterator[Any]:
        """Batches of unit vectors; a hundred in a row belong to one document."""
        for first in range(0, count, BATCH):
            size = min(BATCH, count - first)
            vectors = self._normal(size)
            if self._spread == "topics":
                documents = self._topics[self._chance.integers(_TOPICS, size=-(-size // 100))]
                documents = documents + _STEP * self._normal(len(documents))
                vectors = documents[np.arange(size) // 100] + _STEP * vectors
            yield vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def query(self, vectors: Any) -> Any:
        """Near one of them, as a question is near what answers it."""
        return vectors[int(self._chance.integers(len(vectors)))] + 0.05 * self._normal(1)[0]

    def word(self) -> str:
        """What is asked in words: one that 1 of 500 rows has and one that 1 of 50 has."""
        return f"word{int(self._chance.integers(500))} common"

    def _normal(self, count: int) -> Any:
        return self._chance.standard_normal((count, DIMENSION), dtype=np.float32)


class _Documents:
    """Every document there is, in the current generation; stands for a store whose cost is measured elsewhere."""

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        now = utc_now()
        return {
            each: Document(
                document_id=each, library_id="bench", item_id=each, sha256="", name=each, size=1, created_at=now,
                updated_at=now, generation="g",
            )
            for each in document_ids
        }  # fmt: skip


class _Given:
    """Embeds nothing: the query's vector is given."""

    name, dimension, version, costly = "bench", DIMENSION, FIRST_VERSION, False

    def __init__(self) -> None:
        self.vector: list[float] = []

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        return [self.vector]


async def measure_search(folder: Path, rows: int, spread: str = "topics") -> dict[str, Any]:
    """p50 and p99 in milliseconds of vector search and of hybrid search for ten rows and of a whole answer (five pages
    with places and highlights, without embedding the question), and the share of the exact ten nearest it finds."""
    source = Source(spread)
    store = LanceVectors(folder / f"vectors-{spread}-{rows}", "bench", DIMENSION, upkeep=False)
    await store.open()
    try:
        vectors, written = await _filled(store, source, rows)
        start = time.perf_counter()
        await store.optimize()
        indexed = time.perf_counter() - start
        return {
            "rows": rows,
            "vectors": spread,
            "rows_per_second": rows / written,
            "index_seconds": indexed,
            **await _latencies(store, source, vectors),
        }
    finally:
        await store.close()


async def _filled(store: LanceVectors, source: Source, rows: int) -> tuple[Any, float]:
    """The vectors written, and the seconds that writing took."""
    vectors = np.empty((rows, DIMENSION), dtype=np.float32)
    first, written = 0, 0.0
    for batch in source.rows(rows):
        vectors[first : first + len(batch)] = batch
        made = [_row(first + n, vector) for n, vector in enumerate(batch)]
        start = time.perf_counter()
        await store.write(made)
        written += time.perf_counter() - start
        first += len(batch)
    return vectors, written


async def _latencies(store: LanceVectors, source: Source, vectors: Any) -> dict[str, float]:
    given = _Given()
    answers: Any = Search(_Documents(), store, given, None, None, None)  # type: ignore[arg-type]
    took: dict[str, list[float]] = {"vector": [], "hybrid": [], "answer": []}
    asked: list[tuple[Any, set[int]]] = []

    async def timed(kind: str, work: Callable[[], Awaitable[Any]]) -> Any:
        start = time.perf_counter()
        found = await work()
        took[kind].append((time.perf_counter() - start) * 1_000)
        return found

    for _ in range(QUERIES + WARM_UP):
        query, words = source.query(vectors), source.word()
        given.vector = query.tolist()
        request = SearchRequest(query=words, library_id="bench")
        hits = await timed("vector", lambda: store.search(given.vector, "", _SMALL, TOP))
        await timed("hybrid", lambda words=words: store.search(given.vector, words, _SMALL, TOP))  # type: ignore[misc]
        await timed("answer", lambda request=request: answers.find(request))  # type: ignore[misc]
        asked.append((query, {int(hit.row.row_id) for hit in hits}))
    # only now: the threads that multiply would still be in the way of the next search
    recalls = [len(found & set(np.argpartition(-(vectors @ query), TOP - 1)[:TOP].tolist())) for query, found in asked]
    measured = {
        f"{kind}_p{p}_ms": float(np.percentile(each[WARM_UP:], p)) for kind, each in took.items() for p in (50, 99)
    }
    return {"recall": float(np.mean(recalls)) / TOP, **measured}


def _row(number: int, vector: Any) -> VectorRow:
    return VectorRow(
        row_id=str(number),
        kind="chunk",
        library_id="bench",
        document_id=f"doc-{number // 100}",
        file_id="f",
        generation="g",
        vector=vector.tolist(),
        text=f"word{number % 500} word{number % 499} and number {number} " + ("common " if number % 50 == 0 else ""),
        scale="small",
        position=number % 100,
        pages=[number % 100 + 1],
    )
