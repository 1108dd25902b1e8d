"""The document record as a delivered step leaves it. Pure functions."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from services.gateway.creation import request_fingerprint
from services.gateway.durations import content_of
from shared.document import Document, DocumentStatus
from shared.job import QUALITY_PASS, Artefact, Job, Policy, StepName, utc_now
from shared.ports import VectorRow

IMAGE_EMBEDDER = "imageEmbedder"
"""In `made_from` of every document that has ever had vectors of pictures."""


def by(job: Job, document: Document) -> Document:
    """The record as this job leaves it. A quality pass is not the document's last job: its state is another's."""
    if job.operation == QUALITY_PASS:
        return replace(document, updated_at=utc_now())
    return replace(document, updated_at=utc_now(), last_job_id=job.job_id, last_job_at=job.created_at)


def with_twin(
    old: Document,
    step: StepName,
    saved: dict[str, Artefact],
    gone: frozenset[str],
    facts: dict[str, Any],
    kept: frozenset[str],
) -> Document:
    """`kept` are roles whose published file the attempt has only taken over: a newer one stays (a quality pass)."""
    saved = {role: old.artefacts.get(role, new) if role in kept else new for role, new in saved.items()}
    phase = "extract" if step == StepName.EXTRACT else "transform"
    if step == StepName.EXTRACT:
        old = _without_origin(old)
    changed = replace(
        old,
        artefacts={role: kept for role, kept in old.artefacts.items() if role not in gone} | saved,
        made_from={**old.made_from, phase: facts["madeFrom"], **facts.get("stages", {})},
        metadata={**old.metadata, **facts.get("metadata", {})},
        counts={**old.counts, **facts.get("counts", {})},
    )
    return replace(changed, pages=int(facts["pages"])) if "pages" in facts else changed


def _without_origin(old: Document) -> Document:
    """The record without what only its former, foreign transcript had."""
    metadata = old.metadata
    if "parser" in metadata:
        metadata = {name: value for name, value in metadata.items() if name not in ("parser", "source")}
    return replace(old, metadata=metadata, artefacts={k: v for k, v in old.artefacts.items() if k != "answer"})


def _embedders(facts: dict[str, Any]) -> dict[str, str]:
    return {name: str(facts[name]) for name in ("embedder", "embedderVersion", IMAGE_EMBEDDER) if facts.get(name)}


def _asked(old: Document, job: Job) -> dict[str, str]:
    """What was asked for, for the next equal upload; a job that only ingested leaves what was asked before."""
    rebuilt = job.parameters.policies.extract == Policy.IGNORE and "request" in old.made_from
    return {} if rebuilt else {"request": request_fingerprint(job.parameters)}


def with_generation(
    old: Document, saved: dict[str, Artefact], gone: frozenset[str], facts: dict[str, Any], job: Job
) -> Document:
    artefacts = {role: kept for role, kept in old.artefacts.items() if role not in gone}
    return replace(
        old,
        status=DocumentStatus.PROCESSED,
        error="",
        last_ingested_at=utc_now(),
        artefacts={**artefacts, **saved},
        made_from={**old.made_from, "ingest": facts["madeFrom"], **_embedders(facts), **_asked(old, job)},
        generation=facts["generation"],
        chunk_count=int(facts["chunkCount"]),
        chapters_count=int(facts["chaptersCount"]),
        counts={**old.counts, **content_of(job.counts)},
    )


def doc_row(document: Document, dimension: int) -> VectorRow:
    """The doc-meta vector (kind 'doc'): a unit vector, because a store may refuse zeros; counters in `extra`."""
    return VectorRow(
        row_id=f"doc-meta-{document.document_id}",
        kind="doc",
        library_id=document.library_id,
        document_id=document.document_id,
        file_id=document.item_id,
        generation=document.generation,
        vector=[1.0] + [0.0] * (dimension - 1),
        text=str(document.metadata.get("title") or document.name),
        extra={
            "name": document.name,
            "chunkCount": document.chunk_count,
            "chaptersCount": document.chapters_count,
            "pages": document.pages,
        },
    )
