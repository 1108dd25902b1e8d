"""What the transformer reads of a PDF, made by the real extractor in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from services.extractor.child_extract import extract
from services.extractor.task import Task
from services.transformer.discovery.view import View, look
from services.transformer.stage import Material
from shared.anchors import anchor, escape_anchors


def material_of(path: Path) -> Material:
    """The transcript's body and the rows that go with it."""
    info: dict[str, Any] = {}
    pages: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    body: list[str] = []

    def take(message: Any) -> None:
        if "info" in message:
            info.update(msgspec.to_builtins(message["info"]))
        elif "image" in message:
            images.append(msgspec.to_builtins(message["image"]))
        elif "page" in message:
            page = msgspec.to_builtins(message["page"])
            body.append(f"{anchor(page['number'])}\n\n{escape_anchors(page.pop('markdown'))}\n\n")
            pages.append(page)

    extract(msgspec.to_builtins(Task(path=str(path))), take)
    return Material("".join(body), info, pages, images)


def view_of(path: Path) -> View:
    """The same as discovery sees it."""
    material = material_of(path)
    return look(material.body, material.info, material.pages, material.images)
