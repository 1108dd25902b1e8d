"""Looking for the file of a document where its record does not say: other spellings, prefixes and buckets.

Only an object with the recorded size and SHA-256 is a match. Other documents' folders are left alone: their files are
theirs, even if the bytes are equal.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping

import msgspec

from services.gateway import access
from services.gateway.health.rules import Place
from services.gateway.twin_records import RECORD
from shared import reading, twin
from shared.document import Document
from shared.errors import RequestError, ShadowtwinError
from shared.object_keys import key_variants
from shared.ports import Storage

_DOCUMENT = re.compile(r"doc-[0-9a-f]{24}")
STRAYS_MOST = 10_000
"""Objects of a library that lie in no document's folder, and are looked through."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where the file lies. `bucket` is empty for the one in use."""

    place: Place
    key: str
    bucket: str = ""


class Finder:
    """Searches for files; lives as long as one run, and lists each prefix once."""

    def __init__(self, storage: Storage, buckets: Mapping[str, Storage]) -> None:
        self._storage, self._buckets = storage, buckets
        self._libraries: list[str] | None = None
        self._strays: dict[str, list[str]] = {}
        self._empty: dict[str, bool] = {}

    async def find(self, document: Document, *, other_buckets: bool = False) -> Found | None:
        """The nearest place that holds the document's bytes."""
        if not document.sha256 or not document.size:
            return None
        async for place, key in self._candidates(document):
            if await matches(self._storage, key, document):
                return Found(place=place, key=key)
        source = document.artefacts.get("source")
        for name, bucket in self._buckets.items() if other_buckets and source else ():
            for key in key_variants(source.key if source else ""):
                if await matches(bucket, key, document):
                    return Found(place=Place.OTHER_BUCKET, key=key, bucket=name)
        return None

    async def library_is_empty(self, library: str) -> bool:
        """Whether nothing lies under the library's prefix but records of documents."""
        if library not in self._empty:
            self._empty[library] = await self._holds_nothing(library)
        return self._empty[library]

    async def _candidates(self, document: Document) -> AsyncIterator[tuple[Place, str]]:
        source = document.artefacts.get("source")
        home = twin.folder(document.library_id, document.document_id)
        own = source.key if source else f"{home}/source.pdf"
        for key in key_variants(own)[1 if source else 0 :]:
            yield Place.OTHER_KEY, key
        async for name in self._storage.names(home):
            if name != RECORD and f"{home}/{name}" != own:
                yield Place.OTHER_KEY, f"{home}/{name}"
        for key in await self._strays_of(document.library_id):
            yield Place.OTHER_KEY, key
        for library in await self._all_libraries():
            if library != document.library_id:
                for key in key_variants(f"{library}/{document.document_id}/{own.rpartition('/')[2]}"):
                    yield Place.OTHER_PREFIX, key

    async def _strays_of(self, library: str) -> list[str]:
        if library not in self._strays:
            found: list[str] = []
            async for name in self._storage.names(library):
                if _DOCUMENT.fullmatch(name) or len(found) >= STRAYS_MOST:
                    continue
                found.append(f"{library}/{name}")
                async for key in self._storage.keys(f"{library}/{name}"):
                    found.append(key)
                    if len(found) >= STRAYS_MOST:
                        break
            self._strays[library] = found
        return self._strays[library]

    async def _all_libraries(self) -> list[str]:
        if self._libraries is None:
            self._libraries = [name async for name in self._storage.names("") if not name.startswith("_")]
        return [name for name in self._libraries if access.visible(name)]

    async def _holds_nothing(self, library: str) -> bool:
        async for name in self._storage.names(library):
            if not _DOCUMENT.fullmatch(name):
                return False
            async for below in self._storage.names(f"{library}/{name}"):
                if below != RECORD:
                    return False
        return True


async def size_of(storage: Storage, key: str) -> int | None:
    """The object's size; None for no object, and for a key that this storage cannot even have."""
    try:
        return await storage.stat(key)
    except RequestError:
        return None


async def matches(storage: Storage, key: str, document: Document) -> bool:
    """Whether the object is the document's file: size first, then the hash of all its bytes."""
    return await size_of(storage, key) == document.size and await digest(storage, key) == document.sha256


async def digest(storage: Storage, key: str) -> str:
    """SHA-256 of an object, in hex; "" when it cannot be read."""
    try:
        return await reading.digest(storage, key)
    except ShadowtwinError:
        return ""
