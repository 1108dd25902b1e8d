"""A ZIP archive that is written while it is sent: piece by piece, the same bytes for the same members."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import IO

from shared.bundle import Member

STORED = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".jp2", ".vec")
"""Endings of what is compressed already."""
LARGE = 1 << 30
"""From this size on a member gets the long form of its entry, before it is known how large it becomes."""


class _Sink(io.RawIOBase):
    """Takes what zipfile writes until it is taken away; it cannot be wound back, so sizes follow their members."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: bytes, /) -> int:  # type: ignore[override]
        """Keep a copy."""
        self._pieces.append(bytes(content))
        return len(content)

    def taken(self) -> bytes:
        """All since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class ZipStream:
    """`async for piece in archive.member(name, pieces)`, member after member, then `archive.end()`; `close` always:
    one that was left in the middle cannot be thrown away quietly."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._archive = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self.members: list[Member] = []
        """What was written so far."""
        self._target: IO[bytes] | None = None

    async def member(self, name: str, content: AsyncIterator[bytes], size: int = 0) -> AsyncIterator[bytes]:
        """The archive's bytes of one more member; `size` is how large it is about."""
        entry = zipfile.ZipInfo(name)  # the format's first moment: archives of the same content are the same
        entry.compress_type = zipfile.ZIP_STORED if name.lower().endswith(STORED) else zipfile.ZIP_DEFLATED
        entry.external_attr = 0o600 << 16
        digest, written = sha256(), 0
        self._target = target = self._archive.open(entry, "w", force_zip64=size >= LARGE)
        async for piece in content:
            digest.update(piece)
            written += len(piece)
            await asyncio.to_thread(target.write, piece)
            if made := self._sink.taken():
                yield made
        await asyncio.to_thread(target.close)
        self.members.append(Member(name, digest.hexdigest(), written))
        yield self._sink.taken()

    def close(self) -> None:
        """Whether it has come to its end or not."""
        if self._target is not None:
            self._target.close()
        self._archive.close()

    def end(self) -> bytes:
        """The directory of the archive."""
        self._archive.close()
        return self._sink.taken()
