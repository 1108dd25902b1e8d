"""Vectors in Pinecone, through its own SDK: a namespace for each library, the vectors API with flat metadata.

A vector's id is `{document}#{generation}#{kind}#{row}` (`{document}#doc` for the document's own): generations never
overwrite each other, and a document's rows are listed by prefix. Reads are eventually consistent, so `count` waits,
bounded, for what this process has had acknowledged. There is no compare-and-swap: `put_doc(insert_only=True)` reads
first, which is safe only as long as one process at a time (the gateway) writes a document's row.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from shared.adapters.pinecone_records import batches, from_metadata, id_part, prefix, to_vector, vector_id
from shared.errors import ConfigurationError, ShadowtwinError, TransientError
from shared.ports import Hit, VectorFilter, VectorRow

T = TypeVar("T")
log = logging.getLogger("vectors.pinecone")

IDS_PER_DELETE = 1_000
REMEMBERED = 1_000
"""Documents whose library and acknowledged ids are remembered."""


class PineconeVectors:
    """`VectorStore` port. `host` is the index's own host; times are in seconds.

    The embedder is not recorded in the index itself (it has no place for that) but in a vector of the namespace
    `__shadowtwin__`; the index's own dimension is checked too.
    """

    name = "pinecone"

    def __init__(
        self,
        api_key: str,
        host: str,
        embedder: str,
        dimension: int,
        *,
        consistency_seconds: float = 30.0,
        attempts: int = 5,
        timeout: float = 30.0,
        concurrency: int = 4,
    ) -> None:
        self._api_key, self._host, self._timeout = api_key, host, timeout
        self._embedder, self._dimension = embedder, dimension
        self._consistency_seconds, self._attempts = consistency_seconds, attempts
        self._limit = asyncio.Semaphore(concurrency)
        self._sdk: Any = None
        self._client: Any = None
        self._index: Any = None
        self._namespaces: OrderedDict[str, str] = OrderedDict()
        self._acknowledged: OrderedDict[tuple[str, str], set[str]] = OrderedDict()
        self.texts_cut = 0
        """Rows whose text did not fit into the metadata and was cut; the whole text is in the twin."""

    async def open(self) -> None:
        """Connect and check dimension and embedder; raises ConfigurationError index_mismatch or misconfigured."""
        self._sdk = await asyncio.to_thread(importlib.import_module, "pinecone")
        retries = self._sdk.RetryConfig(max_retries=0)
        client = self._sdk.AsyncPinecone(
            api_key=self._api_key, host=self._host, timeout=self._timeout, retry_config=retries
        )
        self._client, self._index = client, await client.index(host=self._host)
        stats = await self._call(lambda: self._index.describe_index_stats())
        if stats.dimension not in (None, self._dimension):
            raise self._mismatch(f"an embedder of {stats.dimension} dimensions")
        await self._check_embedder()

    async def close(self) -> None:
        """Close the connections."""
        for closing in (self._index, self._client):
            if closing is not None:
                await closing.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Upsert in requests within the API's limits; on return every one was acknowledged in full."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._settled(self._upsert(id_part(library), batch)))
                for library, own in _by_library(rows).items()
                for batch in await asyncio.to_thread(lambda own=own: list(batches(map(self._vector, own))))
            ]
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
        deadline = asyncio.get_running_loop().time() + self._consistency_seconds
        pause = 0.05
        while True:
            listed = {name async for _, name in self._ids(document_id, start)}
            if expected <= listed or asyncio.get_running_loop().time() >= deadline:
                return len(listed)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert the document's row; with `insert_only` only if a fetch finds none."""
        if insert_only and await self._fetch(id_part(row.library_id), vector_id(row)) is not None:
            return
        await self.write([row])

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """The document's row with its vector."""
        for namespace in await self._places(document_id):
            found = await self._fetch(namespace, prefix(document_id) + "doc")
            if found is not None:
                return found
        return None

    async def tidy(self, document_id: str, keep_generation: str) -> int:
        """Delete by id, as listed; rows not listed yet are left to the next tidy."""
        keep = prefix(document_id, keep_generation)
        doc = prefix(document_id) + "doc"
        found = self._ids(document_id, prefix(document_id))
        doomed = [(place, name) async for place, name in found if name != doc and not name.startswith(keep)]
        await self._delete(doomed)
        for known in [known for known in self._acknowledged if known[0] == document_id and known[1] != keep_generation]:
            del self._acknowledged[known]
        return len(doomed)

    async def delete_document(self, document_id: str) -> None:
        """Delete what is listed, then by filter what the listing did not show yet."""
        await self._delete([found async for found in self._ids(document_id, prefix(document_id))])
        for namespace in await self._places(document_id):
            where = {"document_id": {"$eq": document_id}}
            await self._call(lambda n=namespace, w=where: self._index.delete(filter=w, namespace=n))
        for known in [known for known in self._acknowledged if known[0] == document_id]:
            del self._acknowledged[known]

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Nearest by cosine (this index type has no full text). Hits carry no vector: `row.vector` is empty."""
        if where.library_ids is None:
            places = await self._all_namespaces()
        else:
            places = [id_part(library) for library in where.library_ids]
        conditions = _filter(where)
        if conditions is None:
            return []
        answers = await asyncio.gather(*(self._query(place, vector, conditions, top) for place in places))
        hits = [
            Hit(row=from_metadata(match.metadata, []), score=match.score) for found in answers for match in found.matches
        ]
        return sorted(hits, key=lambda hit: -hit.score)[:top]

    async def _query(self, place: str, vector: Sequence[float], where: Mapping[str, Any], top: int) -> Any:
        wanted: dict[str, Any] = {"filter": where} if where else {}
        return await self._call(
            lambda: self._index.query(
                namespace=place, vector=list(vector), top_k=min(top, 10_000), include_metadata=True, **wanted
            )
        )

    async def _upsert(self, namespace: str, batch: list[dict[str, Any]]) -> None:
        """One request, with what it did not take asked again."""
        answer = await self._call(lambda: self._index.upsert(vectors=batch, namespace=namespace))
        for _ in range(self._attempts - 1):
            if not answer.has_errors and answer.upserted_count >= len(batch):
                return
            # which ones are missing is not told, and an upsert may be repeated
            answer = await self._call(lambda: self._index.upsert(vectors=batch, namespace=namespace))
        if answer.has_errors or answer.upserted_count < len(batch):
            raise TransientError("unavailable", f"Pinecone took {answer.upserted_count} of {len(batch)} vectors.")

    @staticmethod
    async def _settled(work: Awaitable[None]) -> ShadowtwinError | None:
        try:
            await work
        except ShadowtwinError as error:
            return error
        return None

    def _vector(self, row: VectorRow) -> dict[str, Any]:
        if len(row.vector) != self._dimension:
            raise self._mismatch(f"vectors of {self._dimension} dimensions, not {len(row.vector)}")
        vector, cut = to_vector(row)
        if cut:
            self.texts_cut += 1
            log.warning("text cut to fit into the metadata", extra={"row": row.row_id, "document": row.document_id})
        return vector

    async def _fetch(self, namespace: str, name: str) -> VectorRow | None:
        found = await self._call(lambda: self._index.fetch(ids=[name], namespace=namespace))
        vector = found.vectors.get(name)
        return None if vector is None else from_metadata(vector.metadata or {}, list(vector.values))

    async def _ids(self, document_id: str, start: str) -> AsyncIterator[tuple[str, str]]:
        """(namespace, id) of everything listed under a prefix."""
        for namespace in await self._places(document_id):
            token: str | None = None
            while True:
                page = await self._call(
                    lambda n=namespace, t=token: self._index.list_paginated(prefix=start, namespace=n, pagination_token=t)
                )
                for item in page.vectors:
                    yield namespace, item.id
                token = page.pagination.next if page.pagination else None
                if not token:
                    break

    async def _delete(self, found: list[tuple[str, str]]) -> None:
        for namespace in {place for place, _ in found}:
            names = [name for place, name in found if place == namespace]
            for first in range(0, len(names), IDS_PER_DELETE):
                some = names[first : first + IDS_PER_DELETE]
                await self._call(lambda n=namespace, s=some: self._index.delete(ids=s, namespace=n))

    async def _places(self, document_id: str) -> list[str]:
        """The namespace of a document, or all of them when this process has not written it."""
        known = self._namespaces.get(document_id)
        return [known] if known is not None else await self._all_namespaces()

    async def _all_namespaces(self) -> list[str]:
        names: list[str] = []
        token: str | None = None
        while True:
            page = await self._call(lambda t=token: self._index.list_namespaces_paginated(pagination_token=t, limit=100))
            names += [entry.name for entry in page.namespaces if entry.name != META_NAMESPACE]
            token = page.pagination.next if page.pagination else None
            if not token:
                return names

    def _remember(self, row: VectorRow) -> None:
        self._namespaces[row.document_id] = id_part(row.library_id)
        self._namespaces.move_to_end(row.document_id)
        self._acknowledged.setdefault((row.document_id, row.generation), set()).add(vector_id(row))
        while len(self._namespaces) > REMEMBERED:
            self._namespaces.popitem(last=False)
        while len(self._acknowledged) > REMEMBERED:
            self._acknowledged.popitem(last=False)
