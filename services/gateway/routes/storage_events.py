"""The door for storage that tells what has arrived."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from services.gateway.composition import Gateway
from services.gateway.signatures import Signature
from services.gateway.web import answer, bounded

EVENT_BYTES = 4 << 20


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api", tags=["uploads"])

    @router.post("/storage-events", status_code=202, summary="Storage tells what has arrived")
    async def storage_events(
        request: Request,
        webhookId: Annotated[str, Header(alias="webhook-id")] = "",
        webhookTimestamp: Annotated[str, Header(alias="webhook-timestamp")] = "",
        webhookSignature: Annotated[str, Header(alias="webhook-signature")] = "",
    ) -> Response:
        """S3's notification (`Records`), or `{events: [{key, bucket?, metadata?}]}`; signed as callbacks are, with
        SHADOWTWIN_STORAGE_EVENTS_SECRET_FILE. Only announced uploads are completed by it, each once."""
        body = await bounded(request, EVENT_BYTES)
        signature = Signature(webhookId, webhookTimestamp, webhookSignature, body)
        return answer({"events": await gateway.storage_events.hear(signature)}, 202)

    return router
