"""What all scenarios share: a folder, a shelf of PDFs, a source of chance, and a stack that nobody disturbs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from infra.faults import snapshot
from infra.faults.checker import Undisturbed
from infra.faults.pdfs import Shelf
from infra.faults.snapshot import Row
from infra.faults.world import World


class Reference:
    """The same PDFs through a stack where nothing is broken; started when it is first asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._world: World | None = None
        self._lock = asyncio.Lock()
        self._known: dict[str, Undisturbed] = {}

    async def of(self, pdfs: Mapping[str, Path]) -> dict[str, Undisturbed]:
        """What each of these documents (id -> PDF) gives when it is left alone."""
        async with self._lock:
            new = {document_id: pdf for document_id, pdf in pdfs.items() if document_id not in self._known}
            if new:
                await self._process(new)
            return {document_id: self._known[document_id] for document_id in pdfs if document_id in self._known}

    async def _process(self, pdfs: Mapping[str, Path]) -> None:
        if self._world is None:
            self._world = await World(self._folder, proxied=()).__aenter__()
        accepted = await self._world.load(pdfs.values())
        await self._world.ended(*accepted)
        rows = await asyncio.to_thread(snapshot.lance_rows, self._folder / "vectors")
        self._known |= undisturbed_of(rows, [one.document_id for one in accepted], self._folder / "twins")

    async def close(self) -> None:
        """End its stack; raises Violated if even that one did something wrong."""
        if self._world is not None:
            await self._world.__aexit__(None, None, None)


def undisturbed_of(rows: list[Row], documents: list[str], twins: Path) -> dict[str, Undisturbed]:
    """Chunks and rows by document, of a data folder at rest."""
    seen = snapshot.Snapshot()
    snapshot.read_storage(seen, twins)
    return {
        document_id: Undisturbed(
            [str(chunk["chunk_id"]) for chunk in seen.chunks.get(document_id, ())],
            frozenset((row.key, row.digest) for row in rows if row.document_id == document_id),
        )
        for document_id in documents
    }


class Bench:
    """Handed to every scenario."""

    def __init__(self, folder: Path, seed: int, reference: Reference, number: int, gateways: int = 1) -> None:
        self.folder, self.seed, self.reference, self.gateways = folder, seed, reference, gateways
        self.chance = random.Random(seed * 1_000 + number)
        self.shelf = Shelf(folder.parent / "pdfs")
        self.number = number
        self._papers = number * 10_000
        self._worlds = 0
        self.said: list[str] = []

    def say(self, what: str) -> None:
        """Add to the result's note."""
        self.said.append(what)

    def paper(self, pages: int = 3) -> Path:
        """A PDF that nobody else of this run has."""
        self._papers += 1
        return self.shelf.pdf(self._papers, pages)

    def papers(self, count: int, pages: int = 3) -> list[Path]:
        """Several of them."""
        return [self.paper(pages) for _ in range(count)]

    @contextlib.asynccontextmanager
    async def world(
        self,
        settings: dict[str, str] | None = None,
        *,
        compare: Callable[[dict[str, Path]], Any] | None = None,
        **options: Any,
    ) -> AsyncIterator[World]:
        """A stack to break; compared with the reference at the end. Its folder goes if all was well."""
        self._worlds += 1
        folder = self.folder / f"world-{self._worlds}"
        canary = self.paper(1)
        options = {"gateways": self.gateways, **options}
        world = World(folder, settings, undisturbed=compare or self.reference.of, canary=canary, **options)
        async with world:
            yield world
        shutil.rmtree(folder, ignore_errors=True)
