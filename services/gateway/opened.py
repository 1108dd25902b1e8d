"""The gateway with all it needs opened: stores, storage, vectors, broker, and its work in the background."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from services.gateway.api_keys import KeyRing
from services.gateway.background import supervised
from services.gateway.composition import Gateway
from services.gateway.dead_letters import DeadLetters
from services.gateway.secrets import internal_token, service_credentials
from services.gateway.settings import GatewaySettings
from services.gateway.stores.choice import stores
from shared.adapters.image_choice import ImageSettings, choose_images
from shared.adapters.model_choice import choose_limits
from shared.adapters.nats_bus import NatsBus
from shared.adapters.storage_choice import choose_direct, opened_bucket, opened_storage
from shared.adapters.vector_choice import VectorSettings, choose_embedder, choose_vectors
from shared.adapters.vector_process import VectorProcess
from shared.broker_login import ANYBODY


@contextlib.asynccontextmanager
async def opened(settings: GatewaySettings, *, reading: bool = False) -> AsyncIterator[Gateway]:
    """The gateway with everything opened, closed in the reverse order."""
    jobs, documents, uploads, direct, alerts, webhooks = stores(settings)
    chosen = VectorSettings()
    login = ANYBODY if reading else settings.nats_login()
    limits = choose_limits(None if reading else settings.nats_url, login)
    away = None if reading else VectorProcess()
    embedder = choose_embedder(chosen, limits, away=away)
    vectors = choose_vectors(chosen, settings.data_dir, embedder, upkeep=False, away=away)
    images = choose_images(ImageSettings(), chosen, settings.data_dir, embedder, limits, upkeep=False, away=away)
    streams = {"stream_bytes": settings.stream_bytes, "replicas": settings.stream_replicas}
    bus = None if reading else NatsBus(settings.nats_url, "gateway", login, owner=True, **streams)
    credentials = {} if reading else service_credentials(settings.service_credentials_file)
    internal = "" if reading else internal_token(settings.internal_token_file)
    keys = None if reading else KeyRing(settings.api_keys_file)
    places = contextlib.AsyncExitStack()
    storage = await places.enter_async_context(opened_storage(settings.data_dir))
    buckets = {name: await places.enter_async_context(opened_bucket(name)) for name in settings.other_buckets}
    parts = (storage, vectors, embedder, bus, credentials, internal, buckets, images, keys, uploads)
    made = Gateway(
        settings,
        jobs,
        documents,
        *parts,
        direct=direct,
        direct_storage=choose_direct(storage),
        alerts=alerts,
        webhooks=webhooks,
        lanes=limits.states,
    )
    await jobs.open()
    tasks: list[asyncio.Task[None]] = []
    try:
        if not reading:
            assert bus is not None
            dead_letters = DeadLetters(made.orchestrator, bus)
            work = (
                made.intake.sweep_uploads,
                made.upload_log.forget_old,
                made.serve_bus,
                made.sweeper.run,
                made.direct_sweep.run,
                made.admission.run,
                made.watch.run,
                made.dispatcher.run,
                dead_letters.run,
                made.trust.open,
                vectors.open,
            )
            tasks = [asyncio.create_task(supervised(each)) for each in work]
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.direct.stop()
        await made.orchestrator.stop()
        await made.external.close()
        await made.page_pictures.close()
        if bus is not None:
            await bus.stop()
        if images:
            await images[1].close()
            await images[0].close()
        await limits.close()
        await vectors.close()
        if away is not None:
            await away.close()
        await jobs.close()
        await places.aclose()
