"""The quality pass (seed 001, stage 5): a job of its own that looks again at pictures with a low score.

It is made after its parent has completed and never reopens it. It holds the document's second slot, so that it is no
obstacle to the next job of the document; one that has made other analyses meanwhile wins, and the pass changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from shared import route
from shared.document import Document, DocumentStatus
from shared.edits import logged, spent, with_event
from shared.job import QUALITY_PASS, Artefact, Job, JobStatus, Step, StepName

ROLE = "imageAnalyses"


def quality_job(parent: Job, now: datetime) -> Job:
    """The pass of a completed run, its first event in the outbox; the same id whenever it is made of the same run. It
    may spend what its parent's budget has left."""
    job_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{parent.job_id}/{parent.process_id}"))
    budget = parent.parameters.budget_usd
    left = None if budget is None else max(budget - spent(parent), 0.0)
    job = Job(
        job_id=job_id,
        parent_job_id=parent.job_id,
        operation=QUALITY_PASS,
        library_id=parent.library_id,
        user_email=parent.user_email,
        correlation=replace(parent.correlation, job_id=job_id),
        created_at=now,
        updated_at=now,
        parameters=replace(parent.parameters, quality_pass=False, budget_usd=left, sealed_password=""),
        steps=[Step(name=StepName.QUALITY)],
        status=JobStatus.QUEUED,
        process_id=str(uuid.uuid4()),
        document_id=parent.document_id,
        priority=parent.priority,
        admitted_at=now,
    )
    job = logged(job, now, {"phase": "request_sent", "message": f"quality pass of job {parent.job_id}"})
    return with_event(job, route.QUALITY_REQUESTED, StepName.QUALITY, now)


def has_low_scores(document: Document | None) -> bool:
    """Whether any picture of the document waits for a second look, and the document is not about to go."""
    if document is None or document.status == DocumentStatus.DELETING:
        return False
    return ROLE in document.artefacts and document.counts.get("imagesQueued", 0) > 0


def improved(old: Document, saved: Mapping[str, Artefact], facts: Mapping[str, Any]) -> tuple[Document, bool]:
    """The record with the pass's analyses, and whether they count: only if those that it started from, or already its
    own, are the current ones."""
    current = old.artefacts.get(ROLE)
    if current is None or current.sha256 not in (facts["madeFrom"], saved[ROLE].sha256):
        return old, False
    counts = {**old.counts, **facts.get("counts", {})}
    return replace(old, artefacts={**old.artefacts, **saved}, counts=counts), True
