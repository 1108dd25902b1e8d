"""Vectors in Pinecone: a namespace for each library, a generation in every id, flat metadata.

Reads are eventually consistent, so `count` waits, bounded, for what this process has had acknowledged. There is no
compare-and-swap: `put_doc(insert_only=True)` reads first, and of two writers the later one wins; whoever writes a
document's row looks afterwards whether its record has changed (the gateway's delivery). The port names documents
without their library; where this process has not written the document, every namespace is asked.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any

from shared.adapters.index_identity import IndexIdentity
from shared.adapters.pinecone_index import PineconeIndex
from shared.adapters.pinecone_records import (
    batches,
    conditions,
    from_metadata,
    id_part,
    listed_as,
    prefix,
    to_vector,
    vector_id,
)
from shared.errors import ConfigurationError, ShadowtwinError
from shared.ports import FIRST_VERSION, Census, Hit, VectorFilter, VectorRow

log = logging.getLogger("vectors.pinecone")

META_NAMESPACE = "~meta"
"""Holds one vector whose metadata names the embedder; no library's namespace is called so."""
REMEMBERED = 1_000
"""Documents whose namespace and acknowledged ids are remembered."""
_POLL = (0.05, 2.0)


class PineconeVectors:
    """`VectorStore` port. `host` is the index's own host; `consistency_seconds` bounds the wait of `count`."""

    name = "pinecone"

    def __init__(
        self,
        api_key: str,
        host: str,
        embedder: str,
        dimension: int,
        *,
        version: str = FIRST_VERSION,
        consistency_seconds: float = 30.0,
        timeout: float = 20.0,
        deadline: float = 60.0,
        concurrency: int = 4,
    ) -> None:
        self._index = PineconeIndex(api_key, host, timeout=timeout, deadline=deadline, concurrency=concurrency)
        self._made_with, self._dimension = IndexIdentity(embedder, dimension, version), dimension
        self._consistency_seconds = consistency_seconds
        self._namespaces: OrderedDict[str, str] = OrderedDict()
        self._acknowledged: OrderedDict[tuple[str, str], set[str]] = OrderedDict()
        self.texts_cut = 0
        """Rows whose text did not fit into the metadata and was cut; the whole text is in the twin."""

    async def open(self) -> None:
        """Connect and check dimension and embedder; raises ConfigurationError index_mismatch or misconfigured."""
        dimension = await self._index.open()
        if dimension not in (None, self._dimension):
            raise self._mismatch(f"for {dimension} dimensions")
        found = await self._index.fetch(META_NAMESPACE, "embedder")
        if found is None:
            unit = [1.0] + [0.0] * (self._dimension - 1)
            meta = self._made_with._asdict()
            await self._index.upsert(META_NAMESPACE, [{"id": "embedder", "values": unit, "metadata": meta}])
        else:
            version = str(found.metadata.get("version", FIRST_VERSION))
            recorded = IndexIdentity(found.metadata["embedder"], int(found.metadata["dimension"]), version)
            self._made_with.check("The Pinecone index", recorded)

    async def close(self) -> None:
        """Close the connections."""
        await self._index.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Upsert in requests within the API's limits; on return every one was acknowledged in full."""
        by_library: dict[str, list[VectorRow]] = defaultdict(list)
        for row in rows:
            by_library[row.library_id].append(row)
        requests = [
            (id_part(library), batch)
            for library, own in by_library.items()
            for batch in await asyncio.to_thread(self._batches, own)
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_settled(self._index.upsert(*request))) for request in requests]
        for task in tasks:
            if error := task.result():
                raise error
        for row in rows:
            self._remember(row)

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """Ids listed; waits up to `consistency_seconds` for those that this process wrote."""
        start = prefix(document_id, generation, kind)
        known = self._acknowledged.get((document_id, generation), set())
        expected = {name for name in known if name.startswith(start)}
        clock = asyncio.get_running_loop().time
        deadline, pause = clock() + self._consistency_seconds, _POLL[0]
        while True:
            listed = {name async for _, name in self._listed(document_id, start)}
            if expected <= listed or clock() >= deadline:
                return len(listed)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _POLL[1])

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """Ids listed, a document at a time; what was written a moment ago may not be among them."""
        return {name: await self._census(name, generation) for name, generation in generations.items()}

    async def _census(self, document_id: str, generation: str) -> Census:
        start = prefix(document_id)
        names = {name.removeprefix(start) async for _, name in self._listed(document_id, start)}
        parts: dict[bool, dict[str, int]] = {True: {}, False: {}}
        for own, kind, _ in (name.split("#", 2) for name in names - {"doc"}):
            part = parts[own == id_part(generation)]
            part[kind] = part.get(kind, 0) + 1
        return Census(current=parts[True], others=parts[False], doc="doc" in names)

    async def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """What is listed, fetched a hundred at a time."""
        start = prefix(document_id)
        names: dict[str, list[str]] = defaultdict(list)
        async for namespace, name in self._listed(document_id, start):
            if name.removeprefix(start).split("#")[-2:][0] == id_part(kind):
                names[namespace].append(name)
        for namespace, some in names.items():
            async for found in self._index.fetch_many(namespace, some):
                yield from_metadata(found.metadata, list(found.values) if vectors else [])

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert the document's row; with `insert_only` only if a fetch finds none."""
        if insert_only and await self._index.fetch(id_part(row.library_id), vector_id(row)) is not None:
            return
        await self.write([row])

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """The document's row with its vector."""
        for namespace in await self._places(document_id):
            found = await self._index.fetch(namespace, prefix(document_id) + "doc")
            if found is not None:
                return from_metadata(found.metadata, list(found.values))
        return None

    async def others(self, document_id: str, generation: str) -> list[str]:
        """As listed; rows not listed yet are left to the next tidy."""
        return sorted({own async for _, _, own in self._generations(document_id)} - listed_as([generation]))

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """Delete by id, as listed."""
        names = listed_as(generations)
        if not names:
            return 0
        doomed: dict[str, list[str]] = defaultdict(list)
        async for namespace, name, own in self._generations(document_id):
            if own in names:
                doomed[namespace].append(name)
        for namespace, gone in doomed.items():
            await self._index.delete(namespace, gone)
        for known in [key for key in self._acknowledged if key[0] == document_id and listed_as([key[1]]) <= names]:
            del self._acknowledged[known]
        return sum(map(len, doomed.values()))

    async def _generations(self, document_id: str) -> AsyncIterator[tuple[str, str, str]]:
        """Namespace, id and generation of the document's rows, without its own."""
        start = prefix(document_id)
        async for namespace, name in self._listed(document_id, start):
            if name != start + "doc":
                yield namespace, name, name.removeprefix(start).partition("#")[0]

    async def delete_document(self, document_id: str) -> None:
        """Delete what is listed, then by filter what the listing did not show yet."""
        for namespace in await self._places(document_id):
            await self._index.delete(
                namespace, [name async for name in self._index.ids(namespace, prefix(document_id))]
            )
            await self._index.delete_where(namespace, {"document_id": {"$eq": document_id}})
        self._forget(document_id)

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Nearest by the index's metric (no full text here). Hits carry no vector: `row.vector` is empty."""
        if len(vector) != self._dimension:
            raise self._mismatch(f"for {self._dimension} dimensions, the query has {len(vector)}")
        wanted = conditions(where)
        if wanted is None:
            return []
        if where.library_ids is None:
            places = await self._all_places()
        else:
            places = [id_part(library) for library in dict.fromkeys(where.library_ids)]
        answers = await asyncio.gather(*(self._index.query(place, vector, wanted, top) for place in places))
        hits = [Hit(row=from_metadata(match.metadata, []), score=match.score) for found in answers for match in found]
        return sorted(hits, key=lambda hit: -hit.score)[:top]

    def _batches(self, rows: Sequence[VectorRow]) -> list[list[dict[str, Any]]]:
        """The requests for rows of one library; of several with one id the last. Slow: runs in a thread."""
        return list(batches(self._vector(row) for row in {vector_id(row): row for row in rows}.values()))

    def _vector(self, row: VectorRow) -> dict[str, Any]:
        if len(row.vector) != self._dimension:
            raise self._mismatch(f"for {self._dimension} dimensions, a vector has {len(row.vector)}")
        vector, cut = to_vector(row)
        if cut:
            self.texts_cut += 1
            log.warning("text cut to fit into the metadata", extra={"row": row.row_id, "document": row.document_id})
        return vector

    async def _listed(self, document_id: str, start: str) -> AsyncIterator[tuple[str, str]]:
        for namespace in await self._places(document_id):
            async for name in self._index.ids(namespace, start):
                yield namespace, name

    async def _places(self, document_id: str) -> list[str]:
        known = self._namespaces.get(document_id)
        return [known] if known is not None else await self._all_places()

    async def _all_places(self) -> list[str]:
        return [name for name in await self._index.namespaces() if name != META_NAMESPACE]

    def _remember(self, row: VectorRow) -> None:
        self._namespaces[row.document_id] = id_part(row.library_id)
        self._namespaces.move_to_end(row.document_id)
        self._acknowledged.setdefault((row.document_id, row.generation), set()).add(vector_id(row))
        if len(self._namespaces) > REMEMBERED:
            oldest, _ = self._namespaces.popitem(last=False)
            self._forget(oldest)

    def _forget(self, document_id: str) -> None:
        for known in [key for key in self._acknowledged if key[0] == document_id]:
            del self._acknowledged[known]

    def _mismatch(self, made: str) -> ConfigurationError:
        return self._made_with.mismatch("The Pinecone index", made)


async def _settled(work: Awaitable[None]) -> ShadowtwinError | None:
    """The error instead of raising it, so that the other requests of the same write are finished."""
    try:
        await work
    except ShadowtwinError as error:
        return error
    return None
