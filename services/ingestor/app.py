"""The ingestor's composition root."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from services.ingestor.ingestion import Ingestion
from services.ingestor.settings import IngestorSettings
from shared.adapters.image_choice import ImageSettings, choose_images
from shared.adapters.model_choice import choose_limits
from shared.adapters.storage_choice import opened_storage
from shared.adapters.vector_choice import VectorSettings, choose_embedder, choose_vectors
from shared.adapters.wordllama_tokens import WordLlamaTokenizer
from shared.worker import run


async def serve() -> None:
    """Run the ingestor until it is told to stop."""
    settings = IngestorSettings()

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Ingestion]:
        chosen = VectorSettings()
        limits = choose_limits(settings.nats_url, settings.nats_login())
        embedder = choose_embedder(chosen, limits)
        vectors = choose_vectors(chosen, settings.data_dir, embedder)
        images = choose_images(ImageSettings(), chosen, settings.data_dir, embedder, limits)
        await vectors.open()
        try:
            if not embedder.costly:  # what is paid or slow begins with the first job, which is told what fails
                await embedder.embed(["warm up"])
            async with opened_storage(settings.data_dir) as storage:
                yield Ingestion(storage, vectors, embedder, WordLlamaTokenizer(), settings, *(images or ()))
        finally:
            if images:
                await images[1].close()
                await images[0].close()
            await vectors.close()
            await limits.close()

    await run("ingestor", settings, opened, settings.concurrency)
