"""The transformer's composition root."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from services.transformer.discovery_stage import ProductDiscovery
from services.transformer.images.eyes import ModelEyes, OfflineEyes
from services.transformer.images.quality import QualityPass
from services.transformer.images.stage import Images
from services.transformer.metadata import Metadata
from services.transformer.model_analyzer import ModelAnalyzer
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.provenance import Asked, made_by
from services.transformer.records.stage import Records
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Stage
from services.transformer.transformation import Transformation
from shared.adapters.model_choice import ModelSettings, choose_limits, choose_models
from shared.adapters.storage_choice import opened_storage
from shared.adapters.vector_choice import VectorSettings, choose_embedder
from shared.child import Children
from shared.models import Models
from shared.ports import Embedder, Storage
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
            note = functools.partial(made_by, settings, Asked.of(ModelSettings()))
            yield phases(storage, children, models, settings, embedder, note)
        finally:
            await children.close()
            await limits.close()
            if models:
                await models.close()

    await run("transformer", settings, opened, settings.concurrency)


def phases(
    storage: Storage,
    children: Children,
    models: Models | None,
    settings: TransformerSettings,
    embedder: Callable[[], Embedder],
    note: Callable[[str], dict[str, Any]],
) -> tuple[Transformation, QualityPass]:
    """The transformer's phases over opened parts; without models the offline analyzer. `note` says, given the
    analyzer's name, what files are made with."""
    offline = OfflineAnalyzer(children, settings)
    analyzer = ModelAnalyzer(models, offline, settings) if models else offline
    eyes = ModelEyes(models, offline, settings) if models else OfflineEyes(offline, settings)
    stages: list[Stage] = [
        Metadata(storage, analyzer),
        ProductDiscovery(analyzer),
        Images(eyes, settings),
        Records(storage, analyzer, embedder),
    ]
    return Transformation(storage, stages, note(analyzer.name)), QualityPass(storage, eyes)
