"""Webhooks: endpoints, their log of deliveries, tests and replays."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway.composition import Gateway
from services.gateway.web import answer, body_of
from services.gateway.webhooks.endpoints import EndpointChange, EndpointRequest, Replay, Rotation
from shared.webhook import Delivery, Endpoint

STATES = "^(pending|delivered|failed)$"


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])

    @router.post("", summary="Be told of what happens")
    async def make(request: Request) -> Response:
        """Make an endpoint; its secret is shown in this answer and never again. docs/webhooks.md says what arrives and
        how it is verified."""
        made = await gateway.webhooks.make(await body_of(request, EndpointRequest))
        return answer({**shown(made), "secret": made.secrets[0].value}, 201)

    @router.get("", summary="List endpoints, oldest first")
    async def listing(library: Annotated[str | None, Query()] = None) -> Response:
        """Those of a library (`*`: those that hear of all), or all that the key reaches."""
        return answer({"webhooks": [shown(row) for row in await gateway.webhooks.all(library)]})

    @router.get("/{endpointId}", summary="An endpoint")
    async def show(endpointId: str) -> Response:
        """Who is told of what, and whether that works."""
        return answer(shown(await gateway.webhooks.one(endpointId)))

    @router.patch("/{endpointId}", summary="Change, disable or enable an endpoint")
    async def change(endpointId: str, request: Request) -> Response:
        """What is left out stays. What waited for an endpoint that is enabled again is told at once."""
        return answer(shown(await gateway.webhooks.change(endpointId, await body_of(request, EndpointChange))))

    @router.delete("/{endpointId}", summary="Delete an endpoint", status_code=204)
    async def remove(endpointId: str) -> Response:
        """With its log."""
        await gateway.webhooks.remove(endpointId)
        return Response(status_code=204)

    @router.post("/{endpointId}/rotate", summary="Give an endpoint a new secret")
    async def rotate(endpointId: str, request: Request) -> Response:
        """The former one signs as well for a day, unless the body says otherwise. The new one is shown this once."""
        changed = await gateway.webhooks.rotate(endpointId, await body_of(request, Rotation))
        return answer({**shown(changed), "secret": changed.secrets[0].value})

    @router.post("/{endpointId}/test", summary="Send a ping")
    async def ping(endpointId: str) -> Response:
        """An event `ping`, delivered like all others; the log says what came of it."""
        return answer(logged(await gateway.webhooks.ping(endpointId)), 202)

    @router.get("/{endpointId}/deliveries", summary="The log of deliveries, newest first")
    async def deliveries(
        endpointId: str,
        state: Annotated[str | None, Query(pattern=STATES)] = None,
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Every delivery with all its attempts; kept for 30 days."""
        found, following = await gateway.webhooks.deliveries(endpointId, state, cursor, limit)
        return answer({"deliveries": [logged(row) for row in found], "cursor": following})

    @router.post("/{endpointId}/deliveries/{deliveryId}/replay", summary="Deliver once more")
    async def replay(endpointId: str, deliveryId: str) -> Response:
        """Under the same webhook-id, whatever has become of it before."""
        return answer(logged(await gateway.webhooks.replay(endpointId, deliveryId)), 202)

    @router.post("/{endpointId}/replay", summary="Deliver everything once more that was given up")
    async def replay_failed(endpointId: str, request: Request) -> Response:
        """Body `{since}`: what was made since then, with a time zone."""
        return answer(
            {"replayed": await gateway.webhooks.replay_failed(endpointId, await body_of(request, Replay))}, 202
        )

    return router


def shown(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint without its secrets; `formerSecretUntil` while two of them sign."""
    return {
        "endpointId": endpoint.endpoint_id,
        "libraryId": endpoint.library_id,
        "url": endpoint.url,
        "eventTypes": endpoint.event_types,
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabledReason": endpoint.disabled_reason,
        "failingSince": endpoint.failing_since,
        "quietUntil": endpoint.quiet_until,
        "formerSecretUntil": endpoint.secrets[1].until if len(endpoint.secrets) > 1 else None,
        "createdAt": endpoint.created_at,
    }


def logged(delivery: Delivery) -> dict[str, Any]:
    """The delivery and its attempts; `nextAttemptAt` while it is pending."""
    return {
        "deliveryId": delivery.delivery_id,
        "endpointId": delivery.endpoint_id,
        "libraryId": delivery.library_id,
        "eventType": delivery.event_type,
        "subject": delivery.key,
        "state": delivery.state,
        "createdAt": delivery.created_at,
        "nextAttemptAt": delivery.due_at if delivery.state == "pending" else None,
        "attempts": delivery.attempts,
        "body": delivery.body,
    }
