"""The extractor's composition root."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from services.extractor.workspace import Workspace
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
        workspace = Workspace()
        await asyncio.to_thread(workspace.sweep)
        children = Children(PRELOAD)
        await children.start()
        try:
            yield Extraction(FolderStorage(settings.data_dir / "twins"), children, settings, workspace)
        finally:
            await children.close()

    await run("extractor", settings, opened, settings.concurrency)
