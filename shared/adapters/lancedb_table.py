"""One LanceDB table: writes that wait are merged into one commit, conflicts with other processes are tried again.

A commit costs about as much for one row as for thousands, and every commit makes the next ones and all reads a little
slower until the table is compacted. So whoever writes while a commit is under way shares the next one.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec

from shared.adapters.index_identity import IndexIdentity
from shared.adapters.lancedb_upkeep import Upkeep
from shared.errors import TransientError
from shared.ports import FIRST_VERSION, Census, VectorRow

T = TypeVar("T")
ATTEMPTS = 12
ROWS_PER_COMMIT = 8_192
COLUMNS = [name for name in VectorRow.__struct_fields__ if name != "vector"]
_CONFLICT = re.compile("commit conflict|concurrent|preempted|already exists", re.IGNORECASE)


class _Wish(NamedTuple):
    """Rows that somebody waits for."""

    rows: Sequence[VectorRow]
    update: bool
    done: asyncio.Future[None]


class LanceTable:
    """Rows by key in one table, for one process; several processes may have the same table open."""

    def __init__(
        self,
        name: str,
        idle_seconds: float,
        *,
        upkeep: bool,
        tend: Callable[[LanceTable], Awaitable[None]] | None = None,
    ) -> None:
        """`tend` is called after each compaction, for indexes that depend on the table's size."""
        self.name, self._tend = name, tend
        self.table: Any = None
        self._waiting: list[_Wish] = []
        self._writing: asyncio.Task[None] | None = None
        self._upkeep = Upkeep(self.optimize, idle_seconds) if upkeep else None

    async def open(self, database: Any, made_with: IndexIdentity) -> None:
        """Open the table, or create it with the embedder recorded in its schema."""

        async def opened() -> Any:
            try:
                return await database.open_table(self.name)
            except ValueError:  # there is none yet
                return await database.create_table(self.name, schema=_schema(made_with), exist_ok=True)

        self.table = await self.commit(opened)
        if self._upkeep:
            self._upkeep.start()

    async def made_with(self) -> IndexIdentity:
        """What is recorded in the schema; tables from before there were versions have the first."""
        found = {name.decode(): value.decode() for name, value in ((await self.table.schema()).metadata or {}).items()}
        dimension = int(found.get("dimension", 0))
        return IndexIdentity(found.get("embedder", "?"), dimension, found.get("version", FIRST_VERSION))

    async def close(self) -> None:
        """Let the running commit end, stop the upkeep."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if self._upkeep:
            await self._upkeep.stop()
        if self.table is not None:
            self.table.close()

    def note(self, rows: int) -> None:
        """So many rows are not in the indexes."""
        if self._upkeep:
            self._upkeep.note(rows)

    async def merge(self, rows: Sequence[VectorRow], *, update: bool) -> None:
        """Insert rows, replacing those of the same key if `update`, else leaving them as they are."""
        if not rows:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Wish(rows, update, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name=f"vectors.{self.name}")
        await done

    async def delete(self, where: Any) -> int:
        """Remove the rows in one commit; how many."""
        result = await self.commit(lambda: self.table.delete(where))
        return int(result.num_deleted_rows)

    async def read(self, query: Any) -> Any:
        """The query's rows as an Arrow table; raises TransientError."""
        try:
            return await query.to_arrow()
        except (OSError, RuntimeError) as error:
            raise TransientError(
                "unavailable", f"The vector store could not be read ({type(error).__name__})."
            ) from error

    async def optimize(self) -> None:
        """Merge small files and bring the indexes up to date; old versions stay an hour for readers."""
        await self.commit(lambda: self.table.optimize(cleanup_older_than=timedelta(hours=1)))
        if self._tend is not None:
            await self._tend(self)

    async def commit(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Run a writing operation, again after a lost race; raises TransientError."""
        for attempt in range(ATTEMPTS):
            try:
                return await operation()
            except (OSError, RuntimeError, ValueError) as error:
                if attempt + 1 == ATTEMPTS or not _CONFLICT.search(str(error)):
                    message = f"The vector store could not be written ({type(error).__name__})."
                    raise TransientError("unavailable", message) from error
                await asyncio.sleep(random.uniform(0.01, 0.05) * 2 ** min(attempt, 5))
        raise AssertionError("unreachable")

    async def _write(self) -> None:
        while self._waiting:
            update = self._waiting[0].update
            taken: list[_Wish] = []
            size = 0
            for wish in self._waiting:
                if wish.update != update or (taken and size + len(wish.rows) > ROWS_PER_COMMIT):
                    break
                taken.append(wish)
                size += len(wish.rows)
            self._waiting = self._waiting[len(taken) :]
            await self._write_together(taken)

    async def _write_together(self, wishes: list[_Wish]) -> None:
        """One commit for all; if it is refused, one for each, so that a bad row fails only its own writer."""
        try:
            await self._commit_rows([row for wish in wishes for row in wish.rows], wishes[0].update)
        except Exception as error:
            if len(wishes) == 1:
                _tell(wishes[0], error)
                return
            for wish in wishes:
                await self._write_together([wish])
            return
        for wish in wishes:
            _tell(wish, None)

    async def _commit_rows(self, rows: list[VectorRow], update: bool) -> None:
        schema = await self.table.schema()
        batch = await asyncio.to_thread(_batch, rows, schema)

        def merge() -> Awaitable[Any]:
            builder = self.table.merge_insert("key").when_not_matched_insert_all()
            pending: Awaitable[Any] = (builder.when_matched_update_all() if update else builder).execute(batch)
            return pending

        await self.commit(merge)
        self.note(len(rows))


def key_of(row: VectorRow) -> str:
    """The primary key: one row a document for kind 'doc', else one for each generation of a row id."""
    name = ["doc", row.document_id] if row.kind == "doc" else [row.kind, row.generation, row.row_id]
    return msgspec.json.encode(name).decode()


def row_of(entry: dict[str, Any]) -> VectorRow:
    """The row of a result entry; `vector` only where it was selected."""
    fields = {name: entry[name] for name in COLUMNS}
    fields["extra"] = msgspec.json.decode(fields["extra"])
    return VectorRow(**fields, vector=list(entry.get("vector", ())))


def counted(generations: Mapping[str, str], found: Any, docs: Collection[str]) -> dict[str, Census]:
    """Distinct rows of a scan by document and kind; `docs` are the documents that have a row of their own."""
    counts: dict[str, dict[bool, dict[str, int]]] = {name: {True: {}, False: {}} for name in generations}
    groups = found.group_by(["document_id", "generation", "kind"]).aggregate([("key", "count_distinct")])
    for entry in groups.to_pylist():
        name = entry["document_id"]
        if name in counts:
            part = counts[name][entry["generation"] == generations[name]]
            part[entry["kind"]] = part.get(entry["kind"], 0) + entry["key_count_distinct"]
    return {name: Census(current=parts[True], others=parts[False], doc=name in docs) for name, parts in counts.items()}


def _tell(wish: _Wish, error: Exception | None) -> None:
    if wish.done.done():
        return
    if error is None:
        wish.done.set_result(None)
    else:
        wish.done.set_exception(error)


def _batch(rows: Sequence[VectorRow], schema: Any) -> Any:
    """The rows as an Arrow table; of several with one key the last. Slow for many rows: runs in a thread."""
    unique = list({key_of(row): row for row in rows}.items())
    columns: dict[str, Any] = {name: [getattr(row, name) for _, row in unique] for name in COLUMNS}
    columns["extra"] = [msgspec.json.encode(row.extra).decode() for _, row in unique]
    columns["key"] = [key for key, _ in unique]
    columns["vector"] = [row.vector for _, row in unique]
    return importlib.import_module("pyarrow").table(columns, schema=schema)


def _schema(made_with: IndexIdentity) -> Any:
    pa = importlib.import_module("pyarrow")
    key = pa.field("key", pa.string(), False, metadata={"lance-schema:unenforced-primary-key": "true"})
    types = dict.fromkeys(COLUMNS, pa.string())
    types |= {"position": pa.int64(), "pages": pa.list_(pa.int32())}
    fields = [key, *(pa.field(name, kind) for name, kind in types.items())]
    fields.append(pa.field("vector", pa.list_(pa.float32(), made_with.dimension)))
    return pa.schema(fields, metadata={name: str(value) for name, value in made_with._asdict().items()})
