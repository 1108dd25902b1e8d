"""Receiving: bytes that arrive go to storage at once, hashed on the way, and are refused as soon as they are no PDF.

What is received lies under `uploads/{place}/` until it is one of our documents: whoever has received it takes it over
or discards it. Memory stays at a few pieces, whatever the size of the file (checklist A4.7).
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

from services.gateway.uploads.received import UPLOADS, place
from shared.errors import DocumentError
from shared.job import Artefact
from shared.magic import Opening
from shared.ports import Storage

PIECE = 1 << 20
WAITING = 2
"""Pieces on their way to storage."""


class Incoming:
    """One file that is being received: `write` what arrives, then `finish`; `discard` in the end, whatever happened."""

    def __init__(self, storage: Storage, key: str, max_bytes: int) -> None:
        self._storage, self._key, self._max_bytes = storage, key, max_bytes
        self._opening, self._piece = Opening(), bytearray()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        self._storing: asyncio.Task[Artefact] | None = None
        self._ended = False
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Take what has arrived. Raises DocumentError pdf_not_a_pdf, pdf_too_large, and whatever storage raises."""
        self.size += len(data)
        if self.size > self._max_bytes:
            raise DocumentError("pdf_too_large", f"The file is larger than {self._max_bytes >> 20} MB.")
        self._opening.take(data)
        self._piece += data
        if len(self._piece) >= PIECE:
            await self._hand(bytes(self._piece))
            self._piece.clear()

    async def finish(self) -> Artefact:
        """Everything has arrived: key, size and hash of what is stored. Raises DocumentError pdf_empty, pdf_not_a_pdf;
        a second call gives the same."""
        if not self._ended:
            self._opening.end()
            self._ended = True
            await self._hand(bytes(self._piece))
            self._piece.clear()
            await self._hand(None)
        assert self._storing is not None
        return await self._storing

    async def discard(self) -> None:
        """Remove what is stored of it; what is under way appears nowhere."""
        if self._storing is not None:
            self._storing.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._storing
        await self._storage.delete(self._key)

    async def _hand(self, piece: bytes | None) -> None:
        """Give a piece to storage; if that has failed, raise what it raised instead of waiting for ever."""
        if self._storing is None:
            self._storing = asyncio.create_task(self._storage.write(self._key, self._handed()))
        handing = asyncio.ensure_future(self._pieces.put(piece))
        try:
            await asyncio.wait({handing, self._storing}, return_when=asyncio.FIRST_COMPLETED)
            if not handing.done():
                self._storing.result()
        finally:
            handing.cancel()

    async def _handed(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


class Receiver:
    """Where one gateway process receives; `max_bytes` of one file."""

    def __init__(self, storage: Storage, max_bytes: int) -> None:
        self._storage, self._max_bytes = storage, max_bytes
        self.place = place()

    def begin(self) -> Incoming:
        """A new file."""
        return Incoming(self._storage, f"{UPLOADS}/{self.place}/{uuid.uuid4().hex}", self._max_bytes)

    def check_size(self, size: int) -> None:
        """Raise DocumentError pdf_empty or pdf_too_large for a file of so many bytes."""
        if size <= 0:
            raise DocumentError("pdf_empty")
        if size > self._max_bytes:
            raise DocumentError("pdf_too_large", f"The file is larger than {self._max_bytes >> 20} MB.")

    async def take(self, content: AsyncIterator[bytes]) -> Incoming:
        """The whole content; what cannot be taken is discarded before its error is raised."""
        incoming = self.begin()
        try:
            async for piece in content:
                await incoming.write(piece)
            await incoming.finish()
        except BaseException:
            await incoming.discard()
            raise
        return incoming
