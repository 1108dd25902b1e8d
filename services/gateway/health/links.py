"""Writing what was missing of a document's pictures: their files, the keys in the index, the pointer to their list."""

from __future__ import annotations

import hashlib
from typing import Any

from msgspec.structs import replace

from services.gateway.health.pictures import (
    FILE,
    ROLE,
    Listed,
    listed,
    published_listing,
    stored_files,
    unlinked,
)
from shared.document import Document
from shared.errors import RequestError
from shared.object_keys import image_file
from shared.ports import Storage, VectorRow, VectorStore

WRITE_BATCH = 256


async def missing(document: Document, storage: Storage) -> list[dict[str, Any]]:
    """Pictures whose file is not stored, each once, in page order: `{page, name, sha256, size, kind}`."""
    stored = await stored_files(document, storage)
    rows: dict[str, dict[str, Any]] = {}
    async for row in listed(document, storage):
        if row.name and not row.duplicate_of and row.name not in stored:
            rows[row.name] = {
                "page": row.page,
                "name": row.name,
                "sha256": row.sha256,
                "size": row.size,
                "kind": row.kind,
            }
    return list(rows.values())


async def put_back(document: Document, storage: Storage, name: str, content: bytes) -> bool:
    """Store a picture that the document lists, if it is missing; whether it was. Raises RequestError not_found for one
    that is not listed, conflict for other bytes than those that the extraction has found."""
    row = await _row_of(document, storage, name)
    if row is None:
        raise RequestError("not_found", "The document lists no picture of this name.")
    if hashlib.sha256(content).hexdigest() != row.sha256:
        raise RequestError(
            "conflict",
            "These are not the bytes of the picture that the document lists.",
            hint="If the PDF is read otherwise by now, process it again.",
        )
    key = image_file(document.library_id, document.document_id, name)
    if await storage.stat(key) == len(content):
        return False
    await storage.write(key, content)
    return True


async def _row_of(document: Document, storage: Storage, name: str) -> Listed | None:
    async for row in listed(document, storage):
        if row.name == name and not row.duplicate_of:
            return row
    return None


async def with_listing(document: Document, storage: Storage) -> Document:
    """The record with its pointer to images.jsonl, itself if that is there already or cannot be had."""
    found = None if ROLE in document.artefacts else await published_listing(document, storage)
    return document if found is None else replace(document, artefacts={**document.artefacts, ROLE: found})


async def write_keys(document: Document, storage: Storage, index: VectorStore) -> int:
    """Name the file in every row of a picture that names none, where it is stored; how many rows."""
    stored = await stored_files(document, storage)
    by_name: dict[str, str] = {}
    by_place: dict[tuple[int, int], str] = {}
    async for row in listed(document, storage):
        by_name[row.name] = by_place[row.page, row.index] = row.file
    batch: list[VectorRow] = []
    written = 0
    async for bare in unlinked(index, document, vectors=True):
        place = (bare.pages[0] if bare.pages else 0, bare.position)
        file = by_name.get(str(bare.extra.get("image", ""))) or by_place.get(place)
        if file in stored:
            batch.append(replace(bare, extra={**bare.extra, FILE: file}))
            written += 1
        if len(batch) == WRITE_BATCH:
            await index.write(batch)
            batch = []
    await index.write(batch)
    return written
