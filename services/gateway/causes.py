"""Causes of alerts among jobs and uploads: libraries whose documents fail, batches that have fallen silent, webhooks
that the system has disabled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from services.gateway.alerts import Cause
from shared.alert import AlertKind
from shared.document import DocumentStatus
from shared.job import Job, JobStatus
from shared.ports import DocumentStore, JobQuery, JobStore, UploadStore
from shared.webhook_ports import WebhookStore

PAGE = 200
MOST_JOBS = 2_000
"""Jobs of one state that are looked at in one round, the newest."""
NAMED = 20
"""Documents, uploads or jobs that an alert names; it counts all."""


async def failing_libraries(
    jobs: JobStore, documents: DocumentStore, uploads: UploadStore | None, now: datetime, window: timedelta, least: int
) -> list[Cause]:
    """Libraries in which at least so many documents have failed within the window, in processing or in upload, and have
    not become well since. What was cancelled has not failed."""
    failed: dict[str, dict[str, str]] = {}
    async for job in _jobs(jobs, JobStatus.FAILED):
        if now - job.updated_at <= window and job.error is not None and job.error.code != "cancelled":
            failed.setdefault(job.library_id, {}).setdefault(job.document_id, job.error.code)
    causes = []
    unsent = await _unsent(uploads, now - window)
    for library in {*failed, *unsent}:
        still = await _still(documents, failed.get(library, {}))
        lost = unsent.get(library, {})
        if len(still) + len(lost) >= least:
            causes.append(_failing(library, still, lost, window))
    return causes


async def silent_batches(jobs: JobStore, now: datetime, silence: timedelta) -> list[Cause]:
    """Batches with open jobs of which none has moved for so long: no step begun, reported or ended."""
    waiting: dict[tuple[str, str], list[Job]] = {}
    for state in (JobStatus.RUNNING, JobStatus.QUEUED):
        async for job in _jobs(jobs, state):
            if job.correlation.batch_id:
                waiting.setdefault((job.library_id, job.correlation.batch_id), []).append(job)
    causes = []
    for (library, batch), there in waiting.items():
        moved = max(job.updated_at for job in there)
        if now - moved > silence:
            moved = max(moved, await _last_move(jobs, library, batch))
        if now - moved > silence:
            causes.append(_silent(library, batch, there, moved))
    return causes


async def disabled_webhooks(webhooks: WebhookStore) -> list[Cause]:
    """Endpoints that the system has disabled; what a person disables is no cause."""
    return [
        Cause(
            kind=AlertKind.WEBHOOK_DISABLED,
            library_id=endpoint.library_id,
            subject=endpoint.endpoint_id,
            message=f"The webhook {endpoint.endpoint_id} is disabled: its receiver "
            + ("says that it is gone." if endpoint.disabled_reason == "gone" else "has taken nothing for days."),
            advice="Mend the receiver and enable the endpoint (PATCH /api/webhooks/{endpointId}), or delete it.",
            count=1,
            details={"reason": endpoint.disabled_reason},
        )
        for endpoint in await webhooks.endpoints(None)
        if endpoint.disabled_reason and not endpoint.enabled
    ]


async def _jobs(jobs: JobStore, state: JobStatus) -> AsyncIterator[Job]:
    seen, cursor = 0, None
    while seen < MOST_JOBS:
        page = await jobs.find(JobQuery(status=state, cursor=cursor, limit=PAGE))
        for job in page.jobs:
            yield job
        seen, cursor = seen + len(page.jobs), page.cursor
        if cursor is None:
            return


async def _unsent(uploads: UploadStore | None, since: datetime) -> dict[str, dict[str, str]]:
    """Failed uploads by library, name -> code: a file that is tried again and again is one."""
    found: dict[str, dict[str, str]] = {}
    seen, cursor = 0, None
    while uploads is not None and seen < MOST_JOBS:
        page, cursor = await uploads.find(None, cursor, PAGE)
        for upload in page:
            if upload.created_at < since:
                return found
            found.setdefault(upload.library_id, {}).setdefault(upload.item_id or upload.name, upload.code)
        seen += len(page)
        if cursor is None:
            break
    return found


async def _still(documents: DocumentStore, failed: dict[str, str]) -> dict[str, str]:
    """Those whose last run it was that failed."""
    still: dict[str, str] = {}
    ids = list(failed)
    for start in range(0, len(ids), PAGE):
        known = await documents.many(ids[start : start + PAGE])
        still |= {name: failed[name] for name, row in known.items() if row.status == DocumentStatus.ERROR}
    return still


async def _last_move(jobs: JobStore, library: str, batch: str) -> datetime:
    """When any job of the batch has moved last, also one that has ended."""
    page = await jobs.find(JobQuery(library_id=library, batch_id=batch, limit=PAGE))
    return max(job.updated_at for job in page.jobs)


def _failing(library: str, documents: dict[str, str], uploads: dict[str, str], window: timedelta) -> Cause:
    codes = sorted({*documents.values(), *uploads.values()})
    same = f"all with {codes[0]}" if len(codes) == 1 else f"with {', '.join(codes[:5])}"
    what = " and ".join(
        f"{len(rows)} {kind}{'s' if len(rows) != 1 else ''}"
        for kind, rows in (("document", documents), ("upload", uploads))
        if rows
    )
    return Cause(
        kind=AlertKind.LIBRARY_FAILS,
        library_id=library,
        message=f"{what} of {library} failed within {window.total_seconds() / 60:.0f} minutes, {same}.",
        advice="One cause for all is likely: GET /api/diagnosis?library= and GET /api/uploads name them; requeue when "
        "it is mended (POST /api/jobs/requeue, POST /api/uploads/{uploadId}/retry).",
        count=len(documents) + len(uploads),
        details={
            "documents": list(documents)[:NAMED],
            "uploads": list(uploads)[:NAMED],
            "codes": codes[:NAMED],
        },
    )


def _silent(library: str, batch: str, there: list[Job], moved: datetime) -> Cause:
    return Cause(
        kind=AlertKind.BATCH_SILENT,
        library_id=library,
        subject=batch,
        message=f"{len(there)} jobs of the batch {batch[:200]} are open, and none has moved since {moved.isoformat()}.",
        advice="GET /api/jobs/{jobId}/diagnosis says why a job does not move, GET /api/system/status whether workers "
        "are there.",
        count=len(there),
        details={"jobs": [job.job_id for job in there[:NAMED]]},
    )
