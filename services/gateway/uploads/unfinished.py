"""Unfinished uploads: what a gateway that was killed has received, and perhaps put into a document's folder already.

Its senders got no answer. A received file outlives the killed process only between its arrival and its document's
record; such a file tells by its bytes which copies of it nobody has recorded.
"""

from __future__ import annotations

import logging

from services.gateway.uploads.received import UPLOADS, abandoned
from shared import twin
from shared.document import Document
from shared.ports import DocumentStore, Storage
from shared.reading import digest

logger = logging.getLogger("intake")
BATCH = 500


async def sweep(storage: Storage, documents: DocumentStore, own: str) -> None:
    """Remove the uploads of gateways that are gone, with their copies that no record names; `own` is this process's."""
    places = {key.split("/")[1] async for key in storage.keys(UPLOADS)}
    for former in places:
        if former == own or not abandoned(former):
            continue
        async for key in storage.keys(f"{UPLOADS}/{former}"):
            await _remove_copies(storage, documents, key, await digest(storage, key))
        await storage.delete_prefix(f"{UPLOADS}/{former}")
        logger.info("unfinished uploads removed", extra={"place": former})


async def _remove_copies(storage: Storage, documents: DocumentStore, key: str, sha256: str) -> None:
    async for library in storage.names(""):
        if library == UPLOADS:
            continue
        ids: list[str] = []
        async for name in storage.names(library):
            ids.append(name)
            if len(ids) == BATCH:
                await _of(storage, documents, library, ids, key, sha256)
                ids = []
        await _of(storage, documents, library, ids, key, sha256)


async def _of(storage: Storage, documents: DocumentStore, library: str, ids: list[str], key: str, sha256: str) -> None:
    """The copies in these documents' folders: under either name that an upload gives them."""
    known = await documents.many(ids)
    for document_id in ids:
        home = twin.folder(library, document_id)
        beside = f"{home}/source-{sha256[:12]}.pdf"
        for copy in (beside,) if document_id in known else (beside, f"{home}/source.pdf"):
            if _named(known.get(document_id), copy) or await storage.stat(copy) is None:
                continue
            if await digest(storage, copy) != sha256:
                continue
            await storage.delete(copy)
            if _named(await documents.get(document_id), copy):  # another upload of it has just been recorded
                await storage.copy(key, copy)


def _named(document: Document | None, key: str) -> bool:
    return document is not None and any(artefact.key == key for artefact in document.artefacts.values())
