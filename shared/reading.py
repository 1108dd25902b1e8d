"""Reading stored artefacts: only with the hash that was recorded, so that a changed file is never taken for ours."""

from __future__ import annotations

import hashlib
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


async def rows(storage: Storage, document: Document, role: str) -> list[dict[str, Any]]:
    """The rows of a .jsonl artefact."""
    content = await read(storage, document, role)
    return [msgspec.json.decode(line) for line in content.splitlines() if line]
