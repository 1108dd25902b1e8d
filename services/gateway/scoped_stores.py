"""The stores as the routes see them: what the request's key does not reach is not there (access.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from services.gateway import access
from shared.document import Document
from shared.job import Job
from shared.ports import DocumentStore, JobPage, JobQuery, JobStore, OpenJobs


class ScopedJobs:
    """`JobStore`; reading leaves out jobs of other libraries, writing is for those who have read."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    async def open(self) -> None:
        """See JobStore."""
        await self._jobs.open()

    async def close(self) -> None:
        """See JobStore."""
        await self._jobs.close()

    async def now(self) -> datetime:
        """See JobStore."""
        return await self._jobs.now()

    async def create(self, job: Job) -> None:
        """See JobStore."""
        await self._jobs.create(job)

    async def get(self, job_id: str) -> Job | None:
        """The job, if it may be seen."""
        job = await self._jobs.get(job_id)
        return job if job is not None and access.visible(job.library_id) else None

    async def swap(self, old: Job, new: Job) -> bool:
        """See JobStore."""
        return await self._jobs.swap(old, new)

    async def heartbeat(self, job_id: str, process_id: str, attempt: int) -> bool:
        """See JobStore."""
        return await self._jobs.heartbeat(job_id, process_id, attempt)

    async def find(self, query: JobQuery) -> JobPage:
        """A page of what may be seen; with a key of several libraries it may hold less than was asked for."""
        page = await self._jobs.find(_narrowed(query))
        return JobPage([job for job in page.jobs if access.visible(job.library_id)], page.cursor)

    async def counts(self, query: JobQuery) -> dict[str, int]:
        """Of what may be seen."""
        libraries = access.bound()
        if libraries is None or query.library_id is not None:
            return await self._jobs.counts(_narrowed(query))
        total: Counter[str] = Counter()
        for library in libraries:
            total.update(await self._jobs.counts(replace(query, library_id=library)))
        return dict(total)

    async def waiting(self, per_library: int) -> list[Job]:
        """Of what may be seen."""
        return [job for job in await self._jobs.waiting(per_library) if access.visible(job.library_id)]

    async def admitted(self) -> dict[str, int]:
        """Of what may be seen."""
        return {name: count for name, count in (await self._jobs.admitted()).items() if access.visible(name)}

    async def open_jobs(self) -> list[OpenJobs]:
        """Of what may be seen."""
        return [row for row in await self._jobs.open_jobs() if access.visible(row.library_id)]

    async def by_key(self, library_id: str, idempotency_key: str) -> Job | None:
        """See JobStore."""
        return await self._jobs.by_key(library_id, idempotency_key) if access.visible(library_id) else None

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Of a job that may be seen."""
        if access.bound() is not None and await self.get(job_id) is None:
            return []
        return await self._jobs.logs(job_id, after, limit)

    async def due(self, *, heartbeat_before: datetime, outbox_before: datetime, limit: int = 100) -> list[Job]:
        """See JobStore."""
        return await self._jobs.due(heartbeat_before=heartbeat_before, outbox_before=outbox_before, limit=limit)

    async def delete(self, job_ids: Sequence[str]) -> None:
        """See JobStore."""
        await self._jobs.delete(job_ids)


class ScopedDocuments:
    """`DocumentStore`; reading leaves out documents of other libraries."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def get(self, document_id: str) -> Document | None:
        """The document, if it may be seen."""
        return _seen(await self._documents.get(document_id))

    async def by_hash(self, library_id: str, sha256: str) -> Document | None:
        """The document, if it may be seen."""
        return _seen(await self._documents.by_hash(library_id, sha256))

    async def put(self, document: Document) -> bool:
        """See DocumentStore."""
        return await self._documents.put(document)

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """A page of what may be seen; with a key of several libraries it may hold less than was asked for."""
        page, following = await self._documents.find(
            _narrowed(JobQuery(library_id=library_id)).library_id, cursor, limit
        )
        return [document for document in page if access.visible(document.library_id)], following

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those that exist and may be seen."""
        found = await self._documents.many(document_ids)
        return {name: document for name, document in found.items() if access.visible(document.library_id)}

    async def delete(self, document_id: str) -> None:
        """See DocumentStore."""
        await self._documents.delete(document_id)


def _narrowed(query: JobQuery) -> JobQuery:
    """The query within the key's only library, where it has one."""
    libraries = access.bound()
    if query.library_id is not None:
        if libraries is not None:
            access.library_id(query.library_id)
        return query
    return replace(query, library_id=libraries[0]) if libraries is not None and len(libraries) == 1 else query


def _seen(document: Document | None) -> Document | None:
    return document if document is not None and access.visible(document.library_id) else None
