"""What a document's state is at the moment: the stored one, or `processing` while its run goes on (checklist A4.14).

The record is not written when a run begins: the state follows from the job, so that starting costs nothing and no crash
can leave it behind. A processed document keeps its flag until a new run has ended (checklist A4.10).
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from shared.document import Document, DocumentStatus
from shared.job import DELETION, QUALITY_PASS, JobStatus
from shared.ports import JobQuery, JobStore

PAGE = 200
UNFINISHED = (DocumentStatus.PENDING, DocumentStatus.ERROR)


async def shown(jobs: JobStore, documents: Sequence[Document]) -> list[Document]:
    """The documents as they are shown."""
    waiting = [document.document_id for document in documents if document.status in UNFINISHED]
    if not waiting:
        return list(documents)
    running = await _running(jobs, waiting[0] if len(waiting) == 1 else None)
    return [
        replace(document, status=DocumentStatus.PROCESSING)
        if document.status in UNFINISHED and document.document_id in running
        else document
        for document in documents
    ]


async def _running(jobs: JobStore, document_id: str | None) -> set[str]:
    """Documents with a running job; running ones are few, since admission bounds them."""
    found: set[str] = set()
    cursor = None
    while True:
        query = JobQuery(status=JobStatus.RUNNING, document_id=document_id, cursor=cursor, limit=PAGE)
        page = await jobs.find(query)
        found |= {job.document_id for job in page.jobs if job.operation not in (QUALITY_PASS, DELETION)}
        cursor = page.cursor
        if cursor is None:
            return found
