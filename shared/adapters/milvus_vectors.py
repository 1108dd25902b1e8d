"""Vectors in a Milvus server through pymilvus: one collection, vectors and BM25 fused by reciprocal ranks.

Every read is `Strong`, so a count sees what was acknowledged, and a search after the gateway's switch sees the new
generation. One delete removes a generation. There is no compare-and-swap: `put_doc(insert_only=True)` reads first,
and of two writers the later one wins; whoever writes a document's row looks afterwards whether its record has changed
(the gateway's delivery).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence

from shared.adapters import milvus_records as records
from shared.adapters.index_identity import IndexIdentity
from shared.adapters.lancedb_vectors import LONGEST_QUERY, fuse
from shared.adapters.milvus_collection import MilvusCollection
from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION, Census, Hit, VectorFilter, VectorRow

log = logging.getLogger("vectors.milvus")
MOST_HITS = 16_384
"""Of one search, the server's limit."""
MOST_ROWS = 1_000
"""Asked for at once with their texts and vectors."""
ROW_KINDS = ("chunk", "summary", "image")


class MilvusVectors:
    """`VectorStore` port. `deadline` is for one request, in seconds."""

    name = "milvus"

    def __init__(
        self,
        uri: str,
        token: str,
        embedder: str,
        dimension: int,
        *,
        version: str = FIRST_VERSION,
        collection: str = "shadowtwin",
        deadline: float = 60.0,
    ) -> None:
        self.collection = collection
        self._collection = MilvusCollection(uri, token, collection, dimension, deadline=deadline)
        self._made_with, self._dimension = IndexIdentity(embedder, dimension, version), dimension
        self.texts_cut = 0
        """Rows whose text did not fit into a field and was cut; the whole text is in the twin."""

    async def open(self) -> None:
        """Connect, create the collection; raises ConfigurationError index_mismatch or misconfigured."""
        dimension = await self._collection.open()
        if dimension != self._dimension:
            raise self._mismatch(f"for {dimension} dimensions")
        for _ in range(2):
            found = await self._collection.first(f'kind == "{records.ABOUT}"', ["text", "meta"])
            if found is not None:
                break
            entity, _ = records.to_entity(self._about())
            # of two processes that open a new collection at once both write, and both read who was last
            await self._collection.upsert([entity | {"kind": records.ABOUT, "document": records.ABOUT}])
        about = records.to_row(found) if found else self._about()
        recorded = IndexIdentity(about.text, dimension, str(about.extra.get("version", FIRST_VERSION)))
        self._made_with.check("The Milvus collection", recorded)

    async def close(self) -> None:
        """Close the connections."""
        await self._collection.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Upsert in requests within the server's limits; of several rows with one key the last."""
        for batch in await asyncio.to_thread(self._batches, rows):
            await self._collection.upsert(batch)

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """Rows that a scan finds."""
        return await self._collection.count(records.generation_filter(document_id, generation, kind))

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """Counted by the server, by kind, a document at a time; those without any row cost one count."""
        return {name: await self._census(name, generation) for name, generation in generations.items()}

    async def _census(self, document_id: str, generation: str) -> Census:
        if not await self._collection.count(records.document_filter(document_id)):
            return Census()
        whole, own = {}, {}
        for kind in ROW_KINDS:
            whole[kind] = await self._collection.count(records.document_filter(document_id, kind))
            own[kind] = await self.count(document_id, generation, kind) if whole[kind] else 0
        doc = await self._collection.count(records.document_filter(document_id, "doc"))
        return Census(
            current={kind: number for kind, number in own.items() if number},
            others={kind: whole[kind] - own[kind] for kind in whole if whole[kind] > own[kind]},
            doc=bool(doc),
        )

    async def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """Asked for in parts, by the first letter of the keys, where one answer could not hold them."""
        where = records.document_filter(document_id, kind)
        many = await self._collection.count(where) > MOST_ROWS
        parts = [f'{where} and key like "{digit}%"' for digit in "0123456789abcdef"] if many else [where]
        for part in parts:
            for entity in await self._collection.all(part, ["meta", "text", *(["vector"] if vectors else [])]):
                yield records.to_row(entity)

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert the document's row; with `insert_only` only if there is none."""
        if insert_only and await self._collection.count(records.document_filter(row.document_id, "doc")):
            return
        await self.write([row])

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """The document's row with its vector."""
        where = records.document_filter(document_id, "doc")
        found = await self._collection.first(where, ["meta", "text", "vector"])
        return records.to_row(found) if found else None

    async def others(self, document_id: str, generation: str) -> list[str]:
        """Asked for one after the other; there are few."""
        found: list[str] = []
        while row := await self._collection.first(
            records.others_filter(document_id, [generation, *found]), ["generation"]
        ):
            found.append(str(row["generation"]))
        return found

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """One delete; without such rows none."""
        where = records.generations_filter(document_id, generations)
        doomed = await self._collection.count(where) if generations else 0
        if doomed:
            await self._collection.delete(where)
        return doomed

    async def delete_document(self, document_id: str) -> None:
        """Every row of the document, in one delete."""
        await self._collection.delete(records.document_filter(document_id))

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Vector and BM25 ranking of `top` rows each, fused. Hits carry no vector: `row.vector` is empty."""
        self._check_length(vector)
        wanted = records.search_filter(where)
        if wanted is None:
            return []
        limit = min(top, MOST_HITS)
        asked = [self._collection.search("vector", vector, wanted, limit)]
        if re.search(r"\w", text):
            # the documents' own rows are found by their vectors only, as in the embedded store
            query = text.encode("utf-8", "replace").decode()[:LONGEST_QUERY]
            asked.append(self._collection.search("words", query, f'{wanted} and kind != "doc"', limit))
        rankings = await asyncio.gather(*asked)
        return fuse([records.to_row(entity) for entity in found] for found in rankings)[:top]

    def _batches(self, rows: Sequence[VectorRow]) -> list[list[dict[str, object]]]:
        """Slow for many rows: runs in a thread."""
        entities = {}
        for row in rows:
            self._check_length(row.vector)
            entity, cut = records.to_entity(row)
            if cut:
                self.texts_cut += 1
                log.warning("text cut to fit into its field", extra={"row": row.row_id, "document": row.document_id})
            entities[entity["key"]] = entity
        return list(records.batches(entities.values()))

    def _about(self) -> VectorRow:
        unit = [1.0] + [0.0] * (self._dimension - 1)
        return VectorRow(
            row_id="embedder", kind=records.ABOUT, library_id="", document_id="", file_id="", generation="",
            vector=unit, text=self._made_with.embedder, extra={"version": self._made_with.version},
        )  # fmt: skip

    def _check_length(self, vector: Sequence[float]) -> None:
        if len(vector) != self._dimension:
            raise self._mismatch(f"for {self._dimension} dimensions, a vector has {len(vector)}")

    def _mismatch(self, made: str) -> ConfigurationError:
        return self._made_with.mismatch("The Milvus collection", made)
