"""The pictures of a document: which are listed, which have their file, which rows of the index name theirs.

A picture is linked when its file is stored under the key that its row in images.jsonl names, and when every row of
the index that shows it names that file (`extra.file`). Repeats share the first one's file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from services.gateway.health.finding import digest, size_of
from shared import reading, twin
from shared.document import Document
from shared.errors import ShadowtwinError
from shared.job import Artefact, StepName
from shared.manifest import Manifest
from shared.ports import Census, Storage, VectorRow, VectorStore

KIND = "image"
ROLE = "images"
FILE = "file"
"""The field of a row's `extra` that names the file in images/."""


class Listed(msgspec.Struct, frozen=True):
    """What is needed of a row of images.jsonl."""

    page: int = 0
    index: int = 0
    name: str = ""
    sha256: str = ""
    size: int = 0
    duplicate_of: str = ""
    kind: str = "image"

    @property
    def file(self) -> str:
        """The file in images/ that holds its bytes; "" when the row names none."""
        return self.duplicate_of or self.name


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of a document, and those without a key or a file."""

    count: int = 0
    without_key: int = 0
    listing_lost: bool = False


async def pictures_of(
    document: Document, storage: Storage, indexes: Sequence[VectorStore], censuses: Sequence[Census]
) -> Pictures:
    """Counted by file; rows of the index that name none are added."""
    expected = document.counts.get("images", 0) + document.counts.get("figures", 0)
    artefact = document.artefacts.get(ROLE)
    bare = 0
    for index, census in zip(indexes, censuses, strict=True):
        if KIND in census.current:
            bare += len([row async for row in unlinked(index, document)])
    if artefact is None:
        lost = expected > 0 and await published_listing(document, storage) is None
        return Pictures(count=expected + bare, without_key=expected + bare, listing_lost=lost)
    if artefact.size == 0:
        return Pictures(count=bare, without_key=bare)
    if await size_of(storage, artefact.key) is None:
        return Pictures(count=max(expected, 1), without_key=max(expected, 1), listing_lost=True)
    stored = await stored_files(document, storage)
    files, nameless = set(), 0
    async for row in listed(document, storage):
        files.add(row.file)
        nameless += not row.file
    files.discard("")
    return Pictures(
        count=len(files) + nameless + bare,
        without_key=len(files - stored) + nameless + bare,
        listing_lost=nameless > 0,
    )


async def published_listing(document: Document, storage: Storage) -> Artefact | None:
    """The images.jsonl that the extraction has published, for a record that has lost its pointer to it."""
    home = twin.folder(document.library_id, document.document_id)
    try:
        content = await storage.read(f"{home}/manifests/{StepName.EXTRACT}.json")
        files = msgspec.json.decode(content, type=Manifest).files
    except (ShadowtwinError, msgspec.MsgspecError):
        return None
    for file in files:
        key = f"{home}/{file.name}"
        if file.role == ROLE and await digest(storage, key) == file.sha256:
            return Artefact(key=key, sha256=file.sha256, size=file.size)
    return None


async def stored_files(document: Document, storage: Storage) -> set[str]:
    """Names in the document's images/."""
    home = twin.folder(document.library_id, document.document_id)
    return {name async for name in storage.names(f"{home}/images")}


async def listed(document: Document, storage: Storage) -> AsyncIterator[Listed]:
    """The rows of images.jsonl that can be read; none when there is no such file."""
    artefact = document.artefacts.get(ROLE)
    if artefact is None:
        return
    try:
        async for line in reading.lines(storage, artefact.key):
            yield _row(line)
    except ShadowtwinError:
        return


def _row(line: bytes) -> Listed:
    try:
        return msgspec.json.decode(line, type=Listed)
    except msgspec.MsgspecError:
        return Listed()


async def unlinked(index: VectorStore, document: Document, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
    """Rows of pictures, of the current generation, that name no file."""
    async for row in index.rows_of(document.document_id, KIND, vectors=vectors):
        if row.generation == document.generation and not row.extra.get(FILE):
            yield row
