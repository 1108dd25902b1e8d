"""The extractor's composition root."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha256

from services.extractor.external import ExternalLane
from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from services.extractor.workspace import Workspace
from shared.adapters.storage_choice import opened_storage
from shared.child import Children
from shared.external import is_external
from shared.sealing import Sealing
from shared.ticket import Ticket
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
            async with (
                opened_storage(settings.data_dir) as storage,
                contextlib.aclosing(ExternalLane(storage, settings, workspace)) as external,
            ):
                sealing = Sealing(sha256(settings.service_token().encode()).hexdigest())
                yield Extraction(storage, children, settings, workspace, external, sealing)
        finally:
            await children.close()

    await run("extractor", settings, opened, settings.concurrency, waits_for_others)


def waits_for_others(ticket: Ticket) -> bool:
    """Whether the work is done elsewhere, so that it holds no place here."""
    return is_external(ticket.parameters.extraction_method)
