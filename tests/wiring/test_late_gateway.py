"""A gateway that comes late, because it was frozen or its store slow: what others have done meanwhile stays."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace

from services.gateway.delivered import doc_row
from shared.job import StepName
from shared.ports import VectorRow
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors
from tests.support.gateway import World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route


class SlowVectors(MemoryVectors):
    """A store without compare-and-swap: the next insert of a document's row has looked, and takes so long to write that
    `meanwhile` has happened. `between` happens after a document's row has been replaced."""

    meanwhile: Callable[[], Awaitable[None]] | None = None
    between: Callable[[], Awaitable[None]] | None = None

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        if insert_only and self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
            insert_only = False
        await super().put_doc(row, insert_only=insert_only)
        if not insert_only and self.between is not None:
            happens, self.between = self.between, None
            await happens()


@pytest.fixture
def vectors() -> SlowVectors:
    return SlowVectors()


@pytest.fixture
async def gateway(vectors: SlowVectors) -> AsyncIterator[World]:
    async with world(vectors=vectors) as made:
        yield made


async def document_of(gateway: World) -> str:
    accepted = await gateway.upload(text_pdf("The keeper wrote the weather down."), itemId="a", libraryId="lib")
    return str(accepted["documentId"])


async def ingested(gateway: World) -> tuple[str, Route, str]:
    """A document that has gone all the way, by which route, and its generation."""
    name, route = await document_of(gateway), Route(gateway)
    await route.run()
    document = await gateway.documents.get(name)
    assert document is not None
    return name, route, document.generation


async def test_a_late_insert_does_not_set_the_documents_row_back(gateway: World, vectors: SlowVectors):
    name = await document_of(gateway)

    async def finished_by_another() -> None:
        document = await gateway.documents.get(name)
        assert document is not None
        newer = replace(document, chunk_count=7, generation="newer")
        assert await gateway.documents.put(newer)
        await vectors.put_doc(doc_row(newer, HashEmbedder().dimension), insert_only=False)

    vectors.meanwhile = finished_by_another
    await Route(gateway).run(until=StepName.TRANSFORM)
    row = await vectors.get_doc(name)
    assert row is not None
    assert (row.generation, row.extra["chunkCount"]) == ("newer", 7)


async def test_tidying_late_removes_only_what_was_old_before_the_switch(gateway: World, vectors: SlowVectors):
    name, route, first = await ingested(gateway)
    rows = [row for row in vectors.rows.values() if row.generation == first and row.kind == "chunk"]

    async def ingested_by_another() -> None:
        await vectors.write([replace(row, generation="later") for row in rows])

    vectors.between = ingested_by_another
    await gateway.upload(text_pdf("Another keeper counted the birds."), itemId="a", libraryId="lib")
    await route.run()
    document = await gateway.documents.get(name)
    assert document is not None
    assert document.generation != first
    assert await vectors.others(name, document.generation) == ["later"]


async def test_a_generation_that_has_come_back_meanwhile_is_not_tidied_away(gateway: World, vectors: SlowVectors):
    name, route, first = await ingested(gateway)

    async def the_first_again_by_another() -> None:
        record = await gateway.documents.get(name)
        assert record is not None
        assert await gateway.documents.put(replace(record, generation=first))

    vectors.between = the_first_again_by_another
    await gateway.upload(text_pdf("Another keeper counted the birds."), itemId="a", libraryId="lib")
    await route.run()
    assert await vectors.count(name, first) > 0
