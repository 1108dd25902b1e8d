"""In-memory vector store, hashing embedder and word tokenizer, for tests only: exact, lexical, without a vendor."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from msgspec.structs import replace

from shared.errors import ConfigurationError
from shared.ports import FIRST_VERSION, Census, Hit, VectorFilter, VectorRow


class MemoryVectors:
    """`VectorStore` port in a dict. What it cannot show: full-text ranking, other processes, delays."""

    name = "memory"

    def __init__(self, embedder: str = "hash@16", dimension: int = 16, version: str = FIRST_VERSION) -> None:
        self._made_with, self._embedder, self._dimension, self._version = "", embedder, dimension, version
        self.rows: dict[tuple[str, str, str], VectorRow] = {}

    async def open(self) -> None:
        """Remember the embedder the first time, refuse another one later."""
        configured = f"{self._embedder} ({self._dimension} dimensions, version {self._version})"
        if self._made_with not in ("", configured):
            raise ConfigurationError("index_mismatch", f"The index was made with {self._made_with}, not {configured}.")
        self._made_with = configured

    async def close(self) -> None:
        """Nothing to do."""

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Insert or replace by kind, generation and row id."""
        for row in rows:
            if len(row.vector) != self._dimension:
                raise ConfigurationError("index_mismatch", f"A vector has {len(row.vector)} dimensions.")
        self.rows.update({_key(row): row for row in rows})

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """Rows of the generation; the document's own row belongs to none."""
        rows = [row for row in self._of(document_id) if row.kind != "doc" and row.generation == generation]
        return sum(kind in (None, row.kind) for row in rows)

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """Rows by kind."""
        return {document_id: self._census(document_id, current) for document_id, current in generations.items()}

    def _census(self, document_id: str, current: str) -> Census:
        rows = self._of(document_id)
        counts = Counter((row.generation == current, row.kind) for row in rows if row.kind != "doc")
        parts = [{kind: count for (own, kind), count in counts.items() if own is wanted} for wanted in (True, False)]
        return Census(current=parts[0], others=parts[1], doc=any(row.kind == "doc" for row in rows))

    async def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """Rows of a kind."""
        for row in self._of(document_id):
            if row.kind == kind:
                yield row if vectors else replace(row, vector=[])

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert, or insert if there is none."""
        if not (insert_only and _key(row) in self.rows):
            await self.write([row])

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """The document's row."""
        return next((row for row in self._of(document_id) if row.kind == "doc"), None)

    async def others(self, document_id: str, generation: str) -> list[str]:
        """Other generations."""
        found = {row.generation for row in self._of(document_id) if row.kind != "doc"}
        return sorted(found - {generation})

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """Delete these generations."""
        doomed = [row for row in self._of(document_id) if row.kind != "doc" and row.generation in generations]
        for row in doomed:
            del self.rows[_key(row)]
        return len(doomed)

    async def delete_document(self, document_id: str) -> None:
        """Delete every row of it."""
        for row in self._of(document_id):
            del self.rows[_key(row)]

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Exact cosine order; hits carry no vector, as with the real stores."""
        found = [(_cosine(vector, row.vector), row) for row in self.rows.values() if _matches(row, where)]
        found.sort(key=lambda pair: (-pair[0], pair[1].row_id))
        bare = [(score, {name: getattr(row, name) for name in row.__struct_fields__}) for score, row in found[:top]]
        return [Hit(row=VectorRow(**(fields | {"vector": []})), score=score) for score, fields in bare]

    def _of(self, document_id: str) -> list[VectorRow]:
        return [row for row in self.rows.values() if row.document_id == document_id]


class HashEmbedder:
    """`Embedder` port by feature hashing: the same words give the same vector, nothing else is promised."""

    version = FIRST_VERSION
    costly = False

    def __init__(self, dimension: int = 16) -> None:
        self.dimension = dimension
        self.name = f"hash@{dimension}"
        self.calls: list[list[str]] = []

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """Unit vectors; `calls` remembers what was asked."""
        self.calls.append(list(texts))
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.dimension
        for word in re.findall(r"\w+", text.casefold()) or ["\0"]:
            digest = hashlib.sha256(word.encode("utf-8", "replace")).digest()
            vector[digest[0] % self.dimension] += 1.0 if digest[1] % 2 else -1.0
        length = math.hypot(*vector)
        return [value / length for value in vector] if length else [1.0, *vector[1:]]


class WordTokenizer:
    """`Tokenizer` of the chunker: one token a word (the stub of the conformance rows)."""

    name = "words"

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Offsets of the words."""
        return [match.span() for match in re.finditer(r"\S+", text)]


def _key(row: VectorRow) -> tuple[str, str, str]:
    return ("doc", row.document_id, "") if row.kind == "doc" else (row.kind, row.generation, row.row_id)


def _matches(row: VectorRow, where: VectorFilter) -> bool:
    lists = ((where.library_ids, row.library_id), (where.document_ids, row.document_id), (where.kinds, row.kind))
    listed = all(wanted is None or own in wanted for wanted, own in lists) and where.scale in (None, row.scale)
    below = where.chapter is None or f"{row.chapter} / ".startswith(f"{where.chapter} / ")
    first, last = where.pages or (0, 0)
    return listed and below and (where.pages is None or any(first <= page <= last for page in row.pages))


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
