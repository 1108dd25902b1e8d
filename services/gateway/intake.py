"""Intake: an upload becomes a verified object, a document and a job; nothing accepted is lost or left half done."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator

from msgspec.structs import replace

from services.gateway.accepted import Accepted, answer_to, repeated
from services.gateway.admission import Admission
from services.gateway.creation import JobRequest, new_job, request_fingerprint
from services.gateway.deletion import refuse_deleting
from services.gateway.orchestrator import Orchestrator
from services.gateway.planning import Plan, Planner
from services.gateway.telemetry import counters, job_changes
from services.gateway.uploads import unfinished
from services.gateway.uploads.quota import Quota
from services.gateway.uploads.receiving import Incoming, Receiver
from services.gateway.webhooks.recording import Recorder
from shared import twin
from shared.document import Document, DocumentStatus, document_id_for
from shared.errors import RequestError, ShadowtwinError, TransientError
from shared.job import DELETION, Artefact, JobStatus, Policy
from shared.ports import DocumentStore, IdempotencyKeyTaken, JobQuery, JobStore, OpenJobExists, Storage
from shared.reading import digest

logger = logging.getLogger("intake")

MOST_RACES = 50
SMALL_BYTES = 4 << 20


class Intake:
    """Uploads and job creation."""

    def __init__(
        self,
        jobs: JobStore,
        documents: DocumentStore,
        storage: Storage,
        orchestrator: Orchestrator,
        admission: Admission,
        planner: Planner,
        max_bytes: int,
        quota: Quota,
        recorder: Recorder,
    ) -> None:
        self._jobs, self._documents, self._storage = jobs, documents, storage
        self._orchestrator, self._admission, self._planner = orchestrator, admission, planner
        self.receiver, self.quota, self._recorder = Receiver(storage, max_bytes), quota, recorder

    async def upload(self, name: str, content: AsyncIterator[bytes] | Incoming, request: JobRequest) -> Accepted:
        """Take a PDF and start its job. Raises RequestError/DocumentError; then no object and no record remains."""
        library = twin.library_id(request.library_id)
        self._admission.check_room()
        incoming = content if isinstance(content, Incoming) else await self.receiver.take(content)
        try:
            return await self._admit(twin.display_name(name), library, await incoming.finish(), request)
        finally:
            await incoming.discard()

    def check_room(self) -> None:
        """Raise QueueFull when no further job can be taken now."""
        self._admission.check_room()

    async def take_over(self, name: str, received: Artefact, request: JobRequest) -> Accepted:
        """As `upload`, of a file that lies in storage already and was read; it stays where it is."""
        return await self._admit(twin.display_name(name), twin.library_id(request.library_id), received, request)

    async def sweep_uploads(self) -> None:
        """Remove what gateways that are gone have received and not finished."""
        await unfinished.sweep(self._storage, self._documents, self.receiver.place)

    async def again(self, request: JobRequest) -> Accepted:
        """Process a document that is stored already."""
        document = await self._documents.get(request.document_id)
        if document is None or document.library_id != request.library_id:
            raise RequestError("not_found", "There is no such document in this library.")
        await self._check_stored(document)
        return await self._start(document, request)

    async def retry(self, library: str, sha256: str) -> Accepted:
        """Queue a stored document again, whatever its gates say about it; its phases still respect theirs."""
        document = await self._documents.by_hash(library, sha256)
        if document is None:
            raise RequestError("not_found", "There is no document with this hash in this library.")
        await self._check_stored(document)
        request = JobRequest(library_id=library, document_id=document.document_id)
        return await self._queue(document, request, request_fingerprint(request.parameters))

    async def _check_stored(self, document: Document) -> None:
        source = document.artefacts.get("source")
        if source is None or await self._storage.stat(source.key) is None:
            raise RequestError("not_found", "The document's file is no longer stored; upload it again.")

    async def _admit(self, name: str, library: str, received: Artefact, request: JobRequest) -> Accepted:
        """The document of the upload, whoever else uploads at the same time; then its job."""
        item_id = request.item_id or received.sha256
        document_id = document_id_for(library, item_id)
        for _ in range(MOST_RACES):
            known = await self._documents.get(document_id) or (
                None if request.item_id else await self._documents.by_hash(library, received.sha256)
            )
            if known is not None and known.status == DocumentStatus.DELETING:
                await self._storage.delete(f"{twin.folder(library, known.document_id)}/source.pdf")  # if it was kept
                refuse_deleting(known)
            if known is None:
                document = await self._new_document(name, library, item_id, received)
            elif known.sha256 == received.sha256:
                document = await self._known_again(known, name, received)
            else:
                document = await self._new_version(known, name, received)
            if document is not None:
                accepted = await self._start(document, request)
                counters.uploaded("existing" if accepted.existing else accepted.status)
                return accepted
        raise TransientError("unavailable", "The document is changed by too many requests at the moment.")

    async def _start(self, document: Document, request: JobRequest) -> Accepted:
        if request.idempotency_key is not None:
            made = await self._jobs.by_key(document.library_id, request.idempotency_key)
            if made is not None:
                return repeated(document, request, made)
        asked = request_fingerprint(request.parameters)
        if await self._all_gates_skip(document, request, asked):
            return answer_to(document, "skipped")
        return await self._queue(document, request, asked)

    async def _queue(self, document: Document, request: JobRequest, asked: str) -> Accepted:
        refuse_deleting(document)
        now = await self._jobs.now()
        planned = document.made_from.get("request") != asked or "transcript" not in document.artefacts
        planned = planned or request.parameters.policies.extract == Policy.FORCE or _reads_anew(request)
        admitted = self._admission.take_slot(document.library_id)
        job = new_job(document, request, now, extract_planned=planned, admitted=admitted)
        try:
            await self._jobs.create(job)
        except OpenJobExists as existing:
            self._admission.notice()
            other = await self._jobs.get(existing.job_id)
            if other is not None and other.operation == DELETION:
                raise RequestError("document_deleting") from existing
            return answer_to(document, "running", existing.job_id, existing=True)
        except IdempotencyKeyTaken as taken:
            self._admission.notice()
            made = await self._jobs.get(taken.job_id)
            if made is None:
                raise TransientError("unavailable", "The job with this key has just been deleted.") from taken
            return repeated(document, request, made)
        job_changes.created(job)
        self._orchestrator.wake(job.job_id)
        if document.status == DocumentStatus.ERROR:
            # Lost to another writer it is that one who knows the document's state.
            await self._documents.put(replace(document, status=DocumentStatus.PENDING, error=""))
        return answer_to(document, str(JobStatus.QUEUED), job.job_id)

    async def _all_gates_skip(self, document: Document, request: JobRequest, asked: str) -> bool:
        """Whether a job would do nothing. If a service does not answer, what was asked last time decides."""
        policies = request.parameters.policies
        forced = Policy.FORCE in (policies.extract, policies.metadata, policies.ingest) or _reads_anew(request)
        if forced or document.status != DocumentStatus.PROCESSED or document.chunk_count < 1:
            return False
        plan = await self._planner.plan(document, document.name, request.parameters)
        return not plan.runs if plan.known else document.made_from.get("request") == asked

    async def plan(self, name: str, content: AsyncIterator[bytes] | Incoming | None, request: JobRequest) -> Plan:
        """What a job would do with this upload, or with the stored document that the request names; keeps nothing."""
        if content is None:
            document = await self._documents.get(request.document_id)
            if document is None or document.library_id != request.library_id:
                raise RequestError("not_found", "There is no such document in this library.")
            return await self._planner.plan(document, document.name, request.parameters)
        incoming = content if isinstance(content, Incoming) else await self.receiver.take(content)
        try:
            sha256, library = (await incoming.finish()).sha256, twin.library_id(request.library_id)
        finally:
            await incoming.discard()
        known = await self._documents.get(document_id_for(library, request.item_id or sha256))
        if known is None and not request.item_id:
            known = await self._documents.by_hash(library, sha256)
        if known is not None and known.sha256 != sha256:
            known = replace(known, sha256=sha256)
        return await self._planner.plan(known, twin.display_name(name), request.parameters)

    async def _new_document(self, name: str, library: str, item_id: str, received: Artefact) -> Document | None:
        document_id = document_id_for(library, item_id)
        await self.quota.check(library, received.size)
        source = await self._keep(library, document_id, received)
        now = await self._jobs.now()
        document = Document(
            document_id=document_id,
            library_id=library,
            item_id=item_id,
            sha256=received.sha256,
            name=name,
            size=received.size,
            created_at=now,
            updated_at=now,
            artefacts={"source": source},
        )
        return await self._put_uploaded(document)

    async def _known_again(self, known: Document, name: str, received: Artefact) -> Document | None:
        source = known.artefacts.get("source")
        aliases = known.aliases if name in (known.name, *known.aliases) else [*known.aliases, name]
        if source is None or await self._storage.stat(source.key) != received.size:
            source = await self._keep(known.library_id, known.document_id, received)
        if known.status == DocumentStatus.DELETED:
            known = replace(known, status=DocumentStatus.PENDING, error="")  # its file is here again
        elif aliases == known.aliases and source == known.artefacts.get("source"):
            return known
        return await self._put(replace(known, aliases=aliases, artefacts={**known.artefacts, "source": source}))

    async def _new_version(self, known: Document, name: str, received: Artefact) -> Document | None:
        """Changed bytes under the same itemId; refused while a job reads the old ones."""
        page = await self._jobs.find(JobQuery(document_id=known.document_id, limit=5))
        if any(job.open for job in page.jobs):
            raise RequestError("job_open", "A job of this document is still open; its file cannot change now.")
        # beside the old bytes, so that the record's swap changes file and hash at once
        beside = f"source-{received.sha256[:12]}.pdf"
        source = await self._keep(known.library_id, known.document_id, received, beside)
        changed = replace(
            known,
            sha256=received.sha256,
            name=name,
            size=received.size,
            status=DocumentStatus.PENDING,
            artefacts={**known.artefacts, "source": source},
        )
        stored = await self._put_uploaded(changed)
        former = known.artefacts.get("source")
        if stored is not None and former is not None and former.key != source.key:
            await self._storage.delete(former.key)
        return stored

    async def _keep(self, library: str, document_id: str, received: Artefact, name: str = "source.pdf") -> Artefact:
        """The upload under the document's stable name, read back whole before it counts as uploaded."""
        key = f"{twin.folder(library, document_id)}/{name}"
        await self._storage.copy(received.key, key)
        if await self._digest(key, received.size) != received.sha256:
            await self._storage.delete(key)
            raise ShadowtwinError("storage_write_failed", "The upload could not be read back as it was sent.")
        return replace(received, key=key)

    async def _digest(self, key: str, size: int) -> str:
        """SHA-256 of what is stored there now; small files in one piece."""
        if size <= SMALL_BYTES:
            return hashlib.sha256(await self._storage.read(key)).hexdigest()
        return await digest(self._storage, key)

    async def _put_uploaded(self, document: Document) -> Document | None:
        """The record of bytes that are new here; webhooks are told of it before, so that no crash loses it."""
        recorded = await self._recorder.upload(document)
        stored = await self._put(document)
        await self._recorder.uploaded(recorded, stored is not None)
        return stored

    async def _put(self, document: Document) -> Document | None:
        """The record as stored, None when another request was first."""
        stored = await self._documents.put(document)
        return replace(document, revision=document.revision + 1) if stored else None


def _reads_anew(request: JobRequest) -> bool:
    """Whether the transcript is made again although there is a current one: useCache is off."""
    p = request.parameters
    return not p.use_cache and p.phases.extract and p.policies.extract != Policy.IGNORE
