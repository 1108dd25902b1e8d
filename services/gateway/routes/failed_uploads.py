"""Failed uploads: tried again."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway.composition import Gateway
from services.gateway.retrying import request_of
from services.gateway.web import answer


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["documents"])

    @router.post("/uploads/{uploadId}/retry", status_code=202, summary="Try a failed upload again")
    async def retry(uploadId: str) -> Response:
        """One that came by `sourceUrl` is fetched again, with the options of its request (but no password); it is no
        failed upload any more when that succeeds. Of others the bytes are not kept: 409, send the file again."""
        upload = await gateway.upload_log.one(uploadId)
        request = request_of(upload.fields, upload.library_id)
        await gateway.check_named(upload.library_id, request.parameters)
        accepted = await gateway.sources.again(upload, request)
        return answer(accepted, 202 if accepted.job_id else 200)

    return router
