"""Alerts: list, show, acknowledge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.gateway.bodies import Acknowledgement
from services.gateway.composition import Gateway
from services.gateway.web import answer, body_of


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(prefix="/api/alerts", tags=["health"])

    @router.get("", summary="List alerts, last opened first")
    async def listing(
        library: Annotated[str | None, Query()] = None,
        state: Annotated[str | None, Query(pattern="^(open|resolved)$")] = None,
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Libraries whose documents fail or are damaged, and batches that have fallen silent; resolved by themselves
        when the cause is gone, and kept for 30 days."""
        found, following = await gateway.alerts.find(library, state, cursor, limit)
        return answer({"alerts": found, "cursor": following})

    @router.get("/{alertId}", summary="An alert")
    async def show(alertId: str) -> Response:
        """What it is about, since when, and what to do."""
        return answer(await gateway.alerts.one(alertId))

    @router.post("/{alertId}/acknowledge", summary="Say that you know")
    async def acknowledge(alertId: str, request: Request) -> Response:
        """Body `{by?}`. It holds until the alert is resolved and opens anew."""
        body = await body_of(request, Acknowledgement)
        return answer(await gateway.alerts.acknowledge(alertId, body.by, await gateway.jobs.now()))

    return router
