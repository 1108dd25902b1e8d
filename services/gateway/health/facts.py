"""Gathers what there is of documents: their files, their rows in the index, their jobs. Reads only.

A page of documents costs one census of the index and a few `stat`s each; whatever costs more is asked only where
something is wrong.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from services.gateway.health.finding import Finder, Found, digest, size_of
from services.gateway.health.pictures import pictures_of
from services.gateway.health.rules import Cause, Facts, Judgement, State, cause_of, judge
from services.gateway.stuck import Diagnosis
from shared.document import Document, DocumentStatus
from shared.gathering import in_order
from shared.job import QUALITY_PASS, Job
from shared.ports import Census, JobQuery, JobStore, Storage, VectorStore

AT_ONCE = 8
WELL = (State.HEALTHY, State.DELETED)


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A document, what was seen of it, and what follows. `found` is where its file lies instead, `cause` why it is
    nowhere; `why` is the explanation of its open job."""

    document: Document
    facts: Facts
    judgement: Judgement
    found: Found | None = None
    cause: Cause | None = None
    why: Diagnosis | None = None


class Examiner:
    """Looks at documents over the ports. `explain` says why a job does not move; `image_indexes` are further stores
    with rows of pictures."""

    def __init__(
        self,
        jobs: JobStore,
        storage: Storage,
        vectors: VectorStore,
        explain: Callable[[Job], Awaitable[Diagnosis]],
        image_indexes: Sequence[VectorStore] = (),
        buckets: Mapping[str, Storage] | None = None,
    ) -> None:
        self._jobs, self._storage, self._explain = jobs, storage, explain
        self._indexes = [vectors, *image_indexes]
        self._buckets = dict(buckets or {})

    def finder(self) -> Finder:
        """A new search for files, for one run."""
        return Finder(self._storage, self._buckets)

    async def page(
        self, documents: Sequence[Document], finder: Finder, *, other_buckets: bool = False, verify: bool = False
    ) -> list[Examined]:
        """All of them, in order. `verify` also reads their files and compares hashes."""
        generations = {document.document_id: document.generation for document in documents}
        counted = [await index.census(generations) for index in self._indexes]

        async def one(document: Document) -> Examined:
            censuses = [found[document.document_id] for found in counted]
            facts = await self._facts(document, censuses, verify=verify)
            return await self._closer(document, facts, finder, other_buckets=other_buckets)

        return await in_order(documents, AT_ONCE, one)

    async def open_job(self, document_id: str) -> Job | None:
        """The document's open job; a quality pass is none, because it is no obstacle to anything."""
        page = await self._jobs.find(JobQuery(document_id=document_id, limit=10))
        return next((job for job in page.jobs if job.open and job.operation != QUALITY_PASS), None)

    async def _closer(self, document: Document, facts: Facts, finder: Finder, *, other_buckets: bool) -> Examined:
        judgement = judge(facts)
        if judgement.state in WELL:
            return Examined(document=document, facts=facts, judgement=judgement)
        job = await self.open_job(document.document_id)
        why = await self._explain(job) if job is not None else None
        if job is not None and why is not None:
            facts = replace(facts, job=job.job_id, job_stuck=why.reason if why.stuck else "")
            judgement = judge(facts)
        found = cause = None
        if not facts.object_in_store:
            found = await finder.find(document, other_buckets=other_buckets)
            if found is None:
                cause = cause_of(recorded="source" in document.artefacts, error=document.error)
        return Examined(document=document, facts=facts, judgement=judgement, found=found, cause=cause, why=why)

    async def _facts(self, document: Document, censuses: Sequence[Census], *, verify: bool) -> Facts:
        source = document.artefacts.get("source")
        size = await size_of(self._storage, source.key) if source else None
        facts = _rows(document, censuses, file=size is not None)
        if source is None or size is None:
            return facts
        changed = f"{size} bytes are stored, {document.size} are recorded" if size != document.size else ""
        if verify and not changed and await digest(self._storage, source.key) != document.sha256:
            changed = "the stored PDF has another SHA-256 than the recorded one"
        missing, other = await self._twin(document, verify=verify)
        pictures = await pictures_of(document, self._storage, self._indexes, censuses)
        return replace(
            facts,
            source_changed=changed,
            twin_missing=missing,
            twin_changed=other,
            ocr_image_chunks=pictures.count,
            image_chunks_without_key=pictures.without_key,
            listing_lost=pictures.listing_lost,
        )

    async def _twin(self, document: Document, *, verify: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Roles of files that are not stored, and of those that are not as recorded."""
        missing, changed = [], []
        for role, artefact in sorted(document.artefacts.items()):
            if role in ("source", "images"):
                continue
            size = await size_of(self._storage, artefact.key)
            if size is None:
                missing.append(role)
            elif size != artefact.size or (verify and await digest(self._storage, artefact.key) != artefact.sha256):
                changed.append(role)
        return tuple(missing), tuple(changed)


def _rows(document: Document, censuses: Sequence[Census], *, file: bool) -> Facts:
    """What the index says. Without a file every row of text is a leftover; with one only chunks count as chunks.

    Rows in the indexes of pictures never tell the state: without their text they are leftovers of no use to anyone.
    """
    census = censuses[0]
    current = census.current if document.generation else {}
    others = census.others if document.generation else _sum(census.current, census.others)
    every = sum(census.current.values()) + sum(census.others.values())
    finished = document.status == DocumentStatus.PROCESSED and bool(document.generation)
    summaries = current.get("summary", 0)
    return Facts(
        object_in_store=file,
        chunk_count=current.get("chunk", 0) + others.get("chunk", 0) if file else every,
        nothing_to_chunk=finished and document.chunk_count == 0,
        current_chunks=current.get("chunk", 0),
        expected_chunks=document.chunk_count if document.generation else None,
        current_summaries=summaries,
        expected_summaries=document.counts.get("summaries", summaries),
        former_rows=sum(others.values()) + sum(sum(each.others.values()) for each in censuses[1:]),
        doc_row=census.doc,
        deleted=document.status == DocumentStatus.DELETED,
    )


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {kind: one.get(kind, 0) + other.get(kind, 0) for kind in one.keys() | other.keys()}
