"""What only LanceDB does: several processes on one folder, kill -9, full-text search and its upkeep."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.lancedb_vectors import LanceVectors, fuse
from shared.errors import ConfigurationError, TransientError
from shared.ports import VectorFilter
from tests.contract.test_vector_store import ANYTHING, row, unit

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LanceVectors]:
    opened = LanceVectors(tmp_path / "v", "e@4", 4, idle_seconds=0.05)
    await opened.open()
    yield opened
    await opened.close()


async def start_writer(folder: Path, name: str, writes: int, shared: int = 5) -> Process:
    arguments = [str(folder), name, str(writes), str(shared)]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.lance_writer", *arguments, cwd=ROOT, stdout=PIPE, stderr=PIPE
    )


async def test_writers_that_race_lose_and_double_nothing_and_readers_see_whole_writes(
    store: LanceVectors, tmp_path: Path
) -> None:
    writers = [await start_writer(tmp_path / "v", name, 25) for name in ("one", "two", "three")]
    ended = asyncio.gather(*(writer.communicate() for writer in writers))
    while not ended.done():
        seen = await store.count("doc-one", "g1")
        assert seen % 2 == 0, "a reader saw half of a write"
        await store.search(unit(1, 1, 1, 1), "text", ANYTHING, 5)
        await asyncio.sleep(0.01)
    for writer, (_, errors) in zip(writers, await ended, strict=True):
        assert writer.returncode == 0, errors.decode()
    assert [await store.count(f"doc-{name}", "g1") for name in ("one", "two", "three", "shared")] == [50, 50, 50, 5]
    found = await store.search(unit(1, 1, 1, 1), "", VectorFilter(document_ids=["doc-shared"]), 100)
    assert len(found) == 5


async def test_a_new_folder_opened_by_several_processes_at_once(tmp_path: Path) -> None:
    writers = [await start_writer(tmp_path / "new", f"w{i}", 3) for i in range(3)]
    for writer in writers:
        _, errors = await writer.communicate()
        assert writer.returncode == 0, errors.decode()
    store = LanceVectors(tmp_path / "new", "e@4", 4)
    await store.open()
    assert [await store.count(f"doc-w{i}", "g1") for i in range(3)] == [6, 6, 6]
    assert (await store.search(unit(1, 1, 1, 1), "text", ANYTHING, 5)) != []
    await store.close()


async def test_kill_9_keeps_every_acknowledged_row_and_the_folder_usable(store: LanceVectors, tmp_path: Path) -> None:
    writer = await start_writer(tmp_path / "v", "one", 10_000)
    assert writer.stdout is not None
    for _ in range(20):
        acknowledged = int(await writer.stdout.readline())
    writer.kill()
    rest, _ = await writer.communicate()
    acknowledged = max([acknowledged, *map(int, rest.split())])
    kept = await store.count("doc-one", "g1")
    # the write that was under way is there whole or not at all
    assert kept in (2 * (acknowledged + 1), 2 * (acknowledged + 2))
    await store.write([row("after", document_id="doc-2")])
    await store.optimize()
    assert (await store.count("doc-2", "g1"), await store.count("doc-one", "g1")) == (1, kept)


async def test_words_are_found_at_once_in_any_script_whatever_the_vectors_say(store: LanceVectors) -> None:
    texts = {"de": "Die Größe der Otter", "ja": "私は日本語を勉強します", "code": "part number QX-4711"}
    await store.write([row(name, text=text) for name, text in texts.items()])
    await store.write([row(f"other{i}", text="nothing to see") for i in range(20)])
    for query, wanted in (("GROSSE", None), ("größe", "de"), ("勉強", "ja"), ("qx 4711", "code")):
        first = (await store.search(unit(1, 2, 3, 4), query, ANYTHING, 5))[0].row.row_id
        assert wanted in (None, first), query


@pytest.mark.parametrize("query", ['"', "a AND", "(", "+-*:^~", "\0", "'; DROP", " ", "🙂", "word " * 5_000, "\ud800"])
async def test_any_query_text_is_answered(store: LanceVectors, query: str) -> None:
    await store.write([row("a", text="some word")])
    assert [hit.row.row_id for hit in await store.search(unit(1, 1, 1, 1), query, ANYTHING, 5)] == ["a"]


async def test_rankings_are_fused_by_reciprocal_ranks() -> None:
    a, b, c = row("a"), row("b"), row("c")
    hits = fuse([[a, b], [b, c]])
    assert [hit.row.row_id for hit in hits] == ["b", "a", "c"]
    assert [hit.score for hit in hits] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62])


async def test_the_index_is_brought_up_to_date_beside_the_requests(store: LanceVectors) -> None:
    for number in range(12):
        await store.write([row(f"r{number}-{i}", text=f"word{i}") for i in range(25)])
    await until_indexed(store)
    assert await store.count("doc-1", "g1") == 300


async def test_what_a_crashed_writer_left_outside_the_index_is_taken_up(tmp_path: Path) -> None:
    careless = LanceVectors(tmp_path / "v", "e@4", 4, upkeep=False)
    await careless.open()
    await careless.write([row(f"r{i}", text=f"word{i}") for i in range(300)])
    assert await unindexed(careless) == 300
    await careless.close()
    store = LanceVectors(tmp_path / "v", "e@4", 4, idle_seconds=0.05)
    await store.open()
    await until_indexed(store)
    await store.close()


async def test_insert_only_is_atomic_between_connections(tmp_path: Path) -> None:
    stores = [LanceVectors(tmp_path / "v", "e@4", 4, upkeep=False) for _ in range(6)]
    for opened in stores:
        await opened.open()
    rows = [row("doc", kind="doc", extra={"by": number}) for number in range(6)]
    await asyncio.gather(*(s.put_doc(r, insert_only=True) for s, r in zip(stores, rows, strict=True)))
    found = await stores[0].search(unit(1, 1, 1, 1), "", ANYTHING, 10)
    assert len(found) == 1
    for opened in stores:
        await opened.close()


async def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    store = LanceVectors(tmp_path / "file" / "v", "e@4", 4)
    with pytest.raises((ConfigurationError, TransientError)):
        await store.open()
    await store.close()


async def unindexed(store: LanceVectors) -> int:
    entries = await store._rows.table.list_indices()
    return max(entry.num_unindexed_rows or 0 for entry in entries)


async def until_indexed(store: LanceVectors) -> None:
    async with asyncio.timeout(20):
        while await unindexed(store):
            await asyncio.sleep(0.05)
