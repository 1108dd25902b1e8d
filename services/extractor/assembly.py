"""Assembles what the child sends into the attempt's files, streaming: memory does not grow with the pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from types import TracebackType
from typing import Any

import msgspec
from msgspec.structs import replace

from services.extractor.checkpoint import Checkpoint, Part, encode_part
from services.extractor.escalations import EscalationLog
from services.extractor.pages import DocumentInfo, Image, Page
from services.extractor.tally import Found, Tally
from shared import frontmatter, twin
from shared.anchors import anchor, escape_anchors
from shared.errors import DocumentError
from shared.manifest import File, Outputs
from shared.phase import Report
from shared.ticket import Ticket

GENERATED_BY = "shadowtwin/extractor"


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


def picture_name(message: dict[str, Any]) -> str:
    """Where the file of an image's or a preview's message goes, relative to the twin's folder."""
    kind = "preview" if "preview" in message else "image"
    return f"{kind}s/{twin.display_name(message[kind]['name'])}"


class Assembly:
    """Takes the child's messages; as a context it opens and closes the three streamed files."""

    def __init__(
        self, ticket: Ticket, outputs: Outputs, report: Report, generated_at: datetime, checkpoint: Checkpoint
    ) -> None:
        self._ticket, self._outputs, self._report, self._at = ticket, outputs, report, generated_at
        self._feeds = {"transcript": Feed(), "pages": Feed(), "images": Feed()}
        self._writes: list[asyncio.Task[Any]] = []
        self._info: DocumentInfo | None = None
        self._tally = Tally()
        self._checkpoint = checkpoint
        self._escalations = EscalationLog(report)
        self._unsaved: list[dict[str, Any]] = []
        self._unsaved_files: list[File] = []

    @property
    def pages_done(self) -> int:
        """Pages taken, those of earlier attempts included."""
        return self._tally.pages

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

    async def restore(self, parts: list[Part]) -> None:
        """Take what earlier attempts have stored, as if the child had sent it now."""
        for part in parts:
            for message in part.messages:
                await self._write(message)
            for file in part.files:
                self._outputs.adopt(file)

    async def take(self, message: dict[str, Any]) -> None:
        """One message: info, image, page, or what was lost. Once in a while what is finished is saved and reported."""
        for write in self._writes:
            if write.done():
                write.result()
        if "lost" in message:
            self._checkpoint = replace(self._checkpoint, lost=dict(message["lost"]))
            await self._tell()
            return
        if message.get("content"):
            name = picture_name(message)
            self._unsaved_files.append(await self._outputs.write_file(name, message["content"]))
            if "preview" in message:
                return
        if "image" in message:
            message = {**message, "content": b""}
        await self._write(message)
        if "page" in message:
            self._escalations.tell(message["page"])
        self._unsaved.append(message)
        if "page" in message and self._report.due():
            await self._save()

    async def _save(self) -> None:
        """What is reported lies in storage before, so that the next attempt need not read it again."""
        content = encode_part(self._unsaved, self._unsaved_files)
        part = await self._outputs.aside(f"parts/{self.pages_done:06d}.msgpack", content)
        self._checkpoint = replace(self._checkpoint, last_page=self.pages_done, parts=[*self._checkpoint.parts, part])
        self._unsaved, self._unsaved_files = [], []
        await self._tell()

    async def _tell(self) -> None:
        total = self._info.pages if self._info else 0
        await self._report.progress(
            100 * self.pages_done / max(total, 1),
            "reading pages",
            self.pages_done,
            total,
            checkpoint=msgspec.to_builtins(self._checkpoint),
        )

    async def _write(self, message: dict[str, Any]) -> None:
        if "info" in message:
            if self._info is None:
                await self._write_info(msgspec.convert(message["info"], DocumentInfo))
        elif "image" in message:
            image = msgspec.convert(message["image"], Image)
            self._tally.image(image)
            await self._feeds["images"].put(msgspec.json.encode(image) + b"\n")
        else:
            self._tally.dropped.update(msgspec.convert(message.get("dropped", {}), dict[str, int]))
            await self._write_page(msgspec.convert(message["page"], Page))

    async def _write_info(self, info: DocumentInfo) -> None:
        self._info = info
        head = {
            "type": "transcript",
            "source_file": self._ticket.document.name,
            "generated_by": GENERATED_BY,
            "generated_at": self._at.isoformat(timespec="milliseconds"),
            "pages": info.pages,
        }
        await self._feeds["transcript"].put(frontmatter.render(head, "").encode())
        await self._outputs.write("document.json", msgspec.json.encode(info), "info")

    async def _write_page(self, page: Page) -> None:
        self._tally.page(page)
        text = f"{anchor(page.number)}\n\n{escape_anchors(page.markdown)}\n\n"
        await self._feeds["transcript"].put(text.encode())
        row = msgspec.to_builtins(page)
        del row["markdown"]
        await self._feeds["pages"].put(msgspec.json.encode(row) + b"\n")

    def check(self) -> Found:
        """Pages in = pages out + pages that failed by name; raises DocumentError when nothing could be read."""
        if self._info is None:
            raise DocumentError("pdf_no_pages")
        self._escalations.close()
        return self._tally.found(self._info)
