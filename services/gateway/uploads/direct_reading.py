"""Reading a direct upload back: whole, before anything is believed of it (checklist A0.28)."""

from __future__ import annotations

import asyncio
import hashlib

from shared.direct_ports import DirectStorage
from shared.direct_upload import DirectUpload
from shared.errors import RequestError
from shared.job import Artefact
from shared.magic import Opening
from shared.ports import Storage


async def received(upload: DirectUpload, storage: Storage, direct: DirectStorage) -> Artefact:
    """What has arrived: key, SHA-256 and size. Raises RequestError upload_incomplete when it is not there yet,
    upload_mismatch when it is not what was announced, DocumentError pdf_not_a_pdf."""
    size = await storage.stat(upload.key)
    if size is None and upload.part_size:
        await _put_together(upload, direct)
        size = await storage.stat(upload.key)
    if size is None:
        raise RequestError("upload_incomplete")
    if size != upload.size:
        raise RequestError("upload_mismatch", f"{size} bytes have arrived, {upload.size} were announced.")
    opening, digest = Opening(), hashlib.sha256()
    async for piece in storage.stream(upload.key):
        opening.take(piece)
        await asyncio.to_thread(digest.update, piece)
    opening.end()
    sha256 = digest.hexdigest()
    if upload.sha256 not in ("", sha256):
        raise RequestError("upload_mismatch", "The SHA-256 of what has arrived is not the announced one.")
    return Artefact(key=upload.key, sha256=sha256, size=size)


async def _put_together(upload: DirectUpload, direct: DirectStorage) -> None:
    parts = await direct.parts(upload)
    if not parts:  # none has arrived, or another gateway has just put them together
        return
    numbers = range(1, upload.part_count + 1)
    here = [number for number in numbers if parts.get(number) == upload.part_bytes(number)]
    if len(here) < upload.part_count:
        raise RequestError("upload_incomplete", f"{len(here)} of {upload.part_count} parts have arrived.")
    await direct.assemble(upload)
