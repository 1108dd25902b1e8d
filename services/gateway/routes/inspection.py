"""Inspection: live events, timeline, and why a job does not move."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from services.gateway.composition import Gateway
from services.gateway.stuck import timeline
from services.gateway.web import answer
from shared.errors import RequestError
from shared.job import Job

POLL_SECONDS = 0.3
"""How soon an event stream sees what another gateway has written."""
KEEP_ALIVE_SECONDS = 15.0
_SEQ = re.compile(r"[0-9]{1,15}")


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api/jobs/{jobId}", tags=["jobs"])

    @router.get("/events", summary="The job's log as it grows (server-sent events)")
    async def events(
        jobId: str, request: Request, lastEventId: Annotated[str | None, Header(alias="Last-Event-ID")] = None
    ) -> Response:
        """One event a log entry, its id is the entry's seq; ends with an event `end` when the job has ended."""
        await _job(gateway, jobId)
        stream = _stream(gateway, jobId, int(lastEventId) if lastEventId and _SEQ.fullmatch(lastEventId) else 0)
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    @router.get("/timeline", summary="Steps with durations")
    async def bars(jobId: str) -> Response:
        """Each step with its start, end, seconds, and the seconds it waited."""
        job = await _job(gateway, jobId)
        return answer({"jobId": jobId, "steps": timeline(job), "attempt": job.attempt, "runs": len(job.runs) + 1})

    @router.get("/diagnosis", summary="Why the job does not move")
    async def why(jobId: str) -> Response:
        """The step, the reason and what to do."""
        job = await _job(gateway, jobId)
        return answer({"jobId": jobId, **msgspec.to_builtins(await gateway.explainer.explain(job))})

    return router


async def _job(gateway: Gateway, job_id: str) -> Job:
    job = await gateway.jobs.get(job_id)
    if job is None:
        raise RequestError("not_found", "There is no such job.")
    return job


async def _stream(gateway: Gateway, job_id: str, after: int) -> AsyncIterator[bytes]:
    quiet = 0.0
    while True:
        job = await gateway.jobs.get(job_id)
        entries = await gateway.jobs.logs(job_id, after, 500)
        for entry in entries:
            after = entry["seq"]
            yield b"id: %d\nevent: log\ndata: %s\n\n" % (after, msgspec.json.encode(entry))
        if entries:
            quiet = 0.0
            continue
        if job is None or not job.open:
            status = str(job.status) if job else "deleted"
            yield b"event: end\ndata: %s\n\n" % msgspec.json.encode({"status": status})
            return
        if quiet >= KEEP_ALIVE_SECONDS:
            quiet = 0.0
            yield b": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)
        quiet += POLL_SECONDS
