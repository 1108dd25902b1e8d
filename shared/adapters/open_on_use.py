"""A vector store that opens when it is first needed: loading its library takes seconds a start-up need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

from shared.ports import Census, Hit, VectorFilter, VectorRow, VectorStore


class OpenOnUse:
    """`VectorStore` over another one; a failed opening is tried again at the next use."""

    def __init__(self, store: VectorStore) -> None:
        self._store = store
        self._opening: asyncio.Task[None] | None = None
        self.name = store.name

    async def open(self) -> None:
        """Open now."""
        await self._opened()

    async def _opened(self) -> VectorStore:
        if self._opening is None or (self._opening.done() and self._opening.exception() is not None):
            self._opening = asyncio.create_task(self._store.open())
        await asyncio.shield(self._opening)
        return self._store

    async def close(self) -> None:
        """Close it if it was opened."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
            if self._opening.exception() is None:
                await self._store.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """See VectorStore."""
        await (await self._opened()).write(rows)

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """See VectorStore."""
        return await (await self._opened()).count(document_id, generation, kind)

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """See VectorStore."""
        return await (await self._opened()).census(generations)

    async def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """See VectorStore."""
        async for row in (await self._opened()).rows_of(document_id, kind, vectors=vectors):
            yield row

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """See VectorStore."""
        await (await self._opened()).put_doc(row, insert_only=insert_only)

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """See VectorStore."""
        return await (await self._opened()).get_doc(document_id)

    async def others(self, document_id: str, generation: str) -> list[str]:
        """See VectorStore."""
        return await (await self._opened()).others(document_id, generation)

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """See VectorStore."""
        return await (await self._opened()).tidy(document_id, generations)

    async def delete_document(self, document_id: str) -> None:
        """See VectorStore."""
        await (await self._opened()).delete_document(document_id)

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """See VectorStore."""
        return await (await self._opened()).search(vector, text, where, top)
