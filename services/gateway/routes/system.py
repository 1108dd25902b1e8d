"""System: liveness, readiness, status."""

from __future__ import annotations

from typing import get_args

from fastapi import APIRouter
from starlette.responses import Response

from services.gateway import access, fleet
from services.gateway.api_keys import ALL, Scope
from services.gateway.composition import Gateway
from services.gateway.web import answer
from shared.errors import RequestError, TransientError
from shared.metrics import CONTENT_TYPE
from shared.ports import JobQuery


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

    @router.get("/metrics", summary="Metrics of this gateway and of the fleet")
    async def metrics() -> Response:
        """Prometheus' text format; with the scrape's own token, or a key that reads all libraries. What follows from
        the shared store is the same at every gateway, counters are this process's own."""
        if access.bound() is not None:
            raise RequestError("forbidden")
        return Response(await gateway.gauges.exposition(), media_type=CONTENT_TYPE)

    @router.get("/api/system/status", summary="The whole system at a glance")
    async def status() -> Response:
        """Services with versions and free workers, queue depths, the oldest wait, every open job that the key sees."""
        return answer(await fleet.status(gateway))

    @router.get("/api/key", summary="What the key of this request opens")
    async def key() -> Response:
        """Scopes and libraries (`*`: all of them); what needs another scope is refused with 403."""
        shown = access.current()
        if shown is None:
            return answer({"id": "", "scopes": list(get_args(Scope)), "libraries": [ALL], "note": ""})
        return answer({name: getattr(shown, name) for name in ("id", "scopes", "libraries", "note")})

    @router.get("/api/libraries", summary="Libraries, and their jobs by status")
    async def libraries() -> Response:
        """Those that hold a document and that the key reaches."""
        names = [name async for name in gateway.storage.names("") if access.visible(name)]
        rows = [{"libraryId": name, "jobs": await gateway.jobs.counts(JobQuery(library_id=name))} for name in names]
        return answer({"libraries": [row for row in rows if row["jobs"]]})

    return router
