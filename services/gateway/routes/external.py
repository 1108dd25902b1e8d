"""The foreign worker's side door: the PDF by link, and warm-up of the service that reads documents elsewhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from services.gateway.composition import Gateway
from services.gateway.web import answer, bearer
from shared.errors import RequestError
from shared.job import StepName, StepStatus


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(tags=["workers"])

    @router.get("/api/external/jobs/{jobId}/source", summary="The PDF, for the worker that reads it")
    async def source(jobId: str, request: Request) -> Response:
        """With the attempt's token as Bearer or X-Callback-Token, while the extract step is running."""
        job = await gateway.callbacks.authentic(jobId, bearer(request))
        reading = any(step.name == StepName.EXTRACT and step.status == StepStatus.RUNNING for step in job.steps)
        if not job.open or not reading:
            raise RequestError("conflict", "The document is not being read at the moment.")
        document = await gateway.documents.get(job.document_id)
        stored = document.artefacts.get("source") if document else None
        if stored is None or await gateway.storage.stat(stored.key) != stored.size:
            raise RequestError("not_found", "The document's file is gone.")
        return StreamingResponse(
            gateway.storage.stream(stored.key),
            media_type="application/pdf",
            headers={"Content-Length": str(stored.size), "ETag": f'"{stored.sha256}"', "Cache-Control": "no-store"},
        )

    @router.post("/warmup", summary="Load what loads slowly")
    async def warmup() -> Response:
        """Embedder and index of this gateway, and the external service, where one with the parse contract is
        configured. Workers load what they need before they say that they are ready."""
        await gateway.warm()
        if gateway.settings.external_url and gateway.settings.external_protocol == "parse":
            return answer(await _warmed(gateway))
        return answer({"status": "ok", "services": {}})

    @router.post("/warmup/mineru", summary="Warm the OCR service")
    async def warmup_ocr() -> Response:
        """`POST {external}/warmup`, so that the first document does not wait for its models."""
        if gateway.settings.external_protocol != "parse" or not gateway.settings.external_url:
            raise RequestError("not_found", "No external service with the parse contract is configured.")
        return answer(await _warmed(gateway))

    return router


async def _warmed(gateway: Gateway) -> dict[str, object]:
    reply = await gateway.external.warmup()
    return {"status": "ok", "services": {gateway.settings.external_parser_key: {"status": reply.status, **reply.body}}}
