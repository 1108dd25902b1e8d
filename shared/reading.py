"""Reading stored artefacts: only with the hash that was recorded, so that a changed file is never taken for ours."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from shared.document import Document
from shared.errors import ShadowtwinError
from shared.ports import Storage


async def read(storage: Storage, document: Document, role: str) -> bytes:
    """The document's current artefact of that role; raises artefact_missing or artefact_changed."""
    artefact = document.artefacts.get(role)
    if artefact is None:
        raise ShadowtwinError("artefact_missing", f"The document has no {role}.")
    content = await storage.read(artefact.key)
    if hashlib.sha256(content).hexdigest() != artefact.sha256:
        raise ShadowtwinError("artefact_changed", f"The stored {role} does not match its recorded hash.")
    return content


async def digest(storage: Storage, key: str) -> str:
    """The SHA-256 of an object, in hex, read in pieces; raises artefact_missing."""
    found = hashlib.sha256()
    async for piece in storage.stream(key):
        found.update(piece)
    return found.hexdigest()


async def lines(storage: Storage, key: str) -> AsyncIterator[bytes]:
    """The lines of an object that are not empty, read in pieces; raises artefact_missing."""
    rest = b""
    async for piece in storage.stream(key):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line:
                yield line
    if rest.strip():
        yield rest


async def rows(storage: Storage, document: Document, role: str) -> list[dict[str, Any]]:
    """The rows of a .jsonl artefact."""
    content = await read(storage, document, role)
    return [msgspec.json.decode(line) for line in content.splitlines() if line]
