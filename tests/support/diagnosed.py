"""Diagnoses COUNT documents that are made on demand; says what the run found and its peak of memory, as JSON.

A process of its own, so that nothing but the diagnosis is measured: `python -m tests.support.diagnosed COUNT`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from services.gateway.explaining import Explainer
from services.gateway.health.doctor import Doctor, row_of
from services.gateway.health.facts import Examiner
from services.gateway.health.rules import Selection
from shared.document import Document, DocumentStatus
from shared.job import Artefact
from shared.testing.memory import MemoryDocuments, MemoryJobs, MemoryStorage
from shared.testing.memory_vectors import MemoryVectors

T = TypeVar("T")
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


class Endless(MemoryDocuments):
    """So many failed documents whose files are gone, made when they are asked for."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        start = int(cursor or 0)
        end = min(start + limit, self._count)
        return [_document(number) for number in range(start, end)], str(end) if end < self._count else None


def _document(number: int) -> Document:
    document_id, library = f"doc-{number:024x}", f"library-{number % 1000}"
    at = CREATED - timedelta(seconds=number)
    source = Artefact(key=f"{library}/{document_id}/source.pdf", sha256=f"{number:064x}", size=number + 1)
    return Document(
        document_id=document_id, library_id=library, item_id=document_id, sha256=source.sha256, name=f"{number}.pdf",
        size=source.size, created_at=at, updated_at=at, artefacts={"source": source}, status=DocumentStatus.ERROR,
        error=f"artefact_missing: number {number} is gone",
    )  # fmt: skip


async def _ready() -> dict[str, int | None]:
    return {}


async def counted(examined: AsyncIterator[T]) -> AsyncIterator[tuple[int, T]]:
    number = 0
    async for one in examined:
        number += 1
        yield number, one


async def diagnosed(count: int) -> tuple[dict[str, Any], int]:
    """What the run says, and the most memory that it had at once."""
    jobs, storage = MemoryJobs(), MemoryStorage()
    explainer = Explainer(jobs, lambda: True, _ready, 7.0)
    run = Doctor(Endless(count), Examiner(jobs, storage, MemoryVectors(), explainer.explain)).run(Selection())
    tracemalloc.start()
    try:
        async for number, examined in counted(run.documents()):
            row_of(examined)
            if number % 500 == 0:
                gc.collect()  # a collector that knows many old objects lets cycles lie for long
        end = await run.end()
        return end, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    json.dump(asyncio.run(diagnosed(int(sys.argv[1]))), sys.stdout)
