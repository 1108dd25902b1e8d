"""Delivery: what a settled step left in its attempt's folder becomes the document's published twin.

Every delivery may be repeated: copies replace equal copies, the document record is swapped by revision, and the
doc-meta vector's counters never go back. Only after it does the next phase hear of the step.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway import quality
from services.gateway.creation import request_fingerprint
from services.gateway.delivered import IMAGE_EMBEDDER, by, doc_row, with_generation, with_twin
from shared import twin
from shared.commands import Delivered
from shared.document import Document, DocumentStatus
from shared.errors import ShadowtwinError, TransientError
from shared.image_index import ImageIndex
from shared.job import QUALITY_PASS, Artefact, Ingestion, Job, OutboxEntry, StepName, utc_now
from shared.manifest import File, Manifest
from shared.ports import DocumentStore, JobStore, Storage, VectorStore

logger = logging.getLogger("delivery")

MOST_RACES = 50


class Superseded(Exception):
    """What was to be delivered has been delivered, or its run is over."""


class Delivery:
    """Publishes twins, moves the document record's pointers and keeps the doc-meta vector."""

    def __init__(
        self,
        jobs: JobStore,
        documents: DocumentStore,
        storage: Storage,
        vectors: VectorStore,
        dimension: int,
        images: ImageIndex | None = None,
    ) -> None:
        self._jobs, self._documents, self._storage, self._vectors = jobs, documents, storage, vectors
        self._dimension, self._images = dimension, images

    async def deliver(self, job: Job, entry: OutboxEntry) -> Delivered:
        """Publish the step's files and facts; the command that closes the outbox entry."""
        step = StepName(entry.data["step"])
        if step == StepName.INGEST and job.step(step).skipped:
            return await self._close_skipped(job, entry)
        manifest = await self._manifest(job, step)
        await self._check_current(job, entry)
        home = twin.folder(job.library_id, job.document_id)
        if step == StepName.QUALITY:
            return await self._improve(job, entry, await self._publish(home, manifest))
        gone = await self._gone(home, step, manifest)
        saved = await self._publish(home, manifest)
        facts = entry.data
        if step == StepName.INGEST:
            delivered = await self._finish(job, entry, saved, frozenset(file.role for file in gone) - saved.keys())
            await self._drop(home, step, gone, manifest)
            return delivered
        roles = frozenset(file.role for file in gone) - saved.keys()
        kept = frozenset(file.role for file in manifest.files if file.key == f"{home}/{file.name}")
        document = await self._record(job, entry, lambda old: with_twin(old, step, saved, roles, facts, kept))
        await self._drop(home, step, gone, manifest)
        await self._put_row(document, insert_only=True)
        main = saved["transcript" if step == StepName.EXTRACT else "transformation"]
        stored = "stored_path" if step == StepName.EXTRACT else "stored_local"
        entries = [
            {"phase": stored, "message": main.key, "bytes": main.size, "sha256": main.sha256},
            {"phase": "doc_meta_upsert", "message": "doc meta present", "chunkCount": document.chunk_count},
        ]
        keys = [main.key, *(artefact.key for artefact in saved.values() if artefact.key != main.key)]
        return Delivered(process_id=job.process_id, step=step, event_id=entry.event_id, entries=entries, saved=keys)

    async def mark_failed(self, job: Job) -> None:
        """The document shows its last job's failure; what an earlier run made stays searchable. A job made later
        decides alone, and a document that was deleted has nothing to show; nor has a quality pass."""
        if job.operation == QUALITY_PASS:
            return
        said = f"{job.error.code}: {job.error.message}" if job.error else "failed"
        for _ in range(MOST_RACES):
            document = await self._documents.get(job.document_id)
            if document is None or (document.last_job_at and document.last_job_at > job.created_at):
                return
            if document.status == DocumentStatus.DELETING:
                return
            failed = replace(document, status=DocumentStatus.ERROR, error=said)
            if await self._documents.put(by(job, failed)):
                return
        raise TransientError("unavailable", "The document record is changed too often at the moment.")

    async def clean(self, job: Job) -> None:
        """Remove the attempts' folders, of this run and of any before; the twin holds everything that counts."""
        try:
            await self._storage.delete_prefix(twin.runs_folder(job.library_id, job.document_id, job.steps[0].name))
        except (ShadowtwinError, OSError):
            logger.warning("attempt folders are left behind", exc_info=True)

    async def _manifest(self, job: Job, step: StepName) -> Manifest:
        artefact = job.outputs[step]["manifest"]
        content = await self._storage.read(artefact.key)
        if hashlib.sha256(content).hexdigest() != artefact.sha256:
            raise ShadowtwinError("artefact_changed", "The attempt's manifest does not match its report.")
        return msgspec.json.decode(content, type=Manifest)

    async def _publish(self, home: str, manifest: Manifest) -> dict[str, Artefact]:
        """Copy every file to its stable name and read the twin back: the artefacts by role. What lies under its
        stable name already is kept."""
        saved: dict[str, Artefact] = {}
        for file in manifest.files:
            target = f"{home}/{file.name}"
            if file.key != target:
                await self._storage.copy(file.key, target)
            if await self._storage.stat(target) != file.size:
                raise ShadowtwinError("storage_write_failed", f"{file.name} is not stored as it was written.")
            if file.role:
                saved[file.role] = Artefact(key=target, sha256=file.sha256, size=file.size)
        await self._read_back(saved)
        return saved

    async def _read_back(self, saved: dict[str, Artefact]) -> None:
        for role in ("transcript", "transformation"):
            if role in saved:
                content = await self._storage.read(saved[role].key)
                if not content.strip() or hashlib.sha256(content).hexdigest() != saved[role].sha256:
                    raise ShadowtwinError("storage_write_failed", f"The {role} cannot be read back as written.")

    async def _gone(self, home: str, step: StepName, manifest: Manifest) -> list[File]:
        """The files that only the former version of this step's results had."""
        key = f"{home}/manifests/{step}.json"
        if await self._storage.stat(key) is None:
            return []
        former = msgspec.json.decode(await self._storage.read(key), type=Manifest)
        kept = {file.name for file in manifest.files}
        return [file for file in former.files if file.name not in kept]

    async def _drop(self, home: str, step: StepName, gone: list[File], manifest: Manifest) -> None:
        """Remove them, after the record has let go of them. The stable manifest is replaced last, so that a crash
        before repeats all of it."""
        for file in gone:
            await self._storage.delete(f"{home}/{file.name}")
        await self._storage.write(f"{home}/manifests/{step}.json", msgspec.json.encode(manifest))

    async def _check_current(self, job: Job, entry: OutboxEntry) -> None:
        """Raise Superseded unless the store still holds this outbox entry: a gateway that was frozen, and thaws after
        another one has delivered, must not publish old files or move pointers back."""
        stored = await self._jobs.get(job.job_id)
        if stored is None or all(waiting.event_id != entry.event_id for waiting in stored.outbox):
            raise Superseded

    async def _record(self, job: Job, entry: OutboxEntry, change: Callable[[Document], Document]) -> Document:
        """Swap the document record. The entry is checked after the record was read: whatever delivers later changes
        the record's revision, and this swap then fails."""
        for _ in range(MOST_RACES):
            document = await self._documents.get(job.document_id)
            if document is None:
                raise ShadowtwinError("not_found", "The document was deleted while its job ran.")
            await self._check_current(job, entry)
            changed = by(job, change(document))
            if await self._documents.put(changed):
                return replace(changed, revision=document.revision + 1)
        raise TransientError("unavailable", "The document record is changed too often at the moment.")

    async def _improve(self, job: Job, entry: OutboxEntry, saved: dict[str, Artefact]) -> Delivered:
        """A quality pass: its analyses become the document's unless other ones have been made meanwhile."""
        counts = False

        def change(old: Document) -> Document:
            nonlocal counts
            changed, counts = quality.improved(old, saved, entry.data)
            return changed

        await self._record(job, entry, change)
        said = "analyses improved" if counts else "dropped: other analyses have been made meanwhile"
        entries = [{"phase": "quality_pass", "message": said, "checkpoint": "COMPLETED"}]
        return Delivered(process_id=job.process_id, step=StepName.QUALITY, event_id=entry.event_id, entries=entries)

    async def wants_quality_pass(self, job: Job) -> bool:
        """Whether pictures of the job's document wait for a second look."""
        return quality.has_low_scores(await self._documents.get(job.document_id))

    async def _close_skipped(self, job: Job, entry: OutboxEntry) -> Delivered:
        """Ingestion was skipped: nothing to publish, but the document is done and an earlier error is over."""
        asked = request_fingerprint(job.parameters)
        await self._record(
            job,
            entry,
            lambda old: replace(
                old, status=DocumentStatus.PROCESSED, error="", made_from={**old.made_from, "request": asked}
            ),
        )
        return Delivered(process_id=job.process_id, step=StepName.INGEST, event_id=entry.event_id)

    async def _with_pictures(self, document_id: str, facts: dict[str, Any]) -> ImageIndex | None:
        """The index of pictures, if it has, or has ever had, rows of the document."""
        document = await self._documents.get(document_id)
        known = document is not None and IMAGE_EMBEDDER in document.made_from
        return self._images if known or facts.get(IMAGE_EMBEDDER) else None

    async def _put_row(self, document: Document, *, insert_only: bool) -> str:
        """Put the document's row as the record is; the generation that is current then. A store may have no
        compare-and-swap, and this gateway may have been slow: where the record has moved on, the row follows."""
        row = doc_row(document, self._dimension)
        await self._vectors.put_doc(row, insert_only=insert_only)
        for _ in range(MOST_RACES):
            newest = await self._documents.get(document.document_id)
            if newest is None or newest.status == DocumentStatus.DELETING:
                return ""  # what a deletion does not remove it looks for once more
            now = doc_row(newest, self._dimension)
            if now == row:
                return newest.generation
            row = now
            await self._vectors.put_doc(row, insert_only=False)
        raise TransientError("unavailable", "The document record is changed too often at the moment.")

    async def _finish(
        self, job: Job, entry: OutboxEntry, saved: dict[str, Artefact], gone: frozenset[str]
    ) -> Delivered:
        """The switch: from the record's swap on, searches see the new generation; then the old rows go."""
        facts, now = entry.data, utc_now()
        # Asked before the swap, which fails when another gateway was first: what comes later is not among them.
        old_rows = await self._vectors.others(job.document_id, facts["generation"])
        pictures = await self._with_pictures(job.document_id, facts)
        old_pictures = await pictures.others(job.document_id, facts["generation"]) if pictures else []
        document = await self._record(job, entry, lambda old: with_generation(old, saved, gone, facts, job))
        current = await self._put_row(document, insert_only=False)  # which may have come back meanwhile
        removed = await self._vectors.tidy(job.document_id, [name for name in old_rows if name != current])
        if pictures:
            removed += await pictures.tidy(job.document_id, [name for name in old_pictures if name != current])
        vectors = int(facts["vectors"]) + 1
        entries: list[dict[str, Any]] = [
            {"phase": "indextidy", "message": f"{removed} old vectors removed, doc meta upserted again"},
            {
                "phase": "ingest_rag",
                "message": f"{document.chunk_count} chunks, {vectors} vectors, doc meta updated",
                "chunkCount": document.chunk_count,
                "chaptersCount": document.chapters_count,
            },
        ]
        return Delivered(
            process_id=job.process_id,
            step=StepName.INGEST,
            event_id=entry.event_id,
            entries=entries,
            counts={"vectors": vectors},
            ingestion=Ingestion(upsert_at=now, vectors_upserted=vectors, index=self._vectors.name),
        )
