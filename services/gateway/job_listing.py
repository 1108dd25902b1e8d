"""Listings of jobs by text: the pages of the store, walked and filtered.

No store has an index over names, so that one request looks at no more than LOOKED_AT jobs: it may answer fewer than
were asked for, or none, and still have a cursor.
"""

from __future__ import annotations

from msgspec.structs import replace

from shared.cursor import write_cursor
from shared.job import Job
from shared.ports import JobPage, JobQuery, JobStore

LOOKED_AT = 1000
PAGE = 200


async def matching(jobs: JobStore, query: JobQuery, text: str) -> JobPage:
    """A page of the jobs whose file's name, ids, batch or error hold the text; newest first."""
    wanted, found, cursor = text.casefold(), list[Job](), query.cursor
    for _ in range(LOOKED_AT // PAGE):
        page = await jobs.find(replace(query, cursor=cursor, limit=PAGE))
        for job in page.jobs:
            if wanted in _words(job):
                found.append(job)
                if len(found) == query.limit:
                    more = page.cursor is not None or job is not page.jobs[-1]
                    return JobPage(found, write_cursor(job.created_at, job.job_id) if more else None)
        cursor = page.cursor
        if cursor is None:
            break
    return JobPage(found, cursor)


def _words(job: Job) -> str:
    correlation, error = job.correlation, job.error
    named = [correlation.source.name, correlation.source.item_id, job.job_id, job.document_id]
    batch = [correlation.batch_id or "", correlation.batch_name or ""]
    return "\n".join([*named, *batch, error.code if error else ""]).casefold()
