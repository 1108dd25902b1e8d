"""Deletion: a document goes with everything that was made of it, or not at all while work on it goes on.

A deletion is a job of the document without a worker. It holds the document's one slot, so that no other job can begin
meanwhile, and its outbox says that it is not finished: a gateway that dies in the middle is followed by any other,
which goes on from the beginning. Who is at it stands in the entry and changes by compare-and-swap. Its own row goes
last, so that afterwards no vector, object or row is left (checklist A4.4, A4.28).

What a worker writes that has not heard of the end of its attempt yet goes when that worker says that it has left it,
and once more after a while, for the case that it dies before it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from datetime import datetime, timedelta

from msgspec.structs import replace

from services.gateway.uploads.received import abandoned, place
from services.gateway.webhooks.recording import Recorder
from shared import twin
from shared.cursor import milliseconds
from shared.document import Document, DocumentStatus
from shared.edits import logged, new_steps
from shared.errors import RequestError, ShadowtwinError, TransientError
from shared.image_index import ImageIndex
from shared.job import DELETION, Correlation, Job, JobStatus, Options, OutboxEntry, Parameters, Source, StepName
from shared.ports import DocumentStore, JobQuery, JobStore, OpenJobExists, Storage, VectorStore

logger = logging.getLogger("deletion")

LEASE = timedelta(seconds=60)
"""How long one gateway is at a deletion before another may go on with it, unless it is known to be gone."""

MOST_SECONDS = 45.0
"""One turn of a deletion: ends before its lease does. What is left is done by the next turn."""

MOST_RACES = 50
PAGE = 200


class Deletion:
    """Deletes documents; `late` are the seconds after which late writers are looked for."""

    def __init__(
        self,
        jobs: JobStore,
        documents: DocumentStore,
        storage: Storage,
        vectors: VectorStore,
        recorder: Recorder,
        images: ImageIndex | None = None,
        late: tuple[float, ...] = (15.0, 120.0),
    ) -> None:
        self._jobs, self._documents, self._storage = jobs, documents, storage
        self._indexes: list[VectorStore | ImageIndex] = [vectors, *([images] if images else [])]
        self._late, self._place, self._recorder = late, place(), recorder

    async def delete(self, document: Document) -> bool:
        """Whether everything is gone; if not (a store is away), it goes on by itself. Raises OpenJobExists while a job
        of the document is open; then nothing has changed."""
        now = await self._jobs.now()
        job = self._held(deletion_job(document, now), now)
        try:
            await self._jobs.create(job)
        except OpenJobExists as other:
            former = await self._jobs.get(other.job_id)
            if former is None or former.operation != DELETION:
                raise
            return await self._again(former)
        return await self._turn(job)

    async def resume(self, job: Job) -> None:
        """Go on with a deletion that nobody is at (the relay calls this for what stands in an outbox)."""
        with contextlib.suppress(OpenJobExists):
            await self._again(job)

    async def forget(self, job_id: str) -> None:
        """Remove a job that was made for a document which was gone by then."""
        logger.warning("a job of a deleted document is removed", extra={"job": job_id})
        await self._jobs.delete([job_id])

    async def clean_late(self, library: str, document_id: str, folder: str) -> bool:
        """Remove what an attempt has written after its document was deleted; whether the document is gone."""
        if await self._documents.get(document_id) is not None:
            return False
        await self._storage.delete_prefix(folder)
        await self._unindex(document_id)
        logger.info("late writes removed", extra={"document": document_id, "library": library})
        return True

    async def _again(self, job: Job) -> bool:
        """Another turn, if nobody is at it; the swap decides who takes it."""
        now = await self._jobs.now()
        holder, until = job.outbox[0].data["by"], job.outbox[0].data["until"]
        if until > milliseconds(now) and (holder == self._place or not abandoned(holder)):
            return False
        mine = self._held(job, now)
        return await self._jobs.swap(job, mine) and await self._turn(mine)

    def _held(self, job: Job, now: datetime) -> Job:
        data = {**job.outbox[0].data, "by": self._place, "until": milliseconds(now + LEASE)}
        return replace(job, outbox=[replace(job.outbox[0], data=data)])

    async def _turn(self, job: Job) -> bool:
        """Everything from the beginning; each step may be repeated."""
        try:
            async with asyncio.timeout(MOST_SECONDS):
                await self._remove(job)
        except (TransientError, TimeoutError, OSError) as error:
            logger.warning("deletion waits", extra={"document": job.document_id, "reason": str(error)})
            return False
        for seconds in self._late:
            asyncio.get_running_loop().call_later(seconds, self._look, job)
        return True

    async def _remove(self, job: Job) -> None:
        at_it = await self._mark(job)
        if at_it is not None:
            await self._jobs.delete([job.job_id])
            raise OpenJobExists(at_it)
        await self._unindex(job.document_id)
        await self._storage.delete_prefix(twin.folder(job.library_id, job.document_id))
        await self._documents.delete(job.document_id)
        while rows := await self._others(JobQuery(document_id=job.document_id, limit=PAGE), job):
            for other in rows:
                await self._recorder.job(other)
            await self._jobs.delete([other.job_id for other in rows])
        await self._recorder.deleted(job)
        await self._jobs.delete([job.job_id])
        logger.info("document deleted", extra={"document": job.document_id, "library": job.library_id})

    async def _unindex(self, document_id: str) -> None:
        for index in self._indexes:
            await index.delete_document(document_id)

    async def _mark(self, job: Job) -> str | None:
        """Set the record aside for deletion; or leave it as before, when a quality pass is still at it, and name that.
        The mark comes before the look, and a pass is made before its own look at the mark: one of both sees the other.
        """
        await self._put(job, DocumentStatus.DELETING)
        for status in (JobStatus.QUEUED, JobStatus.RUNNING):
            found = await self._others(JobQuery(document_id=job.document_id, status=status, limit=PAGE), job)
            if found:
                await self._put(job, DocumentStatus(job.outbox[0].data["status"]))
                return found[0].job_id
        return None

    async def _put(self, job: Job, status: DocumentStatus) -> None:
        for _ in range(MOST_RACES):
            document = await self._documents.get(job.document_id)
            if document is None or document.status == status:
                return
            if await self._documents.put(replace(document, status=status)):
                return
        raise TransientError("unavailable", "The document record is changed too often at the moment.")

    async def _others(self, query: JobQuery, job: Job) -> list[Job]:
        page = await self._jobs.find(query)
        return [other for other in page.jobs if other.job_id != job.job_id]

    def _look(self, job: Job) -> None:
        task = asyncio.ensure_future(self._look_again(job))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _look_again(self, job: Job) -> None:
        """A worker may have died between a late write and saying that it has left."""
        try:
            for step in (StepName.EXTRACT, StepName.QUALITY):
                folder = twin.runs_folder(job.library_id, job.document_id, step)
                await self.clean_late(job.library_id, job.document_id, folder)
        except (ShadowtwinError, OSError):
            logger.warning("late writes could not be looked for", exc_info=True)


def deletion_job(document: Document, now: datetime) -> Job:
    """The deletion of a document; whose hands it is in is not said yet."""
    job_id = str(uuid.uuid4())
    correlation = Correlation(
        job_id=job_id,
        library_id=document.library_id,
        source=Source(name=document.name, item_id=document.item_id),
        options=Options(),
    )
    job = Job(
        job_id=job_id,
        operation=DELETION,
        library_id=document.library_id,
        correlation=correlation,
        created_at=now,
        updated_at=now,
        parameters=Parameters(),
        steps=new_steps(),
        status=JobStatus.RUNNING,
        process_id=str(uuid.uuid4()),
        document_id=document.document_id,
        admitted_at=now,
    )
    status = document.status if document.status != DocumentStatus.DELETING else DocumentStatus.ERROR
    entry = OutboxEntry(event_id=f"{job_id}:delete", kind=DELETION, at=now, data={"status": str(status)})
    return replace(logged(job, now, {"phase": "delete_requested", "message": document.name}), outbox=[entry])


def refuse_deleting(document: Document) -> None:
    """Raise RequestError document_deleting for a document that is being deleted."""
    if document.status == DocumentStatus.DELETING:
        raise RequestError("document_deleting")
