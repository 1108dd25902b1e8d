"""A worker process, written once: health endpoint, broker, gateway client, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from shared import metrics, route
from shared.adapters.http_gateway import HttpGateway
from shared.adapters.nats_bus import NatsBus
from shared.adapters.nats_roll_call import answered_by
from shared.adapters.trace_choice import close_tracing, open_tracing
from shared.aside import Aside
from shared.events import JobEvent
from shared.log import configure
from shared.parent import watch
from shared.phase import Disposition, Phase, handle
from shared.pressure import Pressure
from shared.settings import Settings
from shared.ticket import Ticket

logger = logging.getLogger("worker")

DRAIN_SECONDS = 30.0
"""A drain that takes longer is cut off: whatever holds it, the lease of the work is taken over by another worker."""


async def run(
    service: str,
    settings: Settings,
    phase_of: Callable[[], AbstractAsyncContextManager[Phase | Sequence[Phase]]],
    concurrency: int,
    waits: Callable[[Ticket], bool] = lambda ticket: False,
) -> None:
    """Serve a phase, or several, until SIGTERM or SIGINT; running work is then given time to end.

    `phase_of` opens what they need (child processes, models, stores) and closes it at the end. Each takes up to
    `concurrency` pieces of work. Tickets for which `waits` is true are no work of this machine: they hold no place.
    """
    configure(service, settings.log_level)
    open_tracing(service)
    metrics.name_process(service)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    watch(stopping.set)
    ready = asyncio.Event()
    async with _health(settings, ready), phase_of() as opened:
        phases = opened if isinstance(opened, Sequence) else [opened]
        gateway = HttpGateway(settings.gateway_url, settings.service_token())
        bus = NatsBus(settings.nats_url, service, settings.nats_login())
        answered_by(bus.broker, service, settings.owner)
        aside = Aside(waits)
        pressure = Pressure(settings.memory_pause_share)
        serving = asyncio.create_task(_serve(bus, phases, gateway, settings.owner, concurrency, ready, aside, pressure))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
            await stopped
        logger.info("draining")
        _end_after(DRAIN_SECONDS)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await aside.close()
        await bus.stop()
        await gateway.close()
        await close_tracing()


async def _serve(
    bus: NatsBus,
    phases: Sequence[Phase],
    gateway: HttpGateway,
    owner: str,
    concurrency: int,
    ready: asyncio.Event,
    aside: Aside,
    pressure: Pressure,
) -> None:
    def taking(phase: Phase) -> Callable[[JobEvent], Awaitable[Disposition]]:
        async def take(event: JobEvent) -> Disposition:
            async with pressure.place():
                return await handle(event, phase, gateway, owner, aside)

        return take

    legs = {leg: phase for phase in phases for leg in route.ROUTE if leg.step == phase.step}
    await bus.connect()
    await bus.wait_for_consumers(list(legs))
    for leg, phase in legs.items():
        bus.subscribe(leg, taking(phase), workers=concurrency)
    for phase in phases:
        bus.answer_gates(phase)
    await bus.start()
    ready.set()
    logger.info("ready")


def _end_after(seconds: float) -> None:
    """End the process at the latest then, whatever the event loop is waiting for."""
    timer = threading.Timer(seconds, os._exit, [75])
    timer.daemon = True
    timer.start()


@contextlib.asynccontextmanager
async def _health(settings: Settings, ready: asyncio.Event) -> AsyncIterator[None]:
    async def live(request: web.Request) -> web.Response:
        return web.json_response({"live": True})

    async def is_ready(request: web.Request) -> web.Response:
        return web.json_response({"ready": ready.is_set()}, status=200 if ready.is_set() else 503)

    token = settings.metrics_token()

    async def scraped(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and not hmac.compare_digest(shown.encode(), token.encode()):
            return web.json_response({"code": "unauthorized"}, status=401)
        return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/live", live), web.get("/ready", is_ready), web.get("/metrics", scraped)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    logger.info("health", extra={"port": runner.addresses[0][1]})
    try:
        yield
    finally:
        await runner.cleanup()
