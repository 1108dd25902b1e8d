"""Export: a finished job as a bundle."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from services.gateway.composition import Gateway


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["jobs"])

    @router.get("/jobs/{jobId}/bundle", summary="Export a job as a bundle")
    async def export(
        jobId: str,
        source: Annotated[bool, Query(description="Whether the PDF itself is part of it")] = True,
    ) -> Response:
        """A ZIP of the job document without secrets, its whole log, the twin, the answers of models, the index's rows,
        and the settings that governed them: `shadowtwin replay` runs it again. 409 while a job of the document is open,
        and when a later job has changed the document."""
        job, document = await gateway.bundles.ready(jobId)
        return StreamingResponse(
            gateway.bundles.stream(job, document, with_source=source),
            media_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{job.job_id}.zip"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    return router
