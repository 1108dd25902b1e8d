"""Pictures of pages: those that a job has made, else drawn from the stored PDF by a child process, and then kept.

What is drawn lies in the document's folder under a name with the PDF's hash: every gateway finds it there, another PDF
under the same document never shows the pages of the former one, and it goes when the document is deleted.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

from shared import twin
from shared.child import ChildFailed, ChildRaised, Children, Limits
from shared.document import Document
from shared.errors import DocumentError, RequestError, TransientError
from shared.ports import Storage

AT_ONCE = 2
"""Children that draw at the same time, in one gateway."""
LIMITS = Limits(memory_bytes=2 << 30, cpu_seconds=20, wall_seconds=30, idle_seconds=30)
_MODULE = "services.gateway.pictures.page_drawing"
"""Named, not imported: only children load the library that reads PDFs."""


class PagePictures:
    """Finds or draws pictures of pages; equal requests at the same time are one drawing."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._children: Children | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._flights: dict[str, asyncio.Task[None]] = {}

    async def key_of(self, document: Document, page: int) -> str:
        """The storage key of the page's JPEG. Raises RequestError not_found, DocumentError when it cannot be drawn."""
        folder = twin.folder(document.library_id, document.document_id)
        made = f"{folder}/previews/{page}.jpg"
        if await self._storage.stat(made) is not None:
            return made
        source = document.artefacts.get("source")
        if source is None or await self._storage.stat(source.key) is None:
            raise RequestError("not_found", "The document's file is not stored.")
        key = f"{folder}/drawn/{source.sha256[:24]}-{page}.jpg"
        if await self._storage.stat(key) is None:
            if key not in self._flights:
                self._flights[key] = task = asyncio.create_task(self._make(key, source.key, page))
                task.add_done_callback(lambda done: self._landed(key, done))
            # shielded: who goes away must not take the picture from the others who wait for it
            await asyncio.shield(self._flights[key])
        return key

    async def close(self) -> None:
        """End the children."""
        for task in list(self._flights.values()):
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        if self._children is not None:
            await self._children.close()

    def _landed(self, key: str, task: asyncio.Task[None]) -> None:
        self._flights.pop(key, None)
        if not task.cancelled():
            task.exception()  # looked at, should nobody be waiting any more

    async def _make(self, key: str, source: str, page: int) -> None:
        async with self._turns:
            if self._children is None:
                self._children = Children(preload=[_MODULE])
            with tempfile.TemporaryDirectory(prefix="shadowtwin-page-") as folder:
                path = await self._storage.local_path(source, folder)
                content = await self._drawn(self._children, {"path": path, "page": page})
        await self._storage.write(key, content)
        if await self._storage.stat(source) is None:
            await self._storage.delete(key)  # the document was deleted meanwhile: nothing of it may stay

    async def _drawn(self, children: Children, args: dict[str, Any]) -> bytes:
        try:
            content: bytes = await children.run(f"{_MODULE}:draw", args, LIMITS, _ignore, result_type=bytes)
        except ChildFailed as failed:
            if failed.kind == "lost":
                raise TransientError("unavailable", "The process that draws pages was lost.") from failed
            raise DocumentError("pdf_page_failed", f"The page ends its reader ({failed.kind}).") from failed
        except ChildRaised as raised:
            raise DocumentError("pdf_page_failed", "The page cannot be drawn.") from raised
        return content


async def _ignore(message: Any) -> None:
    return None
