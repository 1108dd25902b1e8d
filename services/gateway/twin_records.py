"""The document record beside its twin: `{libraryId}/{documentId}/document-record.json`, so that the twins alone are
enough to make the database's documents anew (ADR 26). The database stays the truth; the file follows every accepted
change.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from shared import frontmatter, twin
from shared.document import Document, DocumentStatus, document_id_for
from shared.errors import ShadowtwinError
from shared.job import Artefact, utc_now
from shared.manifest import Manifest
from shared.ports import DocumentStore, Storage
from shared.reading import digest

logger = logging.getLogger("documents")
RECORD = "document-record.json"


class TwinRecords:
    """`DocumentStore` over another one; whatever is put is written beside the twin as well."""

    def __init__(self, documents: DocumentStore, storage: Storage) -> None:
        self._documents, self._storage = documents, storage

    async def get(self, document_id: str) -> Document | None:
        """See DocumentStore."""
        return await self._documents.get(document_id)

    async def by_hash(self, library_id: str, sha256: str) -> Document | None:
        """See DocumentStore."""
        return await self._documents.by_hash(library_id, sha256)

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """See DocumentStore."""
        return await self._documents.find(library_id, cursor, limit)

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """See DocumentStore."""
        return await self._documents.many(document_ids)

    async def delete(self, document_id: str) -> None:
        """Remove the record, and the file of it that lies beside the twin."""
        document = await self._documents.get(document_id)
        await self._documents.delete(document_id)
        if document is not None:
            await self._storage.delete(_key(document))

    async def put(self, document: Document) -> bool:
        """Swap the record, then write it down. A file that cannot be written fails nothing: the next change brings it
        up to date."""
        if not await self._documents.put(document):
            return False
        try:
            await self._write_down(replace(document, revision=document.revision + 1))
        except (ShadowtwinError, OSError):
            logger.warning("the record beside the twin is behind", extra={"document": document.document_id})
        return True

    async def _write_down(self, document: Document) -> None:
        """Whoever writes looks afterwards whether it was the newest: so the last of several writers ends with it."""
        while True:
            await self._storage.write(_key(document), msgspec.json.format(msgspec.json.encode(document)))
            current = await self._documents.get(document.document_id)
            if current is None:
                await self._storage.delete(_key(document))
                return
            if current.revision <= document.revision:
                return
            document = current


async def recorded(storage: Storage, library: str, document_id: str) -> Document | None:
    """The document as its twin's folder tells, for an empty database; None when the folder is not one of a document.

    Raises ShadowtwinError when it is one, but what it holds cannot be used: `message` says what."""
    home = twin.folder(library, document_id)
    key = f"{home}/{RECORD}"
    if await storage.stat(key) is None:
        return await _derived(storage, library, document_id)
    try:
        document = msgspec.json.decode(await storage.read(key), type=Document)
    except msgspec.MsgspecError as error:
        raise ShadowtwinError("artefact_changed", f"{RECORD} cannot be read ({type(error).__name__}).") from error
    places = [artefact.key for artefact in document.artefacts.values()]
    if (document.library_id, document.document_id) != (library, document_id) or not all(
        place.startswith(f"{home}/") for place in places
    ):
        raise ShadowtwinError("artefact_changed", f"{RECORD} speaks of another document.")
    return replace(document, revision=0)


async def _derived(storage: Storage, library: str, document_id: str) -> Document | None:
    """The record of a twin that has none: what its manifests, its frontmatter and its PDF say."""
    home = twin.folder(library, document_id)
    artefacts: dict[str, Artefact] = {}
    async for key in storage.keys(f"{home}/manifests"):
        try:
            manifest = msgspec.json.decode(await storage.read(key), type=Manifest)
        except msgspec.MsgspecError as error:
            raise ShadowtwinError("artefact_changed", f"{key} cannot be read.") from error
        for file in manifest.files:
            if file.role:
                artefacts[file.role] = Artefact(key=f"{home}/{file.name}", sha256=file.sha256, size=file.size)
    role = "transformation" if "transformation" in artefacts else "transcript"
    if role not in artefacts:
        return None
    source = await _source(storage, f"{home}/source.pdf")
    if source is None or document_id_for(library, source.sha256) != document_id:
        raise ShadowtwinError(
            "artefact_missing", f"There is no {RECORD}, and the PDF does not tell the itemId: upload it again."
        )
    meta, _ = frontmatter.parse((await storage.read(artefacts[role].key)).decode())
    now, pages = utc_now(), meta.get("pages")
    return Document(
        document_id=document_id,
        library_id=library,
        item_id=source.sha256,
        sha256=source.sha256,
        name=str(meta.get("source_file") or "document.pdf"),
        size=source.size,
        created_at=now,
        updated_at=now,
        status=DocumentStatus.PROCESSED,
        pages=pages if isinstance(pages, int) else 0,
        artefacts={"source": source, **artefacts},
        metadata={"title": meta["title"]} if meta.get("title") else {},
    )


async def _source(storage: Storage, key: str) -> Artefact | None:
    size = await storage.stat(key)
    if size is None:
        return None
    return Artefact(key=key, sha256=await digest(storage, key), size=size)


def _key(document: Document) -> str:
    return f"{twin.folder(document.library_id, document.document_id)}/{RECORD}"
