"""The pictures of a document: read, embedded and stored, one bad picture at a time.

Every distinct picture (by the hash of its bytes) gets five vectors under the run's generation. What cannot be read is a
warning of the job, and stops nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.ingestor.links.materials import ImageRow, Materials
from services.ingestor.rows import image_rows
from shared import twin
from shared.document import Document
from shared.errors import ConfigurationError, DocumentError, ShadowtwinError
from shared.gathering import BATCH, in_batches, in_order, packed
from shared.image_index import ImageIndex
from shared.imaging import SPACES, WIDE
from shared.jsonl import shortened
from shared.ports import ImageEmbedder, ImageVectors, Pictured, Storage, VectorRow

BYTES_MOST = 48 << 20
"""Of one picture's file."""
GROUP_BYTES = 32 << 20
"""Of the pictures that are in memory at once; they are BATCH at most."""
READ_AT_ONCE = 8

Looks = dict[str, dict[str, NDArray[np.float32]]]


class Picture(NamedTuple):
    """A distinct picture: the row that showed it first, all its rows, and what is said of it."""

    row: ImageRow
    rows: list[ImageRow]
    text: str
    products: list[dict[str, Any]]
    decoration: bool


class PictureCounts(msgspec.Struct, kw_only=True):
    """What a run has counted: distinct pictures, those with vectors, those without, and rows by what became of them."""

    pictures: int = 0
    embedded: int = 0
    unreadable: int = 0
    lost: int = 0
    written: int = 0
    readable: int = 0


class PictureRun:
    """Embeds and stores the pictures of one ingestion. `looks` has their measured vectors afterwards, by hash."""

    def __init__(self, storage: Storage, index: ImageIndex, embedder: ImageEmbedder) -> None:
        self._storage, self._index, self._embedder = storage, index, embedder
        self.counts = PictureCounts()
        self.looks: Looks = {}
        self.failed: list[str] = []

    async def run(
        self,
        document: Document,
        generation: str,
        pictures: Sequence[Picture],
        progress: Callable[[int, int], Awaitable[None]],
    ) -> None:
        """All pictures, a group at a time. Raises what concerns all of them: a store or an endpoint that is away, a
        wrong setting."""
        self.counts.pictures = len(pictures)
        done = 0
        for group in groups(pictures):
            await self._group(document, generation, group)
            done += len(group)
            await progress(done, len(pictures))
        self.counts.readable = await self._index.count(document.document_id, generation)

    async def _group(self, document: Document, generation: str, group: Sequence[Picture]) -> None:
        async def loaded(picture: Picture) -> bytes | ShadowtwinError:
            try:
                return await self._read(document, picture.row)
            except DocumentError as error:
                return error

        contents = await in_order(group, READ_AT_ONCE, loaded)
        good = [
            Pictured(content=content, text=picture.text)
            for picture, content in zip(group, contents, strict=True)
            if isinstance(content, bytes)
        ]
        answers = iter(await self._embedder.embed(good))
        found: list[tuple[Picture, ImageVectors]] = []
        for picture, content in zip(group, contents, strict=True):
            result = next(answers) if isinstance(content, bytes) else content
            if isinstance(result, ShadowtwinError):
                self.counts.unreadable += 1
                self.failed.append(f"{picture.row.name} (page {picture.row.page}): {result.message}")
            else:
                found.append((picture, result))
        self.counts.embedded += len(found)
        for picture, vectors in found:
            measured = {name: np.array(vectors[name], dtype=np.float32) for name in SPACES if name != WIDE}
            self.looks[picture.row.sha256] = measured
        await self._store(document, generation, found)

    async def _store(self, document: Document, generation: str, found: Sequence[tuple[Picture, ImageVectors]]) -> None:
        async def written(batch: Sequence[list[VectorRow]]) -> Sequence[bool]:
            await self._index.write([row for rows in batch for row in rows])
            return [True] * len(batch)

        rows = [
            image_rows(document, generation, picture.row, picture.rows, vectors, _extra(picture), picture.text)
            for picture, vectors in found
        ]
        results = await in_batches(rows, written, (ConfigurationError, ValueError))
        errors = [result for result in results if isinstance(result, Exception)]
        if errors and len(errors) == len(rows) > 1:
            raise errors[0]  # a store that takes none of many has another trouble than one bad row
        for (picture, _), result in zip(found, results, strict=True):
            if isinstance(result, Exception):
                self.counts.lost += 1
                self.failed.append(f"{picture.row.name} (page {picture.row.page}): not stored: {result}"[:300])
            else:
                self.counts.written += len(SPACES)

    async def _read(self, document: Document, row: ImageRow) -> bytes:
        """The picture's bytes, checked. Raises DocumentError for this picture alone."""
        if "/" in row.file or row.file.startswith("."):
            raise DocumentError("artefact_missing", "The picture has no proper name.")
        key = f"{twin.folder(document.library_id, document.document_id)}/images/{row.file}"
        size = await self._storage.stat(key)
        if size is None:
            raise DocumentError("artefact_missing", "The stored picture is missing.")
        if size > BYTES_MOST:
            raise DocumentError("payload_too_large", f"The picture has {size >> 20} MB.")
        content = await self._storage.read(key)
        if hashlib.sha256(content).hexdigest() != row.sha256:
            raise DocumentError("artefact_changed", "The stored picture does not match its recorded hash.")
        return content

    def warnings(self) -> list[dict[str, str]]:
        """One for each picture without vectors, the last of very many for all the rest."""
        said = shortened(self.failed, "{} further pictures are not searchable")
        return [{"code": "image_failed", "message": message} for message in said]


def distinct(materials: Materials) -> list[list[ImageRow]]:
    """The rows of each distinct picture, in the order in which they appear."""
    found: dict[str, list[ImageRow]] = {}
    for row in materials.images:
        found.setdefault(row.sha256, []).append(row)
    return list(found.values())


def groups(pictures: Sequence[Picture]) -> Iterator[list[Picture]]:
    """Pictures that are read together, bounded in number and bytes."""
    return packed(pictures, _bytes, most=BATCH, heaviest=GROUP_BYTES)


def _bytes(picture: Picture) -> int:
    return max((row.size for row in picture.rows), default=0)


def _extra(picture: Picture) -> dict[str, Any]:
    return {"products": picture.products, "decoration": picture.decoration}
