"""What a request for processing is answered."""

from __future__ import annotations

import msgspec

from services.gateway.creation import JobRequest, digest_of
from shared import twin
from shared.document import Document
from shared.errors import RequestError
from shared.job import Job


class Accepted(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Answer to a request for processing. `status`: queued | skipped | running (an open job exists already)."""

    status: str
    document_id: str
    library_id: str
    item_id: str
    sha256: str
    name: str
    content_name: str
    job_id: str | None = None
    metadata: dict[str, object] | None = None
    chunk_count: int = 0
    existing: bool = False


def repeated(document: Document, request: JobRequest, made: Job) -> Accepted:
    """The answer to a key that was used before: the same job, unless something else is asked now."""
    if made.idempotency_digest != digest_of(document, request):
        raise RequestError("conflict", "This Idempotency-Key was used for another request.", hint="Use a new key.")
    return answer_to(document, str(made.status), made.job_id, existing=True)


def answer_to(document: Document, status: str, job_id: str | None = None, *, existing: bool = False) -> Accepted:
    """The document as it stands; its metadata too where nothing has to be done."""
    return Accepted(
        status=status,
        document_id=document.document_id,
        library_id=document.library_id,
        item_id=document.item_id,
        sha256=document.sha256,
        name=document.name,
        content_name=twin.content_name(document.sha256, document.name),
        job_id=job_id,
        metadata=dict(document.metadata) if status == "skipped" else None,
        chunk_count=document.chunk_count,
        existing=existing,
    )
