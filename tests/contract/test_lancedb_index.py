"""The index of the vectors in LanceDB: made when a table has grown, beside readers and writers, hiding nothing."""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters import lancedb_indexes
from shared.adapters.lancedb_vectors import LanceVectors
from shared.ports import VectorFilter, VectorRow
from tests.contract.test_vector_store import row, unit

ROOT = Path(__file__).parents[2]
DIMENSION = 16
LIBRARY = VectorFilter(library_ids=["lib"], kinds=["chunk"])


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large here."""
    monkeypatch.setattr(lancedb_indexes, "LEAST_ROWS", 1_000)
    monkeypatch.setattr(lancedb_indexes, "PARTITION_ROWS", 100)
    monkeypatch.setattr(lancedb_indexes, "PROBES", 12)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LanceVectors]:
    opened = LanceVectors(tmp_path / "v", "e@16", DIMENSION, upkeep=False)
    await opened.open()
    yield opened
    await opened.close()


def rows_of(first: int, count: int) -> list[VectorRow]:
    """Around fifty centres, as texts lie around topics."""
    made = []
    for number in range(first, first + count):
        topic, own = random.Random(number % 50), random.Random(1_000 + number)
        vector = unit(*(topic.gauss(0, 1) + own.gauss(0, 0.5) for _ in range(DIMENSION)))
        made.append(row(f"r{number}", document_id=f"doc-{number // 100}", vector=vector, text=f"word{number}"))
    return made


async def names(store: LanceVectors) -> list[str]:
    return [entry.name for entry in await store._rows.table.list_indices() if "vector" in entry.columns]


async def recall(store: LanceVectors, rows: list[VectorRow], where: VectorFilter = LIBRARY) -> float:
    found = 0
    queries = rows[:: len(rows) // 20][:20]
    for query in queries:
        exact = sorted(rows, key=lambda one: -sum(map(float.__mul__, one.vector, query.vector)))[:10]
        hits = await store.search(query.vector, "", where, 10)
        found += len({hit.row.row_id for hit in hits} & {one.row_id for one in exact})
    return found / (10 * len(queries))


async def test_a_small_table_is_searched_exactly(store: LanceVectors) -> None:
    rows = rows_of(0, 400)
    await store.write(rows)
    await store.optimize()
    assert await names(store) == []
    assert await recall(store, rows) == 1.0


async def test_a_large_one_has_an_index_that_finds_nearly_all_of_what_is_nearest(store: LanceVectors) -> None:
    rows = rows_of(0, 2_000)
    await store.write(rows)
    await store.optimize()
    assert await names(store) == ["vector_20"]
    assert await recall(store, rows) >= 0.95


async def test_rows_outside_of_it_are_found_at_once_and_deleted_ones_never(store: LanceVectors) -> None:
    await store.write(rows_of(0, 1_500))
    await store.optimize()
    (new,) = rows_of(9_000, 1)
    await store.write([new])
    assert (await store.search(new.vector, "", LIBRARY, 5))[0].row.row_id == new.row_id
    await store.delete_document(new.document_id)
    assert all(hit.row.row_id != new.row_id for hit in await store.search(new.vector, "", LIBRARY, 5))


async def test_one_documents_rows_are_all_found_however_far_away(store: LanceVectors) -> None:
    rows = rows_of(0, 2_000)
    await store.write(rows)
    await store.optimize()
    hits = await store.search(rows[0].vector, "", VectorFilter(document_ids=["doc-19"]), 100)
    assert len(hits) == 100
    assert await recall(store, rows[1_900:], VectorFilter(document_ids=["doc-19"])) == 1.0


async def test_a_filter_that_few_rows_pass_still_fills_the_answer(store: LanceVectors) -> None:
    rows = rows_of(0, 2_000)
    rare = [row(f"x{n}", document_id=f"doc-{n}", chapter="Rare", vector=rows[n * 30].vector) for n in range(15)]
    await store.write([*rows, *rare])
    await store.optimize()
    hits = await store.search(rows[7].vector, "", VectorFilter(library_ids=["lib"], chapter="Rare"), 15)
    assert len(hits) == 15


async def test_a_small_library_in_a_large_index_is_found_whole(
    store: LanceVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lancedb_indexes, "PROBES", 1)
    rows = rows_of(0, 2_000)
    own = [row(f"x{n}", library_id="small", document_id=f"doc-x{n}", vector=rows[n].vector) for n in range(40)]
    await store.write([*rows, *own])
    await store.optimize()
    hits = await store.search(rows[7].vector, "", VectorFilter(library_ids=["small"]), 40)
    assert len(hits) == 40


async def test_it_is_made_anew_when_the_table_has_grown_much_and_not_before(store: LanceVectors) -> None:
    await store.write(rows_of(0, 1_000))
    await store.optimize()
    await store.write(rows_of(1_000, 1_000))
    await store.optimize()
    assert await names(store) == ["vector_10"]
    await store.write(rows := rows_of(2_000, 2_000))
    await store.optimize()
    assert await names(store) == ["vector_40"]
    hits = await store.search(rows[0].vector, "", LIBRARY, 1)
    assert [hit.row.row_id for hit in hits] == [rows[0].row_id]


async def test_the_upkeep_makes_it_for_a_table_from_before_there_was_one(store: LanceVectors, tmp_path: Path) -> None:
    await store.write(rows_of(0, 1_500))
    await store._rows.table.optimize()
    tended = LanceVectors(tmp_path / "v", "e@16", DIMENSION, idle_seconds=0.05)
    await tended.open()
    async with asyncio.timeout(60):
        while not await names(store):
            await asyncio.sleep(0.05)
    await tended.close()


async def test_searches_and_writes_go_on_while_it_is_made(store: LanceVectors, tmp_path: Path) -> None:
    rows = rows_of(0, 3_000)
    await store.write(rows)
    other = LanceVectors(tmp_path / "v", "e@16", DIMENSION, upkeep=False)
    await other.open()
    making = asyncio.create_task(store.optimize())
    written = 3_000
    while not making.done():
        await other.write(rows_of(written, 20))
        written += 20
        newest = rows_of(written - 1, 1)[0]
        assert (await other.search(newest.vector, "", LIBRARY, 1))[0].row.row_id == newest.row_id
    await making
    assert len(await names(store)) == 1
    assert await other._rows.table.count_rows() == written
    await other.close()


@pytest.mark.timeout(240)
async def test_a_process_killed_while_it_makes_the_index_leaves_a_table_that_works(
    store: LanceVectors, tmp_path: Path
) -> None:
    rows = rows_of(0, 3_000)
    await store.write(rows)
    chance = random.Random(3)
    for _ in range(6):
        maker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.lance_indexer", str(tmp_path / "v"), cwd=ROOT, stdout=PIPE, stderr=PIPE
        )
        assert maker.stdout is not None
        assert await maker.stdout.readline() == b"ready\n"
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        if maker.returncode is None:
            maker.kill()
        await maker.communicate()
        assert await recall(store, rows) >= 0.95
        await store.write(rows[:10])
    await store.optimize()
    assert await store._rows.table.count_rows() == 3_000
    assert await recall(store, rows) >= 0.95
