"""An embedder of pictures and an index for them, for tests only: vectors from bytes, without a decoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from shared.errors import DocumentError, ShadowtwinError
from shared.image_index import ImageIndex
from shared.imaging import SPACES, WIDE, fit
from shared.ports import Embedder, ImageVectors, Pictured
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors

BAD = b"not a picture"
"""Bytes that begin like this cannot be read."""


class HashImages:
    """`ImageEmbedder` port: the same bytes give the same vectors, nothing else is promised of looks; texts are found by
    their words."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or HashEmbedder(256)
        self.name = f"bytes-1+{self._embedder.name}"
        self.calls: list[list[str]] = []

    async def close(self) -> None:
        """Nothing to do."""

    async def embed(self, pictures: Sequence[Pictured]) -> list[ImageVectors | ShadowtwinError]:
        """See ImageEmbedder; `calls` remembers the texts."""
        self.calls.append([picture.text for picture in pictures])
        return [await self._one(picture.content, picture.text) for picture in pictures]

    async def query(self, picture: bytes | None, text: str) -> ImageVectors:
        """See ImageEmbedder."""
        if picture is None:
            return {WIDE: await self._wide(b"", text)}
        found = await self._one(picture, text)
        if isinstance(found, ShadowtwinError):
            raise found
        return found

    async def _one(self, content: bytes, text: str) -> ImageVectors | ShadowtwinError:
        if not content or content.startswith(BAD):
            return DocumentError("image_unreadable", "The file is no picture that can be read.")
        own = {space: _vector(content, space, size) for space, size in SPACES.items() if space != WIDE}
        return own | {WIDE: await self._wide(content, text)}

    async def _wide(self, content: bytes, text: str) -> list[float]:
        said = (await self._embedder.embed([text]))[0] if text.strip() else [0.0] * self._embedder.dimension
        look = _vector(content, WIDE, 1024) if content else [0.0] * 1024
        return fit([*fit(said, 1024), *look], SPACES[WIDE])


def memory_index(name: str = HashImages().name) -> ImageIndex:
    """An empty index in memory."""
    return ImageIndex(MemoryVectors(name, 512), MemoryVectors(name, 2048))


def _vector(content: bytes, space: str, size: int) -> list[float]:
    digest = hashlib.sha512(space.encode() + content).digest()
    return fit([digest[at % 64] / 127.5 - 1 for at in range(size)], size)
