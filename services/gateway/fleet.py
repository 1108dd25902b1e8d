"""The whole system at a glance: services and versions, queues, the oldest wait, every tracked job (checklist A4.5)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from services.gateway.composition import Gateway
from shared.job import Job, JobStatus
from shared.ports import JobQuery
from shared.version import VERSION

MOST_JOBS = 1000
"""Jobs that are listed at most; `complete` says whether these are all."""
PAGE = 200


async def status(gateway: Gateway) -> dict[str, Any]:
    """What the caller's key may see of it; `oldestPendingSeconds` is None when nothing waits for a worker."""
    running, all_running = await _open(gateway, JobStatus.RUNNING)
    queued, all_queued = await _open(gateway, JobStatus.QUEUED)
    now = await gateway.jobs.now()
    longest = queued if all_queued else [*queued, *await gateway.jobs.waiting(1)]
    counts = await gateway.jobs.counts(JobQuery())
    return {
        "version": VERSION,
        "ready": gateway.bus_ready(),
        "services": await _services(gateway),
        "queues": {
            "jobs": counts,
            "waiting": dict(Counter(job.library_id for job in queued if job.waiting)),
            "admitted": await gateway.jobs.admitted(),
            "untold": sum(len(job.outbox) for job in (*running, *queued)),
        },
        "alerts": await gateway.alerts.counts(),
        "oldestPendingSeconds": max((_age(job.created_at, now) for job in longest), default=None),
        "jobs": [_row(job, now) for job in (*running, *queued)],
        "complete": all_running and all_queued,
    }


async def _open(gateway: Gateway, state: JobStatus) -> tuple[list[Job], bool]:
    """Jobs in that state, newest first, and whether these are all."""
    found: list[Job] = []
    cursor = None
    while len(found) < MOST_JOBS:
        page = await gateway.jobs.find(JobQuery(status=state, cursor=cursor, limit=PAGE))
        found, cursor = found + page.jobs, page.cursor
        if cursor is None:
            return found, True
    return found, False


async def _services(gateway: Gateway) -> list[dict[str, Any]]:
    """The gateway that answers, and each kind of worker: who has answered the roll call, and how many are free."""
    rows: list[dict[str, Any]] = [{"name": "gateway", "version": VERSION, "ready": gateway.bus_ready()}]
    present, free = await gateway.present(), await gateway.free_workers()
    for name in sorted({worker.service for worker in present} | set(free) - {"gateway"}):
        workers = [{"owner": each.owner, "version": each.version} for each in present if each.service == name]
        rows.append({"name": name, "ready": bool(workers), "workers": workers, "freePulls": free.get(name)})
    return rows


def _row(job: Job, now: datetime) -> dict[str, Any]:
    step = job.lease.step if job.lease else next((row.name for row in job.steps if row.status != "completed"), "")
    return {
        "jobId": job.job_id,
        "documentId": job.document_id,
        "libraryId": job.library_id,
        "name": job.correlation.source.name,
        "operation": job.operation,
        "status": job.status,
        "step": step,
        "attempt": job.attempt,
        "percent": job.progress.percent if job.progress else 0,
        "ageSeconds": _age(job.created_at, now),
        "owner": job.lease.owner if job.lease else "",
    }


def _age(moment: datetime, now: datetime) -> float:
    return round((now - moment).total_seconds(), 1)
