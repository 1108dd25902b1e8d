"""The embedded vector store: LanceDB in a folder (or any URI it knows), vectors and BM25 fused by reciprocal ranks.

Several processes may read and write the same folder. Every commit is atomic and atomic commits are all that is relied
on: an upsert is one `merge_insert` on a declared primary key (without that declaration two writers insert twice), a
conflict is tried again, a reader looks for the newest version on every read. Filters are typed expressions, never
SQL text. `lancedb` costs 2 s to import, so that happens in a thread when the store is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from shared.adapters.lancedb_upkeep import Upkeep
from shared.errors import ConfigurationError, TransientError
from shared.ports import Hit, VectorFilter, VectorRow

T = TypeVar("T")
ROWS_PER_COMMIT = 4_096
ATTEMPTS = 12
RANK_CONSTANT = 60
"""The k of reciprocal rank fusion: 1 / (k + rank), ranks from 1; 60 is the value of the method's paper."""
LONGEST_QUERY = 4_000
"""Characters of a query that full-text search looks at."""
_CONFLICT = re.compile("commit conflict|concurrent|preempted|already exists|not match existing", re.IGNORECASE)
_COLUMNS = [name for name in VectorRow.__struct_fields__ if name != "vector"]


class LanceVectors:
    """`VectorStore` port. `embedder` and `dimension` are recorded in the table's schema when it is made."""

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
    ) -> None:
        self._location, self._table_name = str(location), table
        self._embedder, self._dimension = embedder, dimension
        self._table: Any = None
        self._modules: dict[str, Any] = {}
        self._upkeep = Upkeep(self.optimize, idle_seconds) if upkeep else None

    async def open(self) -> None:
        """Open or create the table and its indexes; raises ConfigurationError index_mismatch or misconfigured."""
        for name in ("lancedb", "lancedb.expr", "lancedb.index", "pyarrow", "pyarrow.compute"):
            self._modules[name] = await asyncio.to_thread(importlib.import_module, name)
        try:
            database = await self._modules["lancedb"].connect_async(
                self._location, read_consistency_interval=timedelta(0)
            )
        except (OSError, RuntimeError, ValueError) as error:
            message = f"The vector folder cannot be opened ({type(error).__name__}): {self._location}"
            raise ConfigurationError("misconfigured", message) from error
        self._table = await self._commit(lambda: self._open_table(database), 0)
        await self._check_embedder()
        await self._make_indexes()
        if self._upkeep:
            self._upkeep.start()

    async def _open_table(self, database: Any) -> Any:
        try:
            return await database.open_table(self._table_name)
        except ValueError:  # there is none yet
            return await database.create_table(self._table_name, schema=self._schema(), exist_ok=True)

    async def close(self) -> None:
        """Stop the upkeep; a running compaction gets a moment to finish, an interrupted one changes nothing."""
        if self._upkeep:
            await self._upkeep.stop()
        if self._table is not None:
            self._table.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Insert or replace, ROWS_PER_COMMIT rows a commit; a failure leaves whole commits only."""
        for first in range(0, len(rows), ROWS_PER_COMMIT):
            await self._merge(rows[first : first + ROWS_PER_COMMIT], update=True)

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """Distinct rows that a scan finds; the document's own row belongs to no generation."""
        wanted = [self._is("document_id", document_id), self._is("generation", generation)]
        wanted.append(self._column("kind") != self._literal("doc"))
        if kind is not None:
            wanted.append(self._is("kind", kind))
        found = await self._read(self._table.query().where(_all(wanted)).select(["key"]))
        return int(self._modules["pyarrow.compute"].count_distinct(found["key"]).as_py())

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert or insert the document's row, atomically also against other processes."""
        await self._merge([row], update=not insert_only)

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """The document's row with its vector."""
        where = self._is("document_id", document_id) & self._is("kind", "doc")
        found = (await self._read(self._table.query().where(where).limit(1))).to_pylist()
        return _row(found[0]) if found else None

    async def tidy(self, document_id: str, keep_generation: str) -> int:
        """One commit: readers see all of the other generations' rows, or none."""
        other = self._column("generation") != self._literal(keep_generation)
        not_doc = self._column("kind") != self._literal("doc")
        return await self._delete(self._is("document_id", document_id) & other & not_doc)

    async def delete_document(self, document_id: str) -> None:
        """Every row of the document, in one commit."""
        await self._delete(self._is("document_id", document_id))

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Vector and BM25 ranking of `top` rows each, fused. Hits carry no vector: `row.vector` is empty."""
        self._check_length(vector)
        wanted = self._expression(where)
        queries = [
            self._table.query().nearest_to(list(vector)).distance_type("cosine").select([*_COLUMNS, "_distance"])
        ]
        words = text[:LONGEST_QUERY].encode("utf-8", "replace").decode()
        if re.search(r"\w", words):
            queries.append(self._table.query().nearest_to_text(words).select([*_COLUMNS, "_score"]))
        if wanted is not None:
            queries = [query.where(wanted) for query in queries]
        found = await asyncio.gather(*(self._read(query.limit(top)) for query in queries))
        orders = zip((("_distance", "ascending"), ("_score", "descending")), found, strict=False)
        return fuse([[_row(entry) for entry in rows.sort_by([order]).to_pylist()] for order, rows in orders])[:top]

    async def optimize(self) -> None:
        """Merge small files and bring the full-text index up to date; old versions stay an hour for readers."""
        await self._commit(lambda: self._table.optimize(cleanup_older_than=timedelta(hours=1)), 0)

    async def _merge(self, rows: Sequence[VectorRow], *, update: bool) -> None:
        for row in rows:
            self._check_length(row.vector)
        batch = await asyncio.to_thread(self._batch, rows)

        def merge() -> Awaitable[Any]:
            builder = self._table.merge_insert("key").when_not_matched_insert_all()
            pending: Awaitable[Any] = (builder.when_matched_update_all() if update else builder).execute(batch)
            return pending

        await self._commit(merge, len(rows))

    async def _delete(self, where: Any) -> int:
        result = await self._commit(lambda: self._table.delete(where), 0)
        return int(result.num_deleted_rows)

    async def _read(self, query: Any) -> Any:
        try:
            return await query.to_arrow()
        except (OSError, RuntimeError) as error:
            raise TransientError(
                "unavailable", f"The vector store could not be read ({type(error).__name__})."
            ) from error

    async def _commit(self, operation: Callable[[], Awaitable[T]], rows: int) -> T:
        """Run a writing operation, again after a lost race; raises TransientError."""
        for attempt in range(ATTEMPTS):
            try:
                result = await operation()
            except (OSError, RuntimeError, ValueError) as error:
                if attempt + 1 == ATTEMPTS or not _CONFLICT.search(str(error)):
                    message = f"The vector store could not be written ({type(error).__name__})."
                    raise TransientError("unavailable", message) from error
                await asyncio.sleep(random.uniform(0.01, 0.05) * 2 ** min(attempt, 5))
            else:
                if rows and self._upkeep:
                    self._upkeep.note(rows)
                return result
        raise AssertionError("unreachable")

    def _schema(self) -> Any:
        pa = self._modules["pyarrow"]
        key = pa.field("key", pa.string(), False, metadata={"lance-schema:unenforced-primary-key": "true"})
        types = dict.fromkeys(_COLUMNS, pa.string())
        types |= {"position": pa.int64(), "pages": pa.list_(pa.int32())}
        fields = [key, *(pa.field(name, kind) for name, kind in types.items())]
        fields.append(pa.field("vector", pa.list_(pa.float32(), self._dimension)))
        return pa.schema(fields, metadata={"embedder": self._embedder, "dimension": str(self._dimension)})

    def _batch(self, rows: Sequence[VectorRow]) -> Any:
        """The rows as an Arrow table; of several with one key the last. Slow for many rows: runs in a thread."""
        unique = list({_key(row): row for row in rows}.items())
        columns: dict[str, Any] = {name: [getattr(row, name) for _, row in unique] for name in _COLUMNS}
        columns["extra"] = [msgspec.json.encode(row.extra).decode() for _, row in unique]
        columns["key"] = [key for key, _ in unique]
        columns["vector"] = [row.vector for _, row in unique]
        return self._modules["pyarrow"].table(columns, schema=self._schema())

    async def _check_embedder(self) -> None:
        recorded = (await self._table.schema()).metadata or {}
        embedder = recorded.get(b"embedder", b"?").decode()
        dimension = recorded.get(b"dimension", b"?").decode()
        if (embedder, dimension) != (self._embedder, str(self._dimension)):
            raise ConfigurationError(
                "index_mismatch",
                f"The index in {self._location} was made with {embedder} ({dimension} dimensions), "
                f"but {self._embedder} ({self._dimension} dimensions) is configured.",
            )

    async def _make_indexes(self) -> None:
        index = self._modules["lancedb.index"]
        # ICU finds words in every script; stemming and stop words would suit one language only
        full_text = index.FTS(base_tokenizer="icu", stem=False, remove_stop_words=False)
        wanted = {"text": full_text, "key": index.BTree(), "document_id": index.BTree()}
        for _ in range(ATTEMPTS):
            entries = await self._table.list_indices()
            missing = wanted.keys() - {column for entry in entries for column in entry.columns}
            if not missing:
                break
            for column in missing:
                # losing the race against another process that opens the new folder is no error
                with contextlib.suppress(OSError, RuntimeError, ValueError):
                    await self._table.create_index(column, config=wanted[column], replace=False)
        else:
            raise TransientError("unavailable", "The indexes of the vector store could not be made.")
        if self._upkeep:
            self._upkeep.note(max((entry.num_unindexed_rows or 0 for entry in entries), default=0))

    def _check_length(self, vector: Sequence[float]) -> None:
        if len(vector) != self._dimension:
            raise ConfigurationError(
                "index_mismatch", f"A vector has {len(vector)} dimensions, the index has {self._dimension}."
            )

    def _column(self, name: str) -> Any:
        return self._modules["lancedb.expr"].col(name)

    def _literal(self, value: str | bool) -> Any:
        # a lone surrogate cannot be stored, so it may match nothing, but must not fail either
        clean = value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        return self._modules["lancedb.expr"].lit(clean)

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
        return _all(wanted) if wanted else None


def fuse(rankings: Iterable[Sequence[VectorRow]]) -> list[Hit]:
    """Reciprocal rank fusion: a row's score is the sum of 1 / (RANK_CONSTANT + rank) over the rankings that have it."""
    scores: dict[str, float] = {}
    rows: dict[str, VectorRow] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            key = _key(row)
            rows[key] = row
            scores[key] = scores.get(key, 0.0) + 1 / (RANK_CONSTANT + rank)
    best = sorted(scores, key=lambda key: -scores[key])
    return [Hit(row=rows[key], score=scores[key]) for key in best]


def _key(row: VectorRow) -> str:
    """The primary key: one row a document for kind 'doc', else one for each generation of a row id."""
    name = ["doc", row.document_id] if row.kind == "doc" else [row.kind, row.generation, row.row_id]
    return msgspec.json.encode(name).decode()


def _row(entry: dict[str, Any]) -> VectorRow:
    fields = {name: entry[name] for name in _COLUMNS}
    fields["extra"] = msgspec.json.decode(fields["extra"])
    return VectorRow(**fields, vector=list(entry.get("vector", ())))


def _all(conditions: list[Any]) -> Any:
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = joined & condition
    return joined
