"""The extractor's composition root."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from shared.adapters.folder_storage import FolderStorage
from shared.child import Children
from shared.worker import run

PRELOAD = ["services.extractor.child_extract"]
"""Imported once in the forkserver, so that a child starts in milliseconds."""


async def serve() -> None:
    """Run the extractor until it is told to stop."""
    settings = ExtractorSettings()

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Extraction]:
        children = Children(PRELOAD)
        await children.start()
        try:
            yield Extraction(FolderStorage(settings.data_dir / "twins"), children, settings)
        finally:
            await children.close()

    await run("extractor", settings, opened, settings.concurrency)
