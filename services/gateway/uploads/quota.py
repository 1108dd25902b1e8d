"""Quotas: how many documents and bytes a library may hold. What a library holds is counted when it is asked for first
and carried on for a while; several gateways may exceed a quota together by what they take in that time."""

from __future__ import annotations

import time
from typing import NamedTuple

from services.gateway.walking import every_document
from shared.errors import RequestError
from shared.ports import DocumentStore

COUNTED_SECONDS = 60.0
PAGE = 500


class _Use(NamedTuple):
    documents: int
    size: int
    counted: float


class Quota:
    """0 is no limit: then nothing is counted either."""

    def __init__(self, documents: DocumentStore, max_documents: int, max_bytes: int) -> None:
        self._documents, self._most, self._bytes = documents, max_documents, max_bytes
        self._use: dict[str, _Use] = {}

    async def check(self, library: str, size: int, *, take: bool = True) -> None:
        """Raise RequestError quota_exceeded when another document of so many bytes would be too much; `take` counts it
        as being there from now on."""
        if not self._most and not self._bytes:
            return
        use = self._use.get(library)
        if use is None or time.monotonic() - use.counted > COUNTED_SECONDS or self._too_much(use, size):
            use = await self._count(library)  # also what was deleted meanwhile
        if said := self._too_much(use, size):
            raise RequestError("quota_exceeded", said)
        self._use[library] = use._replace(documents=use.documents + 1, size=use.size + size) if take else use

    def _too_much(self, use: _Use, size: int) -> str:
        if self._most and use.documents + 1 > self._most:
            return f"The library may hold {self._most} documents."
        if self._bytes and use.size + size > self._bytes:
            return f"The library may hold {self._bytes} bytes of files."
        return ""

    async def _count(self, library: str) -> _Use:
        count = size = 0
        async for document in every_document(self._documents, library, PAGE):
            count, size = count + 1, size + document.size
        return _Use(count, size, time.monotonic())
