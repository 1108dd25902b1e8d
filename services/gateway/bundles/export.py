"""Bundles: a finished job with all that its run used and made, as one ZIP that is sent while it is read (ADR 46)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from services.gateway.bundles.index import BundleIndex
from services.gateway.bundles.zip_stream import ZipStream
from services.gateway.masking import handed_on, without_credentials
from shared import bundle, twin
from shared.bundle import BundleManifest
from shared.document import Document
from shared.errors import RequestError, ShadowtwinError
from shared.image_index import ImageIndex
from shared.job import Job, to_document
from shared.manifest import Manifest
from shared.ports import DocumentStore, JobQuery, JobStore, Storage, VectorStore
from shared.shelf import SchemaShelf, Shelf
from shared.version import VERSION

LEFT_OUT = re.compile(r"(runs|passes|drawn)/.*|document-record\.json|source(-[0-9a-f]+)?\.pdf")
"""What lies in a document's folder and is no part of its twin, or has a member of its own."""
LOG_PAGE = 1000


class Bundles:
    """Makes bundles over the stores that the caller's key reaches."""

    def __init__(
        self,
        jobs: JobStore,
        documents: DocumentStore,
        storage: Storage,
        vectors: VectorStore,
        images: ImageIndex | None,
    ) -> None:
        self._jobs, self._documents, self._storage = jobs, documents, storage
        self._index = BundleIndex(vectors, images)
        self._shelf, self._schemas = Shelf(storage), SchemaShelf(storage)

    async def ready(self, job_id: str) -> tuple[Job, Document]:
        """The job and its document, when the stored twin is what this job left: the document's last job has made it.
        Raises RequestError not_found, job_open, conflict."""
        job = await self._jobs.get(job_id)
        document = await self._documents.get(job.document_id) if job is not None else None
        if job is None or document is None:
            raise RequestError("not_found", "There is no such job, or its document is gone.")
        page = await self._jobs.find(JobQuery(document_id=job.document_id, limit=20))
        if any(other.open for other in page.jobs):
            raise RequestError("job_open", "A job of this document is still open.", hint="Export when it has ended.")
        if job.parent_job_id:
            raise RequestError(
                "conflict", "This job went over another one's results.", hint=_instead(job.parent_job_id)
            )
        last = next((other for other in page.jobs if not other.parent_job_id), job)
        if last.job_id != job.job_id:
            raise RequestError("conflict", "The document was processed again since.", hint=_instead(last.job_id))
        return job, document

    async def stream(self, job: Job, document: Document, *, with_source: bool = True) -> AsyncIterator[bytes]:
        """The bundle's bytes, a piece at a time. Raises ShadowtwinError when the document changes meanwhile: what was
        sent so far is then no archive."""
        with contextlib.closing(ZipStream()) as archive:
            async for name, size, content in self._members(job, document, with_source=with_source):
                async for piece in archive.member(name, content, size):
                    yield piece
            now = await self._documents.get(document.document_id)
            if now is None or now.revision != document.revision:
                raise ShadowtwinError("artefact_changed", "The document has changed while it was exported.")
            manifest = BundleManifest(
                format=bundle.FORMAT,
                version=bundle.FORMAT_VERSION,
                made_by=VERSION,
                job_id=job.job_id,
                document_id=document.document_id,
                library_id=document.library_id,
                source_sha256=document.sha256,
                members=archive.members,
            )
            async for piece in archive.member(bundle.MANIFEST, _whole(_shown(manifest))):
                yield piece
            yield archive.end()

    async def _members(
        self, job: Job, document: Document, *, with_source: bool
    ) -> AsyncIterator[tuple[str, int, AsyncIterator[bytes]]]:
        """Name, size if it may be large, and content of every member, always in the same order."""
        yield bundle.JOB, 0, _whole(_shown(handed_on(job)))
        yield bundle.LOG, 0, self._log(job)
        yield bundle.DOCUMENT, 0, _whole(_shown(without_credentials(to_document(document))))
        yield bundle.SETTINGS, 0, _whole(_shown(await self._settings(document)))
        async for name, text in self._texts(job):
            yield name, 0, _whole(text.encode())
        source = document.artefacts.get("source")
        if with_source and source is not None:
            yield bundle.SOURCE, source.size, self._storage.stream(source.key)
        home = twin.folder(document.library_id, document.document_id) + "/"
        names = sorted([key.removeprefix(home) async for key in self._storage.keys(home.rstrip("/"))])
        for name in names:
            if not LEFT_OUT.fullmatch(name):
                size = await self._storage.stat(home + name) or 0
                yield bundle.TWIN + name, size, self._storage.stream(home + name)
        for kind in self._index.kinds if document.generation else ():
            rows = self._index.rows(kind, document.document_id, document.generation)
            yield f"{bundle.INDEX}{kind}.jsonl", 0, rows

    async def _log(self, job: Job) -> AsyncIterator[bytes]:
        after = 0
        while entries := await self._jobs.logs(job.job_id, after, LOG_PAGE):
            yield b"".join(_line(without_credentials(entry)) for entry in entries)
            after = entries[-1]["seq"]

    async def _settings(self, document: Document) -> dict[str, Any]:
        """What each step's files were made with, as their manifests say; {} for files of before that was noted."""
        home = f"{twin.folder(document.library_id, document.document_id)}/manifests"
        found: dict[str, Any] = {}
        async for key in self._storage.keys(home):
            manifest = msgspec.json.decode(await self._storage.read(key), type=Manifest)
            found[key.removeprefix(f"{home}/").removesuffix(".json")] = manifest.made_with
        return dict(sorted(found.items()))

    async def _texts(self, job: Job) -> AsyncIterator[tuple[str, str]]:
        """The template and the schema that the job names, as they stand now; none for one that was removed since."""
        library, parameters = job.library_id, job.parameters
        try:
            template = await self._shelf.find(library, parameters.template)
            yield f"{bundle.TEMPLATES}{template.name}.md", template.text
            if parameters.records.schema:
                text = await self._schemas.text(library, parameters.records.schema)
                yield f"{bundle.SCHEMAS}{parameters.records.schema}.json", text
        except RequestError:
            return


def _instead(job_id: str) -> str:
    return f"Export the job {job_id}."


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _shown(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _line(entry: dict[str, Any]) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
