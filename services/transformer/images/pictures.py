"""The pictures of a document that are analysed: each distinct one once, with what its place in the document says."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection
from typing import Any, NamedTuple

from services.transformer.discovery.records import PagePlan
from services.transformer.images.questions import CONTEXT_MOST
from services.transformer.stage import Material
from shared.anchors import split_pages
from shared.errors import DocumentError
from shared.models import DataBlock
from shared.pictures import without_references
from shared.ports import Storage

REPEATED = 0.25
"""Share of the sheets from which on a picture is decoration, such as a logo."""

BYTES_MOST = 64 << 20


class Picture(NamedTuple):
    """One distinct picture: hash of its bytes, its file, the sheets that show it, and text about it."""

    image_hash: str
    name: str
    pages: list[int]
    caption: str
    size: int
    context: list[DataBlock]


def pictures_of(material: Material, plan: PagePlan | None) -> list[Picture]:
    """The pictures on the plan's sheets (on all without one), in the order of the document. What repeats on many sheets
    is left out."""
    worked = set(plan.processed) if plan is not None else None
    counts = Counter(str(row.get("sha256")) for row in material.images)
    most = max(4.0, REPEATED * len(material.pages))
    first: dict[str, dict[str, Any]] = {}
    pages: dict[str, list[int]] = {}
    for row in material.images:
        digest, page = str(row.get("sha256") or ""), int(row.get("page") or 0)
        if not digest or counts[digest] >= most or (worked is not None and page not in worked):
            continue
        first.setdefault(digest, row)
        if page not in pages.setdefault(digest, []):
            pages[digest].append(page)
    names = {row.page: row.products for row in plan.pages} if plan is not None else {}
    texts = {page.number: page.text for page in split_pages(material.body)[1]} if first else {}
    return [
        Picture(
            digest,
            str(row.get("duplicate_of") or row["name"]),
            pages[digest],
            str(row.get("caption") or ""),
            max((int(r.get("size") or 0) for r in material.images if r.get("sha256") == digest), default=0),
            _context(row, names.get(pages[digest][0], []), texts.get(pages[digest][0], "")),
        )
        for digest, row in first.items()
    ]


def _context(row: dict[str, Any], products: Collection[str], text: str) -> list[DataBlock]:
    parts = (
        ("caption", str(row.get("caption") or "")),
        ("products of the page", "\n".join(products)),
        ("text of the page", without_references(text)[:CONTEXT_MOST]),
    )
    return [DataBlock(label, part) for label, part in parts if part.strip()]


async def read(storage: Storage, folder: str, name: str, image_hash: str, size: int = 0) -> bytes:
    """The picture's bytes, checked. Raises ShadowtwinError for this picture alone."""
    if "/" in name or name.startswith("."):
        raise DocumentError("artefact_missing", "The picture has no proper name.")
    if size > BYTES_MOST:
        raise DocumentError("payload_too_large", f"The picture has {size >> 20} MB.")
    content = await storage.read(f"{folder}/images/{name}")
    if hashlib.sha256(content).hexdigest() != image_hash:
        raise DocumentError("artefact_changed", "The stored picture does not match its recorded hash.")
    return content
