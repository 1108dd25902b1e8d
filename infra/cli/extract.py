"""`extract`: one PDF to Markdown and images on this machine, without any service."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from infra.cli.failure import CliError
from infra.cli.password import password
from services.extractor.app import PRELOAD
from services.extractor.assembly import picture_name
from services.extractor.pages import DocumentInfo, Image, Page
from services.extractor.session import Session
from services.extractor.settings import ExtractorSettings
from services.extractor.tally import Found, Tally
from services.extractor.task import Task
from shared import twin
from shared.anchors import anchor, escape_anchors
from shared.child import Children
from shared.errors import DocumentError, ShadowtwinError
from shared.job import Parameters
from shared.methods import LOCAL_METHODS


def extract(arguments: argparse.Namespace) -> int:
    """Write DIR/<stem>.md, what pictures there are and their list images.jsonl.

    Exit code 2 with the error's code when nothing can be read.
    """
    if arguments.method not in LOCAL_METHODS:
        raise CliError("bad_request", f"--method must be one of {', '.join(LOCAL_METHODS)}.", "Choose one of them.", 2)
    if not arguments.file.is_file():
        raise CliError("not_found", f"There is no file {arguments.file}.", "Check the path.", 2)
    secret = password(arguments)
    started = time.monotonic()
    try:
        arguments.output.mkdir(parents=True, exist_ok=True)
        found = asyncio.run(_extract(arguments, secret))
    except ShadowtwinError as error:
        raise CliError(error.code, error.message, error.hint, 2) from error
    except OSError as error:
        raise CliError(
            "storage_write_failed", f"{error.filename}: {error.strerror}.", "Choose another DIR.", 2
        ) from error
    said = {
        "file": str(arguments.output / f"{twin.stem(arguments.file.name)}.md"),
        "pages": found.pages,
        "pagesFailed": found.counts["pagesFailed"],
        "seconds": round(time.monotonic() - started, 3),
        "method": arguments.method,
        "images": found.counts["images"],
        "figures": found.counts["figures"],
        "previews": found.counts["previews"],
        "methods": found.methods,
        "warnings": found.warnings,
    }
    if arguments.json:
        print(json.dumps(said, ensure_ascii=False))
        return 0
    for warning in found.warnings:
        print(f"shadowtwin: {warning['message']}", file=sys.stderr)
    print(f"{said['file']}: {said['pages']} pages, {said['images']} images")
    return 0


class _Folder:
    """Takes a session's messages into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[str] = []
        self._images: list[bytes] = []
        self._tally = Tally()
        self._info: DocumentInfo | None = None

    async def take(self, message: dict[str, Any]) -> None:
        """One message of the session."""
        if "info" in message:
            self._info = self._info or msgspec.convert(message["info"], DocumentInfo)
        elif "image" in message or "preview" in message:
            if "image" in message:
                image = msgspec.convert(message["image"], Image)
                self._tally.image(image)
                self._images.append(msgspec.json.encode(image) + b"\n")
            if message["content"]:
                await asyncio.to_thread(_write, self._folder / picture_name(message), message["content"])
        elif "page" in message:
            page = msgspec.convert(message["page"], Page)
            self._tally.page(page)
            self._tally.dropped.update(message["dropped"])
            self._parts.append(f"{anchor(page.number)}\n\n{escape_anchors(page.markdown)}\n\n")

    def finish(self, name: str) -> Found:
        """Write the transcript and the list of images, if any; raises DocumentError when nothing could be read."""
        if self._info is None:
            raise DocumentError("pdf_no_pages")
        found = self._tally.found(self._info)
        (self._folder / f"{twin.stem(name)}.md").write_text("".join(self._parts), encoding="utf-8")
        if self._images:
            (self._folder / "images.jsonl").write_bytes(b"".join(self._images))
        return found


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


async def _extract(arguments: argparse.Namespace, secret: str) -> Found:
    settings = ExtractorSettings()
    pdf, folder = arguments.file, arguments.output
    wanted = Parameters(extraction_method=arguments.method, ocr_languages=arguments.ocr_languages)
    task = Task(
        path=str(pdf.resolve()),
        figures=arguments.figures,
        previews=arguments.previews,
        max_pages=settings.max_pages,
        caps=settings.caps(),
        password=secret,
        respect_permissions=settings.respect_permissions,
        reading=settings.reading(wanted),
    )
    into = _Folder(folder)
    children = Children(PRELOAD)
    try:
        await children.start()
        await Session(children, settings, into.take).read(task)
    finally:
        await children.close()
    return into.finish(pdf.name)
