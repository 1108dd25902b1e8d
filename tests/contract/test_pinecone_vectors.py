"""What only Pinecone does: limits, partial answers, 429 and 500, reads that lag behind writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from shared.adapters.pinecone_records import CUT_MARK, vector_id
from shared.adapters.pinecone_vectors import PineconeVectors
from shared.errors import ConfigurationError, TransientError
from shared.ports import VectorRow
from tests.contract.test_vector_store import ANYTHING, row, unit
from tests.support.pinecone_emulator import PineconeEmulator

UPSERT = "/vectors/upsert"
T = TypeVar("T")


@pytest.fixture
async def emulator() -> AsyncIterator[PineconeEmulator]:
    async with PineconeEmulator(4) as running:
        yield running


@pytest.fixture
async def store(emulator: PineconeEmulator) -> AsyncIterator[PineconeVectors]:
    opened = PineconeVectors("key", emulator.url, "e@4", 4, consistency_seconds=5, timeout=2, deadline=3)
    await opened.open()
    yield opened
    await opened.close()


async def test_requests_keep_both_limits(emulator: PineconeEmulator, store: PineconeVectors) -> None:
    await store.write([row(f"r{i}", text="x" * 3_000) for i in range(2_500)])
    assert emulator.largest_request < 2_000_000
    assert emulator.counts[UPSERT] >= 4
    assert len(emulator.stored["lib"]) == 2_500


async def test_a_text_too_long_for_the_metadata_is_cut_marked_and_counted(store: PineconeVectors) -> None:
    await store.write([row("a", text='日本 "\\\n' * 20_000), row("b", text="short")])
    texts = {hit.row.row_id: hit.row.text for hit in await store.search(unit(1, 1, 1, 1), "", ANYTHING, 5)}
    assert texts["a"].endswith(CUT_MARK)
    assert len(texts["a"]) > 4_000
    assert texts["b"] == "short"
    assert store.texts_cut == 1


async def test_metadata_that_cannot_be_cut_is_refused(store: PineconeVectors) -> None:
    with pytest.raises(ConfigurationError, match="metadata"):
        await store.write([row("a", extra={"x": "y" * 50_000})])


async def test_rate_limit_is_waited_out(emulator: PineconeEmulator, store: PineconeVectors) -> None:
    emulator.fail(UPSERT, 429, headers={"Retry-After": "0.3"})
    began = time.monotonic()
    await store.write([row("a")])
    assert time.monotonic() - began >= 0.3
    assert await store.count("doc-1", "g1") == 1


async def test_a_rate_limit_that_lasts_is_told_to_the_caller(
    emulator: PineconeEmulator, store: PineconeVectors
) -> None:
    emulator.fail(UPSERT, 429, times=4, headers={"Retry-After": "0.1"})
    with pytest.raises(TransientError) as caught:
        await store.write([row("a")])
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 0.1)


async def test_a_wait_longer_than_the_deadline_is_not_waited(
    emulator: PineconeEmulator, store: PineconeVectors
) -> None:
    emulator.fail(UPSERT, 429, headers={"Retry-After": "600"})
    began = time.monotonic()
    with pytest.raises(TransientError):
        await store.write([row("a")])
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("status", [500, 503, 408, 0])
async def test_passing_failures_are_repeated(emulator: PineconeEmulator, store: PineconeVectors, status: int) -> None:
    emulator.fail(UPSERT, status)
    await store.write([row("a")])
    assert await store.count("doc-1", "g1") == 1


async def test_lasting_failures_are_transient_and_other_batches_arrive(emulator: PineconeEmulator) -> None:
    store = PineconeVectors("key", emulator.url, "e@4", 4, deadline=30, concurrency=1)
    await store.open()
    emulator.fail(UPSERT, 500, times=4)
    with pytest.raises(TransientError):
        await store.write([row("a"), row("b", library_id="lib2", document_id="doc-2")])
    assert (len(emulator.stored["lib"]), len(emulator.stored["lib2"])) == (0, 1)
    await store.close()


async def test_a_timeout_is_transient(emulator: PineconeEmulator) -> None:
    store = PineconeVectors("key", emulator.url, "e@4", 4, timeout=0.1, deadline=0.4)
    emulator.delay = 0.5
    with pytest.raises(TransientError):
        await store.open()
    await store.close()


async def test_a_refused_key_is_configuration_and_not_shown(emulator: PineconeEmulator, store: PineconeVectors) -> None:
    emulator.fail("/query", 401, body={"message": "key sekret is wrong"})
    with pytest.raises(ConfigurationError) as caught:
        await store.search(unit(1, 1, 1, 1), "", ANYTHING.__class__(library_ids=["lib"]), 5)
    assert "sekret" not in caught.value.message
    assert emulator.counts["/query"] == 1


async def test_a_partial_upsert_is_completed(emulator: PineconeEmulator, store: PineconeVectors) -> None:
    emulator.take = 3
    await store.write([row(f"r{i}") for i in range(10)])
    assert len(emulator.stored["lib"]) == 10


async def test_count_waits_for_what_was_acknowledged(emulator: PineconeEmulator, store: PineconeVectors) -> None:
    emulator.lag = 0.4
    await store.write([row(f"r{i}") for i in range(10)])
    assert await store.count("doc-1", "g1") == 10


async def test_the_wait_is_bounded(emulator: PineconeEmulator) -> None:
    store = PineconeVectors("key", emulator.url, "e@4", 4, consistency_seconds=0.2)
    await store.open()
    emulator.lag = 5
    await store.write([row("a")])
    assert await store.count("doc-1", "g1") == 0
    await store.close()


@pytest.mark.timeout(240)
async def test_the_ids_are_exact_although_a_tenth_of_all_requests_fails(emulator: PineconeEmulator) -> None:
    """Twenty documents in two generations, as ingestions write them: whoever gets an error begins again."""
    store = PineconeVectors("key", emulator.url, "e@4", 4, consistency_seconds=10, deadline=20)
    await store.open()
    emulator.unreliable, emulator.lag = 0.1, 0.02

    async def again(work: Callable[[], Awaitable[T]]) -> T:
        for _ in range(50):
            try:
                return await work()
            except TransientError:
                await asyncio.sleep(0.01)
        raise AssertionError("never succeeded")

    def rows(document: int, generation: str) -> list[VectorRow]:
        about = {"document_id": f"doc-{document}", "library_id": f"lib{document % 2}", "generation": generation}
        return [row(f"{generation}-{n}", text="x" * 500, **about) for n in range(150)]

    async def tidied(document: int, generation: str) -> int:
        return await store.tidy(f"doc-{document}", await store.others(f"doc-{document}", generation))

    async def ingest(document: int) -> None:
        for generation in ("g1", "g2"):
            made = rows(document, generation)
            for first in range(0, len(made), 50):
                await again(lambda some=made[first : first + 50]: store.write(some))  # type: ignore[misc]
            assert await again(lambda known=generation: store.count(f"doc-{document}", known, "chunk")) == 150  # type: ignore[misc]
            doc = row("doc", kind="doc", document_id=f"doc-{document}", library_id=f"lib{document % 2}", generation="")
            await again(lambda meta=doc: store.put_doc(meta, insert_only=False))  # type: ignore[misc]
            await again(lambda known=generation: tidied(document, known))  # type: ignore[misc]

    await asyncio.gather(*map(ingest, range(20)))
    await asyncio.sleep(0.1)  # what the listing did not show yet is left to the next tidy
    for document in range(20):
        await again(lambda known=document: tidied(known, "g2"))  # type: ignore[misc]
    wanted = {vector_id(one) for document in range(20) for one in rows(document, "g2")}
    found = {name for library in ("lib0", "lib1") for name in emulator.stored[library]}
    assert {name for name in found if not name.endswith("doc")} == wanted
    assert len(found) == len(wanted) + 20
    assert set(emulator.mishaps) == {"429", "500", "503", "broken before", "broken after", "partial"}
    await store.close()
