"""The embedded vector store: LanceDB in a folder (or any URI it knows), vectors and BM25 fused by reciprocal ranks.

Documents' own rows (kind `doc`) lie in a table of their own, so that the gateway, which writes them, and the ingestor
hardly ever meet in a commit. Several processes may read and write the same folder. Every commit is atomic and atomic
commits are all that is relied on: an upsert is one `merge_insert` on a declared primary key (without that declaration
two writers insert twice), a reader looks for the newest version on every read. Filters are typed expressions, never SQL
text. `lancedb` costs 2 s to import, so that happens in a thread when the store is opened.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.adapters.index_identity import IndexIdentity
from shared.adapters.lancedb_indexes import is_narrow, make_indexes, nearest, tend_vector_index
from shared.adapters.lancedb_table import COLUMNS, LanceTable, counted, key_of, row_of
from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION, Census, Hit, VectorFilter, VectorRow

RANK_CONSTANT = 60
"""The k of reciprocal rank fusion: 1 / (k + rank), ranks from 1; 60 is the value of the method's paper."""
LONGEST_QUERY = 4_000
"""Characters of a query that full-text search looks at."""


class LanceVectors:
    """`VectorStore` port. `embedder`, `dimension` and `version` are recorded in the tables' schema when they are made.

    `upkeep`: whether this process compacts the table of chunks when writing pauses (one process of a stack should);
    the small table of documents is compacted by whoever writes it.
    """

    name = "lancedb"

    def __init__(
        self,
        location: str | Path,
        embedder: str,
        dimension: int,
        *,
        table: str = "vectors",
        upkeep: bool = True,
        idle_seconds: float = 3.0,
        version: str = FIRST_VERSION,
    ) -> None:
        self._location = str(location)
        self._made_with, self._dimension = IndexIdentity(embedder, dimension, version), dimension
        self._rows = LanceTable(table, idle_seconds, upkeep=upkeep, tend=tend_vector_index)
        self._docs = LanceTable(f"{table}_docs", idle_seconds, upkeep=True)
        self._expr: Any = None

    async def open(self) -> None:
        """Open or create the tables and indexes; raises ConfigurationError index_mismatch or misconfigured."""
        # Its warnings are no JSON lines, and tell of lost races, which are tried again here.
        os.environ.setdefault("LANCEDB_LOG", "error")
        lancedb = await asyncio.to_thread(importlib.import_module, "lancedb")
        self._expr = importlib.import_module("lancedb.expr")
        try:
            database = await lancedb.connect_async(self._location, read_consistency_interval=timedelta(0))
        except (OSError, RuntimeError, ValueError) as error:
            message = f"The vector folder cannot be opened ({type(error).__name__}): {self._location}"
            raise ConfigurationError("misconfigured", message) from error
        await self._rows.open(database, self._made_with)
        await self._check_embedder()
        await self._docs.open(database, self._made_with)
        await make_indexes(self._rows, full_text=True)
        await make_indexes(self._docs, full_text=False)

    async def close(self) -> None:
        """Stop the upkeep; a running compaction gets a moment to finish, an interrupted one changes nothing."""
        await self._rows.close()
        await self._docs.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Insert or replace; writers that wait at the same time share a commit."""
        for row in rows:
            self._check_length(row.vector)
        await self._docs.merge([row for row in rows if row.kind == "doc"], update=True)
        await self._rows.merge([row for row in rows if row.kind != "doc"], update=True)

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """Distinct rows that a scan finds."""
        wanted = [self._is("document_id", document_id), self._is("generation", generation)]
        if kind is not None:
            wanted.append(self._is("kind", kind))
        return await self._count(self._rows, _all(wanted))

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """One scan of each table for all the documents."""
        if not generations:
            return {}
        where = self._column("document_id").isin([self._literal(name) for name in generations])
        columns = ["key", "document_id", "generation", "kind"]
        found = await self._rows.read(self._rows.table.query().where(where).select(columns))
        docs = await self._docs.read(self._docs.table.query().where(where).select(["document_id"]))
        return await asyncio.to_thread(counted, generations, found, set(docs["document_id"].to_pylist()))

    async def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """A scan."""
        table = self._docs if kind == "doc" else self._rows
        columns = [*COLUMNS, "vector"] if vectors else COLUMNS
        where = self._is("document_id", document_id) & self._is("kind", kind)
        for entry in (await table.read(table.table.query().where(where).select(columns))).to_pylist():
            yield row_of(entry)

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert or insert the document's row, atomically also against other processes. A merge that changes nothing is
        a commit all the same, and costs three times as much as looking first."""
        self._check_length(row.vector)
        if insert_only and await self._count(self._docs, self._is("document_id", row.document_id)):
            return
        await self._docs.merge([row], update=not insert_only)

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """The document's row with its vector."""
        query = self._docs.table.query().where(self._is("document_id", document_id)).limit(1)
        found = (await self._docs.read(query)).to_pylist()
        return row_of(found[0]) if found else None

    async def others(self, document_id: str, generation: str) -> list[str]:
        """A scan."""
        where = self._is("document_id", document_id) & (self._column("generation") != self._literal(generation))
        found = await self._rows.read(self._rows.table.query().where(where).select(["generation"]))
        return sorted(set(found["generation"].to_pylist()))

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """One commit: readers see all of these generations' rows, or none."""
        if not generations:
            return 0
        theirs = self._column("generation").isin([self._literal(name) for name in generations])
        return await self._rows.delete(self._is("document_id", document_id) & theirs)

    async def delete_document(self, document_id: str) -> None:
        """Every row of the document, in one commit a table."""
        await self._docs.delete(self._is("document_id", document_id))
        await self._rows.delete(self._is("document_id", document_id))

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Vector and BM25 ranking of `top` rows each, fused. Hits carry no vector: `row.vector` is empty."""
        self._check_length(vector)
        kinds = where.kinds
        rankings: list[list[VectorRow]] = []
        if kinds is None or any(kind != "doc" for kind in kinds):
            rankings = await self._rank(self._rows, vector, text, where, top)
        if kinds is None or "doc" in kinds:
            rankings += await self._rank(self._docs, vector, "", where, top)
        return fuse(rankings)[:top]

    async def optimize(self) -> None:
        """Compact both tables, bring their indexes up to date and make those that are due."""
        await self._rows.optimize()
        await self._docs.optimize()

    async def _rank(
        self, table: LanceTable, vector: Sequence[float], text: str, where: VectorFilter, top: int
    ) -> list[list[VectorRow]]:
        wanted = self._expression(where)

        async def read(query: Any, measure: str) -> Any:
            filtered = query if wanted is None else query.where(wanted)
            return await table.read(filtered.select([*COLUMNS, measure]).limit(top))

        async def by_vector() -> Any:
            thorough = is_narrow(where)
            rows = await read(nearest(table, list(vector), where, thorough=thorough), "_distance")
            if len(rows) == top or thorough:
                return rows
            # the nearest partitions hold too few rows that pass the filter (a small library in a large index)
            return await read(nearest(table, list(vector), where, thorough=True), "_distance")

        rankings = [by_vector()]
        if re.search(r"\w", text):
            rankings.append(read(table.table.query().nearest_to_text(text[:LONGEST_QUERY]), "_score"))
        found = await asyncio.gather(*rankings)
        orders = zip((("_distance", "ascending"), ("_score", "descending")), found, strict=False)
        return [
            [row_of(entry) for entry in rows.sort_by([order, ("row_id", "ascending")]).to_pylist()]
            for order, rows in orders
        ]

    async def _count(self, table: LanceTable, where: Any) -> int:
        found = await table.read(table.table.query().where(where).select(["key"]))
        return len(set(found["key"].to_pylist()))

    async def _check_embedder(self) -> None:
        self._made_with.check(f"The index in {self._location}", await self._rows.made_with())

    def _check_length(self, vector: Sequence[float]) -> None:
        if len(vector) != self._dimension:
            raise ConfigurationError(
                "index_mismatch", f"A vector has {len(vector)} dimensions, the index has {self._dimension}."
            )

    def _column(self, name: str) -> Any:
        return self._expr.col(name)

    def _literal(self, value: str | bool) -> Any:
        # a lone surrogate cannot be stored, so it may match nothing, but must not fail either
        clean = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        return self._expr.lit(clean)

    def _is(self, name: str, value: str) -> Any:
        return self._column(name) == self._literal(value)

    def _expression(self, where: VectorFilter) -> Any:
        lists = {"library_id": where.library_ids, "document_id": where.document_ids, "kind": where.kinds}
        wanted = [
            self._column(name).isin([self._literal(value) for value in values]) if values else self._literal(False)
            for name, values in lists.items()
            if values is not None
        ]
        if where.scale is not None:
            wanted.append(self._is("scale", where.scale))
        if where.chapter is not None:
            below = (self._column("chapter") >= self._literal(f"{where.chapter} / ")) & (
                self._column("chapter") < self._literal(f"{where.chapter} /!")
            )
            wanted.append(self._is("chapter", where.chapter) | below)
        if where.pages is None:
            return _all(wanted) if wanted else None
        # typed expressions know no lists: the engine writes the others as SQL, and only two numbers are added
        first, last = map(int, where.pages)
        range_ = f"array_element(pages, 1) <= {last} AND array_element(pages, -1) >= {first}"
        return f"({_all(wanted).to_sql()}) AND {range_}" if wanted else range_


def fuse(rankings: Iterable[Sequence[VectorRow]]) -> list[Hit]:
    """Reciprocal rank fusion: a row's score is the sum of 1 / (RANK_CONSTANT + rank) over the rankings that have it."""
    scores: dict[str, float] = {}
    rows: dict[str, VectorRow] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            key = key_of(row)
            rows[key] = row
            scores[key] = scores.get(key, 0.0) + 1 / (RANK_CONSTANT + rank)
    best = sorted(scores, key=lambda key: (-scores[key], key))
    return [Hit(row=rows[key], score=scores[key]) for key in best]


def _all(conditions: list[Any]) -> Any:
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = joined & condition
    return joined
