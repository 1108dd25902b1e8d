"""The index of pictures: five vectors each, in two vector stores, because a store holds vectors of one length.

A row is of kind `image`; its `scale` names the space. The four spaces of 512 numbers share a store, the multimodal one
has its own. Generations work as they do with chunks: the document record says which rows may be shown.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from msgspec.structs import replace

from shared.imaging import SPACES, WIDE
from shared.ports import Hit, VectorFilter, VectorRow, VectorStore

KIND = "image"


class ImageIndex:
    """Rows of pictures over a store of 512 and one of 2,048 numbers."""

    def __init__(self, narrow: VectorStore, wide: VectorStore) -> None:
        self._narrow, self._wide = narrow, wide
        self.name = narrow.name

    @property
    def stores(self) -> tuple[VectorStore, VectorStore]:
        """Both, for who looks after rows of any kind."""
        return self._narrow, self._wide

    async def open(self) -> None:
        """Open both; see VectorStore."""
        await self._narrow.open()
        await self._wide.open()

    async def close(self) -> None:
        """Close both."""
        await self._narrow.close()
        await self._wide.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Insert or replace by row_id; each row where its space belongs."""
        narrow = [row for row in rows if row.scale != WIDE]
        wide = [row for row in rows if row.scale == WIDE]
        if narrow:
            await self._narrow.write(narrow)
        if wide:
            await self._wide.write(wide)

    async def count(self, document_id: str, generation: str) -> int:
        """Rows of all spaces that can be read back."""
        counts = [await store.count(document_id, generation, KIND) for store in (self._narrow, self._wide)]
        return sum(counts)

    async def others(self, document_id: str, generation: str) -> list[str]:
        """The other generations of which there are rows; see VectorStore."""
        found = [await store.others(document_id, generation) for store in (self._narrow, self._wide)]
        return list(dict.fromkeys(itertools.chain(*found)))

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """Delete the rows of these generations; how many. See VectorStore."""
        removed = [await store.tidy(document_id, generations) for store in (self._narrow, self._wide)]
        return sum(removed)

    async def delete_document(self, document_id: str) -> None:
        """Every row of the document."""
        await asyncio.gather(self._narrow.delete_document(document_id), self._wide.delete_document(document_id))

    async def search(self, space: str, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """The nearest pictures in one space; words count in the multimodal one only. Raises KeyError for no space."""
        if len(vector) != SPACES[space]:
            raise ValueError(f"{len(vector)} numbers where {space} has {SPACES[space]}")
        where = replace(where, kinds=[KIND], scale=space)
        store = self._wide if space == WIDE else self._narrow
        return await store.search(vector, text if space == WIDE else "", where, top)
