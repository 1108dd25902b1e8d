"""The transformer's composition root."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from services.transformer.discovery_stage import ProductDiscovery
from services.transformer.images.eyes import ModelEyes, OfflineEyes
from services.transformer.images.quality import QualityPass
from services.transformer.images.stage import Images
from services.transformer.metadata import Metadata
from services.transformer.model_analyzer import ModelAnalyzer
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.records.stage import Records
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Stage
from services.transformer.transformation import Transformation
from shared.adapters.model_choice import ModelSettings, choose_limits, choose_models
from shared.adapters.storage_choice import opened_storage
from shared.adapters.vector_choice import VectorSettings, choose_embedder
from shared.child import Children
from shared.ports import Storage
from shared.worker import run

PRELOAD = ["services.transformer.child_transform"]
"""Imported once in the forkserver, so that a child starts in milliseconds."""


async def serve() -> None:
    """Run the transformer until it is told to stop."""
    settings = TransformerSettings()

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Transformation, QualityPass]]:
        async with opened_storage(settings.data_dir) as storage, parts(storage) as made:
            yield made

    @contextlib.asynccontextmanager
    async def parts(storage: Storage) -> AsyncIterator[tuple[Transformation, QualityPass]]:
        login = settings.nats_login()
        models = choose_models(ModelSettings(), storage, settings.nats_url, login)
        limits = choose_limits(settings.nats_url, login)
        # one for all jobs, made when the first job asks: most never do
        embedder = functools.cache(lambda: choose_embedder(VectorSettings(), limits))
        children = Children(PRELOAD)
        try:
            await asyncio.gather(children.start(), models.prepare() if models else asyncio.sleep(0))
            offline = OfflineAnalyzer(children, settings)
            analyzer = ModelAnalyzer(models, offline, settings) if models else offline
            records = Records(storage, analyzer, embedder)
            eyes = ModelEyes(models, offline, settings) if models else OfflineEyes(offline, settings)
            stages: list[Stage] = [
                Metadata(storage, analyzer),
                ProductDiscovery(analyzer),
                Images(eyes, settings),
                records,
            ]
            yield Transformation(storage, stages), QualityPass(storage, eyes)
        finally:
            await children.close()
            await limits.close()
            if models:
                await models.close()

    await run("transformer", settings, opened, settings.concurrency)
