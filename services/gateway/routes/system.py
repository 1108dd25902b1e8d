"""System: liveness, readiness, status."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway import fleet
from services.gateway.composition import Gateway
from services.gateway.web import answer
from shared.errors import TransientError


def routes(gateway: Gateway) -> APIRouter:
    """The router over one gateway."""
    router = APIRouter(tags=["system"])

    @router.get("/live", summary="The process runs")
    async def live() -> Response:
        """Always 200 while the event loop turns."""
        return answer({"live": True})

    @router.get("/ready", summary="The gateway can take work")
    async def ready() -> Response:
        """503 until broker and store can be used."""
        waiting = []
        if not gateway.bus_ready():
            waiting.append("broker")
        try:
            await gateway.jobs.now()
        except TransientError:
            waiting.append("store")
        return answer({"ready": not waiting, "waitingFor": waiting}, 503 if waiting else 200)

    @router.get("/api/system/status", summary="The whole system at a glance")
    async def status() -> Response:
        """Services with versions and free workers, queue depths, the oldest wait, every open job that the key sees."""
        return answer(await fleet.status(gateway))

    return router
