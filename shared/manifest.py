"""What an attempt wrote: one list of files with hashes, itself referred to by hash in the job document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from shared.job import Artefact
from shared.ports import Storage


class File(msgspec.Struct, frozen=True):
    """One file: `name` relative to the document's folder, `key` where the attempt wrote it, `role` if it has one."""

    name: str
    key: str
    sha256: str
    size: int
    role: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """All files of one attempt, and what they were made with (shared.provenance)."""

    files: list[File]
    made_with: dict[str, Any] = {}


class Outputs:
    """Collects an attempt's files; `seal` writes the manifest last, so that it never names a missing file."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage, self._prefix = storage, prefix
        self._files: list[File] = []

    async def write(self, name: str, content: bytes | AsyncIterator[bytes], role: str = "") -> Artefact:
        """Store one file of the attempt."""
        artefact = await self._storage.write(f"{self._prefix}/{name}", content)
        self._files.append(File(name, artefact.key, artefact.sha256, artefact.size, role))
        return artefact

    async def write_file(self, name: str, content: bytes) -> File:
        """Store one file and give its row, for a checkpoint."""
        await self.write(name, content)
        return self._files[-1]

    @property
    def files(self) -> list[File]:
        """The rows so far, in the order in which they were written or taken over."""
        return list(self._files)

    async def aside(self, name: str, content: bytes) -> Artefact:
        """Store something of the attempt that is no part of the twin."""
        return await self._storage.write(f"{self._prefix}/{name}", content)

    def adopt(self, file: File) -> None:
        """Take over a file that an earlier attempt has stored."""
        self._files.append(file)

    async def seal(self, made_with: dict[str, Any] | None = None) -> dict[str, Artefact]:
        """The job's outputs: just the manifest."""
        content = msgspec.json.encode(Manifest(self._files, made_with or {}))
        return {"manifest": await self._storage.write(f"{self._prefix}/manifest.json", content)}
