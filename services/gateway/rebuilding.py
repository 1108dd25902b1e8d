"""Making derived state anew: documents from the twins, chunks and vectors by jobs that only ingest (ADR 26).

Nothing is read from a PDF and no model is asked about a text. The jobs take the ordinary route with its guards: each
writes a new generation, the switch is atomic, and what fails leaves that document's answers as they were.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator

import msgspec
from msgspec.structs import replace

from services.gateway.creation import JobRequest
from services.gateway.delivered import IMAGE_EMBEDDER
from services.gateway.intake import Intake
from services.gateway.progress import Progress, new_handle, refuse
from services.gateway.twin_records import recorded
from services.gateway.walking import every_document
from shared import twin
from shared.document import Document
from shared.errors import ShadowtwinError
from shared.gates import has_bytes
from shared.job import Parameters, Policies, Policy
from shared.ports import FIRST_VERSION, DocumentStore, Storage

PAGE = 200
_DOCUMENT = re.compile(r"doc-[0-9a-f]{24}")
_ONLY_INGEST = Policies(extract=Policy.IGNORE, metadata=Policy.IGNORE, ingest=Policy.FORCE)


class RebuildRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/system/rebuild` and `/reembed`; without a library all of them."""

    libraryId: str | None = None


class Rebuild(msgspec.Struct, kw_only=True, rename="camel"):
    """How far it is; the jobs, found by `batchId`, are the truth. `restored` documents had
    no record, `started` have a job, `refused` say why they have none."""

    handle: str
    batch_id: str
    found: int = 0
    restored: int = 0
    started: int = 0
    refused: dict[str, str] = {}
    refusals: int = 0
    finished: bool = False
    error: str = ""


class Rebuilding:
    """Starts rebuilds and knows how far they are."""

    def __init__(
        self,
        documents: DocumentStore,
        storage: Storage,
        intake: Intake,
        progress: Progress[Rebuild],
        embedder: str,
        version: str = FIRST_VERSION,
        image_embedder: str = "",
    ) -> None:
        self._documents, self._storage, self._intake, self._progress = documents, storage, intake, progress
        self._embedder, self._version, self._image_embedder = embedder, version, image_embedder

    async def rebuild(self, request: RebuildRequest) -> Rebuild:
        """From the twins: documents that have no record get it back, then every document is ingested."""
        return await self._start("rebuild", self._from_twins(request.libraryId))

    async def reembed(self, request: RebuildRequest) -> Rebuild:
        """Ingest the documents whose vectors, of texts or of pictures, another embedder has made."""
        return await self._start("reembed", self._other_embedders(request.libraryId))

    async def _start(self, name: str, documents: AsyncIterator[tuple[str, str, Document | ShadowtwinError]]) -> Rebuild:
        state = Rebuild(handle=new_handle(), batch_id=str(uuid.uuid4()))
        return await self._progress.start(state, self._run(name, documents, state))

    async def _run(
        self, name: str, documents: AsyncIterator[tuple[str, str, Document | ShadowtwinError]], state: Rebuild
    ) -> None:
        async for library, document_id, found in documents:
            state.found += 1
            try:
                if isinstance(found, ShadowtwinError):
                    raise found
                if await self._documents.get(document_id) is None:
                    state.restored += await self._documents.put(found)
                await self._ingest(name, library, document_id, state)
            except ShadowtwinError as error:
                refuse(state, document_id, f"{error.code}: {error.message}")

    async def _ingest(self, name: str, library: str, document_id: str, state: Rebuild) -> None:
        parameters = Parameters(policies=_ONLY_INGEST)
        request = JobRequest(
            library_id=library,
            document_id=document_id,
            batch_id=state.batch_id,
            batch_name=name,
            parameters=parameters,
        )
        accepted = await self._intake.again(request)
        if accepted.existing:
            refuse(state, document_id, f"job_open: {accepted.job_id} is at it; its own ingestion does the same.")
        else:
            state.started += 1

    async def _from_twins(self, library: str | None) -> AsyncIterator[tuple[str, str, Document | ShadowtwinError]]:
        libraries = [twin.library_id(library)] if library else [name async for name in self._storage.names("")]
        for name in libraries:
            async for document_id in self._storage.names(name):
                if not _DOCUMENT.fullmatch(document_id):
                    continue
                try:
                    found = await self._documents.get(document_id) or await recorded(self._storage, name, document_id)
                except ShadowtwinError as error:
                    yield name, document_id, error
                    continue
                if found is not None and _has_text(found):
                    yield name, document_id, found

    async def _other_embedders(self, library: str | None) -> AsyncIterator[tuple[str, str, Document | ShadowtwinError]]:
        async for document in every_document(self._documents, library, PAGE):
            if _has_text(document) and not self._is_current(document):
                yield document.library_id, document.document_id, document

    def _is_current(self, document: Document) -> bool:
        made = document.made_from
        pictures = self._image_embedder if has_bytes(document, "images") else ""
        text = (made.get("embedder"), made.get("embedderVersion", FIRST_VERSION)) == (self._embedder, self._version)
        return text and (not pictures or made.get(IMAGE_EMBEDDER) == pictures)

    async def state(self, handle: str) -> Rebuild:
        """How far it is; raises RequestError not_found."""
        found = await self._progress.state(handle)
        return replace(found, refused=dict(found.refused))


def _has_text(document: Document) -> bool:
    return "transcript" in document.artefacts or "transformation" in document.artefacts
