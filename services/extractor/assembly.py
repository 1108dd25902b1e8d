"""Assembles what the child sends into the attempt's files, streaming: memory does not grow with the pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from types import TracebackType
from typing import Any

import msgspec

from services.extractor.pages import DocumentInfo, Image, Page
from shared import frontmatter, twin
from shared.anchors import anchor, escape_anchors
from shared.errors import DocumentError
from shared.manifest import Outputs
from shared.phase import Report
from shared.ticket import Ticket

GENERATED_BY = "shadowtwin/extractor"


class Found(msgspec.Struct, frozen=True):
    """What the run of the child gave, after the conservation check."""

    pages: int
    metadata: dict[str, str]
    counts: dict[str, int]
    warnings: list[dict[str, Any]]


class Feed:
    """Pieces of one file on their way to storage: a bounded queue between the child's messages and the write."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=64)

    async def put(self, piece: bytes | None) -> None:
        """Add a piece, waiting while storage is behind; None ends the file."""
        await self._pieces.put(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece


class Assembly:
    """Takes the child's messages; as a context it opens and closes the three streamed files."""

    def __init__(self, ticket: Ticket, outputs: Outputs, report: Report, generated_at: datetime) -> None:
        self._ticket, self._outputs, self._report, self._at = ticket, outputs, report, generated_at
        self._feeds = {"transcript": Feed(), "pages": Feed(), "images": Feed()}
        self._writes: list[asyncio.Task[Any]] = []
        self._info: DocumentInfo | None = None
        self._failed: list[tuple[int, str]] = []
        self._chars = self._images = self._duplicates = 0
        self._warnings: list[dict[str, Any]] = []
        self.pages_done = 0

    async def __aenter__(self) -> Assembly:
        name = twin.artefact_name(self._ticket.document.name, "transcript", self._ticket.parameters.target_language)
        names = {"transcript": name, "pages": "pages.jsonl", "images": "images.jsonl"}
        self._writes = [
            asyncio.create_task(self._outputs.write(names[role], aiter(feed), role))
            for role, feed in self._feeds.items()
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for write in self._writes:
                write.cancel()
            await asyncio.gather(*self._writes, return_exceptions=True)
            return
        for feed in self._feeds.values():
            await feed.put(None)
        await asyncio.gather(*self._writes)

    async def take(self, message: dict[str, Any]) -> None:
        """One message of the child: info, image or page."""
        for write in self._writes:
            if write.done():
                write.result()
        if "info" in message:
            await self._take_info(msgspec.convert(message["info"], DocumentInfo))
        elif "image" in message:
            await self._take_image(msgspec.convert(message["image"], Image), message["content"])
        else:
            await self._take_page(msgspec.convert(message["page"], Page))

    async def _take_info(self, info: DocumentInfo) -> None:
        self._info = info
        head = {
            "type": "transcript",
            "source_file": self._ticket.document.name,
            "generated_by": GENERATED_BY,
            "generated_at": self._at.isoformat(timespec="seconds"),
            "pages": info.pages,
        }
        await self._feeds["transcript"].put(frontmatter.render(head, "").encode())
        await self._outputs.write("document.json", msgspec.json.encode(info), "info")

    async def _take_image(self, image: Image, content: bytes) -> None:
        self._images += 1
        if content:
            await self._outputs.write(f"images/{twin.display_name(image.name)}", content)
        else:
            self._duplicates += 1
        await self._feeds["images"].put(msgspec.json.encode(image) + b"\n")

    async def _take_page(self, page: Page) -> None:
        self.pages_done += 1
        self._chars += page.chars
        if page.error:
            self._failed.append((page.number, page.error))
        text = f"{anchor(page.number)}\n\n{escape_anchors(page.markdown)}\n\n"
        await self._feeds["transcript"].put(text.encode())
        row = {**msgspec.to_builtins(page), "markdown": None}
        del row["markdown"]
        await self._feeds["pages"].put(msgspec.json.encode(row) + b"\n")
        total = self._info.pages if self._info else 0
        await self._report.progress(100 * self.pages_done / max(total, 1), "reading pages", self.pages_done, total)

    def check(self) -> Found:
        """Pages in = pages out + pages that failed by name; raises DocumentError when nothing could be read."""
        info = self._info
        if info is None or not self.pages_done:
            raise DocumentError("pdf_no_pages")
        if self.pages_done != info.pages:
            raise DocumentError(
                "pdf_page_failed", f"{self.pages_done} of {info.pages} pages were answered by the reader."
            )
        if len(self._failed) == self.pages_done:
            raise DocumentError("pdf_page_failed", "None of the pages could be read.")
        warnings = [
            {"code": code, "message": f"Page {number} could not be read.", "page": number}
            for number, code in self._failed
        ]
        if not self._chars:
            warnings.append({"code": "pdf_no_text", "message": DocumentError("pdf_no_text").message})
        if self._duplicates:
            message = f"{self._duplicates} placements repeat an image stored already; images.jsonl names the first."
            warnings.append({"code": "images_repeated", "message": message, "count": self._duplicates})
        counts = {
            "pages": info.pages,
            "pagesFailed": len(self._failed),
            "images": self._images - self._duplicates,
            "imagePlacements": self._images,
            "characters": self._chars,
        }
        return Found(pages=info.pages, metadata=_plausible(info.metadata), counts=counts, warnings=warnings)


def _plausible(metadata: dict[str, str]) -> dict[str, str]:
    """The PDF's own metadata, kept apart from what the analysis will say."""
    return {f"pdf_{key}": value for key, value in metadata.items() if value}
