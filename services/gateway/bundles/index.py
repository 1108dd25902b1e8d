"""A document's rows of the index, as a bundle keeps them: nothing of this installation, ordered by id."""

from __future__ import annotations

import array
import base64
import sys
from collections.abc import AsyncIterator

import msgspec

from shared.bundle import IndexRow
from shared.image_index import KIND, ImageIndex
from shared.ports import VectorRow, VectorStore

KINDS = ("chunk", "summary")


class BundleIndex:
    """Reads both indexes. Of one kind all rows of one document are held at once, packed."""

    def __init__(self, vectors: VectorStore, images: ImageIndex | None) -> None:
        self._places: list[tuple[str, VectorStore]] = [(kind, vectors) for kind in KINDS]
        if images is not None:
            self._places += [
                (f"{KIND}s-{name}", store) for name, store in zip(("narrow", "wide"), images.stores, strict=True)
            ]

    @property
    def kinds(self) -> list[str]:
        """Names of the lists, in order."""
        return [name for name, _ in self._places]

    async def rows(self, name: str, document_id: str, generation: str) -> AsyncIterator[bytes]:
        """The lines of one list: the rows that a search may show."""
        store = dict(self._places)[name]
        kind = name if name in KINDS else KIND
        packed: dict[str, bytes] = {}
        async for row in store.rows_of(document_id, kind, vectors=True):
            if row.generation == generation:
                packed[row.row_id] = msgspec.json.encode(_kept(row), order="deterministic") + b"\n"
        for row_id in sorted(packed):
            yield packed[row_id]


def _kept(row: VectorRow) -> IndexRow:
    numbers = array.array("f", row.vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return IndexRow(
        row_id=row.row_id,
        scale=row.scale,
        position=row.position,
        chapter=row.chapter,
        pages=row.pages,
        text=row.text,
        extra=row.extra,
        dimension=len(numbers),
        vector=base64.b64encode(numbers.tobytes()).decode(),
    )
