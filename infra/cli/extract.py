"""`extract`: one PDF to Markdown and images on this machine, without any service."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from infra.cli.failure import CliError
from services.extractor.app import PRELOAD
from services.extractor.extraction import CHILD_FAULTS
from services.extractor.settings import ExtractorSettings
from services.extractor.task import Task
from shared import twin
from shared.anchors import anchor, escape_anchors
from shared.child import ChildFailed, Children, Limits
from shared.errors import CATALOGUE, ShadowtwinError


def extract(arguments: argparse.Namespace) -> int:
    """Write DIR/<stem>.md and DIR/images/; exit code 2 with the error's code when the PDF cannot be read."""
    if not arguments.file.is_file():
        raise CliError("not_found", f"There is no file {arguments.file}.", "Check the path.", 2)
    started = time.monotonic()
    try:
        pages, images = asyncio.run(_extract(arguments.file, arguments.output))
    except ShadowtwinError as error:
        raise CliError(error.code, error.message, error.hint, 2) from error
    except OSError as error:
        raise CliError(
            "storage_write_failed", f"{error.filename}: {error.strerror}.", "Choose another DIR.", 2
        ) from error
    said = {
        "file": str(arguments.output / f"{twin.stem(arguments.file.name)}.md"),
        "pages": pages,
        "seconds": round(time.monotonic() - started, 3),
        "method": arguments.method,
        "images": images,
    }
    print(json.dumps(said) if arguments.json else f"{said['file']}: {pages} pages, {images} images")
    return 0


async def _extract(pdf: Path, folder: Path) -> tuple[int, int]:
    settings = ExtractorSettings()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    failed: list[str] = []
    images = 0

    async def take(message: dict[str, Any]) -> None:
        nonlocal images
        if "image" in message and message["content"]:
            images += 1
            name = twin.display_name(message["image"]["name"])
            await asyncio.to_thread((folder / "images" / name).write_bytes, message["content"])
        elif "page" in message:
            page = message["page"]
            failed.extend([page["error"]] if page["error"] else [])
            parts.append(f"{anchor(page['number'])}\n\n{escape_anchors(page['markdown'])}\n\n")

    children = Children(PRELOAD)
    limits = Limits(
        memory_bytes=settings.child_memory_bytes,
        wall_seconds=settings.child_seconds,
        idle_seconds=settings.page_seconds,
    )
    task = Task(path=str(pdf.resolve()), max_pages=settings.max_pages)
    try:
        await children.start()
        await children.run("services.extractor.child_extract:extract", _plain(task), limits, take)
    except ChildFailed as error:
        raise ShadowtwinError(CHILD_FAULTS.get(error.kind, "internal")) from error
    finally:
        await children.close()
    if len(failed) == len(parts):
        raise ShadowtwinError("pdf_page_failed" if parts else "pdf_no_pages")
    (folder / f"{twin.stem(pdf.name)}.md").write_text("".join(parts), encoding="utf-8")
    if failed:
        print(f"{len(failed)} pages: {CATALOGUE['pdf_page_failed'].message}", file=sys.stderr)
    return len(parts), images


def _plain(task: Task) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(task)
    return plain
