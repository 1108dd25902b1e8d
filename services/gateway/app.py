"""The gateway's HTTP application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import Depends, FastAPI

from services.gateway.access import Door, guard
from services.gateway.composition import Gateway
from services.gateway.described import describing
from services.gateway.opened import opened
from services.gateway.routes import (
    alerts,
    batches,
    bundles,
    catalogue,
    console,
    documents,
    external,
    health,
    inspection,
    jobs,
    pages,
    pictures,
    records,
    storage_events,
    system,
    templates,
    uploads,
    webhooks,
    workers,
)
from services.gateway.settings import GatewaySettings
from services.gateway.telemetry.requests import Measured
from services.gateway.web import BodyLimit, install_errors
from shared.adapters.trace_choice import application_telemetry
from shared.version import VERSION

FORM_BYTES = 1 << 20
"""Allowance for the other fields of an upload's form."""


def create_app(gateway: Gateway | None) -> FastAPI:
    """The application over an opened gateway; None only describes it."""
    app = FastAPI(title="Shadowtwin", version=VERSION, telemetry=application_telemetry())
    install_errors(app)
    describing.install(app)
    if gateway is not None:
        app.add_middleware(Measured)
        app.add_middleware(BodyLimit, limit=gateway.settings.max_upload_bytes + FORM_BYTES)
    if gateway is not None:
        app.router.routes[:0] = workers.hot(workers.routes(gateway))
        if gateway.keys is not None:
            app.add_middleware(Door, keys=gateway.keys, scraper=gateway.settings.metrics_token())
    seen = [Depends(guard(lambda job_id: gateway.jobs.get(job_id)))] if gateway is not None else []
    read = (alerts, documents, catalogue, health, pages, pictures, records, templates, system, webhooks)
    for module in (batches, bundles, jobs, inspection, workers, external, uploads, storage_events, *read):
        app.include_router(module.routes(gateway), dependencies=seen)
    app.include_router(console.routes(gateway))
    return app


@contextlib.asynccontextmanager
async def application(settings: GatewaySettings, *, reading: bool = False) -> AsyncIterator[FastAPI]:
    """The application with everything it needs opened."""
    async with opened(settings, reading=reading) as made:
        yield create_app(made)
