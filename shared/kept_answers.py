"""Answers of foreign workers that are kept: what was paid for once is not asked for again (job option useCache).

They lie in the document's own folder, so that they go when it goes:

    {libraryId}/{documentId}/answers/{sha256[:16]}/{fingerprint}.json     the list of files and facts
    {libraryId}/{documentId}/answers/{sha256[:16]}/{fingerprint}/{uuid}/  the files of that answer
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from shared import twin
from shared.document import Document
from shared.errors import ShadowtwinError
from shared.manifest import File
from shared.ports import Storage
from shared.reading import digest


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a foreign worker's final report gave: files in the twin's form, and what the report said."""

    files: list[File]
    facts: dict[str, Any] = {}
    counts: dict[str, int] = {}
    warnings: list[dict[str, Any]] = []


async def keep_answer(storage: Storage, document: Document, made_from: str, answer: Answer) -> None:
    """Copy the files and name them last; then answers of other bytes, and the former one of these, go."""
    place = _place(document)
    folder = f"{place}/{made_from}/{uuid.uuid4().hex}"
    kept = [replace(file, key=f"{folder}/{file.name}") for file in answer.files]
    for file, copied in zip(answer.files, kept, strict=True):
        await storage.copy(file.key, copied.key)
    await storage.write(f"{place}/{made_from}.json", msgspec.json.encode(replace(answer, files=kept)))
    await _drop(storage, document, place, f"{place}/{made_from}/", {file.key for file in kept})


async def find_answer(storage: Storage, document: Document, made_from: str) -> Answer | None:
    """The kept answer, its texts checked against their hashes; None when there is none or anything of it is missing."""
    try:
        answer = msgspec.json.decode(await storage.read(f"{_place(document)}/{made_from}.json"), type=Answer)
        for file in answer.files:
            if await storage.stat(file.key) != file.size:
                return None
            if file.role and not await _unchanged(storage, file):
                return None
    except (ShadowtwinError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return answer


def renamed(files: Iterable[File], document: Document, language: str) -> list[File]:
    """The files as they are called for a job in this language: only the transcript's name carries it."""
    name = twin.artefact_name(document.name, "transcript", language)
    return [replace(file, name=name) if file.role == "transcript" else file for file in files]


def _place(document: Document) -> str:
    return f"{twin.folder(document.library_id, document.document_id)}/answers/{document.sha256[:16]}"


async def _unchanged(storage: Storage, file: File) -> bool:
    return await digest(storage, file.key) == file.sha256


async def _drop(storage: Storage, document: Document, place: str, former: str, kept: set[str]) -> None:
    answers = f"{twin.folder(document.library_id, document.document_id)}/answers"
    for key in [key async for key in storage.keys(answers)]:
        if not key.startswith(f"{place}/") or (key.startswith(former) and key not in kept):
            await storage.delete(key)
