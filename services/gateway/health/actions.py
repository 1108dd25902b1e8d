"""The repairs themselves. Each is given what was seen a moment ago, and changes the record by compare-and-swap only.

Whoever changes the document in between wins: the swap then fails, and the repair is skipped.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from services.gateway.creation import JobRequest
from services.gateway.health import links
from services.gateway.health.facts import Examined, Examiner
from services.gateway.health.finding import matches, size_of
from services.gateway.health.rules import FILE_ERRORS, State
from services.gateway.health.steps import Repair, RepairRequest, parameters_for
from services.gateway.intake import Intake
from services.gateway.orchestrator import Orchestrator
from services.gateway.uploads.direct_uploads import DirectUploads
from shared import twin
from shared.document import HISTORY_KEPT, Document, DocumentStatus
from shared.errors import RequestError
from shared.job import Artefact, utc_now
from shared.ports import DocumentStore, JobStore, Storage, VectorStore

logger = logging.getLogger("repair")
MOST_RACES = 20
REUPLOAD_SECONDS = 24 * 3600
MARKED = "File not found in storage - marked as deleted"


class Outcome(NamedTuple):
    """How a repair ended: done | skipped | failed."""

    status: str
    detail: str = ""
    job_id: str | None = None
    upload_id: str = ""
    upload_url: str = ""


class Actions:
    """Does one repair to one document."""

    def __init__(
        self,
        documents: DocumentStore,
        jobs: JobStore,
        storage: Storage,
        indexes: list[VectorStore],
        examiner: Examiner,
        intake: Intake,
        orchestrator: Orchestrator,
        direct: DirectUploads,
    ) -> None:
        self._documents, self._jobs, self._storage = documents, jobs, storage
        self._indexes, self._examiner = indexes, examiner
        self._intake, self._orchestrator, self._direct = intake, orchestrator, direct
        self._by_repair: dict[Repair, Callable[[Examined, RepairRequest, str], Awaitable[Outcome]]] = {
            Repair.FIX_KEY: self._fix_key,
            Repair.SET_KEY: self._set_key,
            Repair.MARK_DELETED: self._mark_deleted,
            Repair.DELETE_CHUNKS: self._delete_chunks,
            Repair.REPROCESS: self._reprocess,
            Repair.TRIGGER: self._trigger,
            Repair.LINK_IMAGES: self._link_images,
            Repair.REUPLOAD: self._reupload,
        }

    async def do(self, step: Repair, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        """The repair, whose preconditions `seen` fulfils; no document is touched while a job is at it."""
        job = await self._examiner.open_job(seen.document.document_id)
        if job is not None and step != Repair.TRIGGER:
            return Outcome("skipped", f"{job.job_id} is at it")
        outcome = await self._by_repair[step](seen, request, batch_id)
        logger.info(
            "repair",
            extra={"document": seen.document.document_id, "action": str(step), "outcome": outcome.status},
        )
        return outcome

    async def put_picture_back(self, document: Document, name: str, content: bytes) -> bool:
        """Store a missing picture (see `links.put_back`); the history counts those of one backfill in one entry. Raises
        RequestError job_open while a job may make pictures of the same name."""
        if await self._examiner.open_job(document.document_id) is not None:
            raise RequestError("job_open")
        written = await links.put_back(document, self._storage, name, content)
        for _ in range(MOST_RACES if written else 0):
            now = await self._documents.get(document.document_id)
            if now is None or await self._documents.put(_with_picture(now)):
                break
        return written

    async def _fix_key(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        assert seen.found is not None
        return await self._point_to(seen, seen.found.key, Repair.FIX_KEY)

    async def _set_key(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        return await self._point_to(seen, request.set_key, Repair.SET_KEY)

    async def _point_to(self, seen: Examined, key: str, step: Repair) -> Outcome:
        """The record names where the file is. One outside the document's folder is copied into it, so that the
        document owns its file; the original stays."""
        document = seen.document
        if not await matches(self._storage, key, document):
            return Outcome("skipped", f"{key} does not hold this document's bytes")
        home = twin.folder(document.library_id, document.document_id)
        target = key
        if not key.startswith(f"{home}/"):
            target = f"{home}/source.pdf"
            if await size_of(self._storage, target) is not None:
                target = f"{home}/source-{document.sha256[:12]}.pdf"
            await self._storage.copy(key, target)
            if not await matches(self._storage, target, document):
                return Outcome("failed", f"the copy of {key} could not be read back")
        source = Artefact(key=target, sha256=document.sha256, size=document.size)
        former = document.artefacts.get("source")
        changed = replace(document, artefacts={**document.artefacts, "source": source})
        if document.status == DocumentStatus.DELETED or any(text in document.error for text in FILE_ERRORS):
            status = DocumentStatus.PROCESSED if document.generation else DocumentStatus.PENDING
            changed = replace(changed, status=status, error="")
        detail = f"{former.key if former else 'no key'} -> {target}"
        return await self._swap(seen, changed, step, detail)

    async def _mark_deleted(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        changed = replace(seen.document, status=DocumentStatus.DELETED, error=MARKED)
        return await self._swap(seen, changed, Repair.MARK_DELETED, MARKED)

    async def _delete_chunks(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        """First the record lets go of the rows, then they go: who dies in between leaves orphans again, never a record
        that promises what is not there. The look for a job comes after the swap, so that an upload that has won
        against it is seen."""
        made = {name: value for name, value in seen.document.made_from.items() if name != "ingest"}
        changed = replace(seen.document, generation="", chunk_count=0, chapters_count=0, made_from=made)
        outcome = await self._swap(seen, changed, Repair.DELETE_CHUNKS, f"{seen.facts.chunk_count} rows deleted")
        if outcome.status == "done":
            if await self._examiner.open_job(seen.document.document_id) is not None:
                return Outcome("skipped", "a job has begun meanwhile")
            for index in self._indexes:
                await index.delete_document(seen.document.document_id)
        return outcome

    async def _reprocess(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        return await self._new_job(seen, batch_id, Repair.REPROCESS)

    async def _trigger(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        job = await self._examiner.open_job(seen.document.document_id)
        if job is None:
            return await self._new_job(seen, batch_id, Repair.TRIGGER)
        self._orchestrator.tell_now(job.job_id)
        await self._note(seen, Repair.TRIGGER, "its job's events were told again", jobId=job.job_id)
        return Outcome("done", "its job's events were told again", job.job_id)

    async def _new_job(self, seen: Examined, batch_id: str, step: Repair) -> Outcome:
        accepted = await self._intake.again(await self._request(seen, batch_id))
        if accepted.existing or accepted.job_id is None:
            return Outcome("skipped", f"{accepted.job_id or 'its gates'}: nothing was started", accepted.job_id)
        await self._note(seen, step, "a job was started", jobId=accepted.job_id)
        return Outcome("done", "a job was started", accepted.job_id)

    async def _request(self, seen: Examined, batch_id: str) -> JobRequest:
        """A job that makes good what is missing, with the parameters of the document's last one."""
        document = seen.document
        last = await self._jobs.get(document.last_job_id) if document.last_job_id else None
        return JobRequest(
            library_id=document.library_id,
            document_id=document.document_id,
            item_id=document.item_id,
            batch_id=batch_id,
            batch_name="repair",
            parameters=parameters_for(document, seen.facts, last.parameters if last else None),
        )

    async def _reupload(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        """An announced upload of exactly the recorded bytes; the address itself stands in no record and no log."""
        document = seen.document
        if not document.size or not document.sha256:
            return Outcome("skipped", "neither size nor hash of its file are known: upload it as a new one")
        job = await self._request(seen, batch_id)
        what = (document.name, document.size, document.sha256, job)
        upload = await self._direct.begin(*what, seconds=REUPLOAD_SECONDS, parts=False)
        said = f"expected by {upload.expires_at.isoformat(timespec='seconds')}"
        await self._note(seen, Repair.REUPLOAD, said, uploadId=upload.upload_id)
        url = "" if upload.part_size else (await self._direct.addresses(upload, [0]))[0]
        return Outcome("done", said, upload_id=upload.upload_id, upload_url=url)

    async def _link_images(self, seen: Examined, request: RepairRequest, batch_id: str) -> Outcome:
        document = seen.document
        pointed = await links.with_listing(document, self._storage)
        written = 0
        for index in self._indexes:
            written += await links.write_keys(pointed, self._storage, index)
        if written == 0 and pointed is document:
            return Outcome("skipped", "no key can be written: the pictures are not stored")
        said = f"{written} keys written" + ("" if pointed is document else ", list of pictures found again")
        outcome = await self._swap(seen, pointed, Repair.LINK_IMAGES, said)
        now = await self._documents.get(document.document_id)
        if now is not None and now.generation != document.generation:
            for index in self._indexes:  # rows of a generation that went away meanwhile must not come back
                await index.tidy(document.document_id, [document.generation])
        return outcome

    async def _swap(self, seen: Examined, changed: Document, step: Repair, detail: str) -> Outcome:
        """Store what was changed of the record as it was seen."""
        stored = await self._documents.put(with_history(changed, step, seen, detail))
        return Outcome("done", detail) if stored else Outcome("skipped", "the document has just been changed")

    async def _note(self, seen: Examined, step: Repair, detail: str, **more: Any) -> None:
        """Only the history; the job itself is the truth, so a lost race is tried again and then left."""
        for _ in range(MOST_RACES):
            document = await self._documents.get(seen.document.document_id)
            if document is None:
                return
            if await self._documents.put(with_history(document, step, seen, detail, **more)):
                return


def with_history(document: Document, step: str, seen: Examined, detail: str, **more: Any) -> Document:
    """The record with one more entry of its history."""
    return _with_entry(document, {"action": str(step), "state": str(seen.judgement.state), "detail": detail, **more})


def _with_picture(document: Document) -> Document:
    """One more picture put back: counted in the newest entry if that is one of pictures."""
    last = document.history[-1] if document.history else {}
    count = int(last.get("pictures", 0)) + 1 if last.get("action") == Repair.BACKFILL else 1
    entry = {
        "action": str(Repair.BACKFILL),
        "state": str(State.MISSING_LINKS),
        "detail": f"{count} pictures put back",
        "pictures": count,
    }
    return _with_entry(replace(document, history=document.history[:-1] if count > 1 else document.history), entry)


def _with_entry(document: Document, entry: dict[str, Any]) -> Document:
    now = utc_now()
    entry = {"at": now.isoformat(timespec="milliseconds"), **entry}
    return replace(document, updated_at=now, history=[*document.history, entry][-HISTORY_KEPT:])
