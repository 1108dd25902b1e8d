"""LanceDB and WordLlama in a process of their own: every method of the ports comes through as it is, and the process
may die.

The whole contract (test_vector_store.py) holds for it as well; that is not repeated here, because each test would start
a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.index_identity import IndexIdentity
from shared.adapters.lancedb_vectors import LanceVectors
from shared.adapters.vector_process import AwayEmbedder, AwayVectors, VectorProcess
from shared.adapters.wordllama_embedder import DIMENSION, NAME, WordLlamaEmbedder
from shared.errors import ConfigurationError, TransientError
from shared.ports import Census
from tests.contract.test_vector_store import ANYTHING, HOSTILE, row, unit

MADE_BY = IndexIdentity("e@4", 4, "1")


@pytest.fixture
async def process() -> AsyncIterator[VectorProcess]:
    made = VectorProcess()
    yield made
    await made.close()


def store_of(process: VectorProcess, folder: Path, made_by: IndexIdentity = MADE_BY) -> AwayVectors:
    return AwayVectors(process, str(folder), "vectors", made_by, upkeep=True)


async def test_every_method_gives_what_the_store_itself_gives(process: VectorProcess, tmp_path: Path) -> None:
    store = store_of(process, tmp_path)
    await store.open()
    rows = [
        row(f"r{at}", text=text, vector=unit(1, at, 2, 3), scale="small", pages=[1, 2])
        for at, text in enumerate(HOSTILE)
    ]
    await store.write(rows)
    await store.write([row("old", generation="g0"), row("picture", kind="image")])
    await store.put_doc(row("doc-meta-doc-1", kind="doc", extra={"name": "é\0", "n": 1}), insert_only=False)
    own = LanceVectors(tmp_path, "e@4", 4)
    await own.open()
    assert await store.count("doc-1", "g1", "chunk") == await own.count("doc-1", "g1", "chunk") == len(rows)
    assert await store.census({"doc-1": "g1", "no": ""}) == await own.census({"doc-1": "g1", "no": ""})
    assert await store.get_doc("doc-1") == await own.get_doc("doc-1")
    assert await store.get_doc("no") is None
    query = (unit(1, 1, 1, 1), "it's", ANYTHING, 100)
    assert await store.search(*query) == await own.search(*query)
    there = [each async for each in store.rows_of("doc-1", "chunk", vectors=True)]
    here = [each async for each in own.rows_of("doc-1", "chunk", vectors=True)]
    assert {each.row_id: each for each in there} == {each.row_id: each for each in here}
    assert await store.tidy("doc-1", await store.others("doc-1", "g1")) == 1
    await store.delete_document("doc-1")
    assert await own.census({"doc-1": "g1"}) == {"doc-1": Census()}
    await own.close()
    with pytest.raises(ConfigurationError, match="index_mismatch"):
        await store_of(process, tmp_path, IndexIdentity("other@4", 4, "1")).open()


async def test_the_embedder_gives_the_same_vectors(process: VectorProcess) -> None:
    texts = ["A lighthouse.", "", "\ud800 lone", "日本'語🙂"]
    away = AwayEmbedder(process, NAME, DIMENSION, "1")
    assert await away.embed(texts) == await WordLlamaEmbedder().embed(texts)


async def test_a_process_that_dies_is_a_passing_failure_and_another_one_starts(
    process: VectorProcess, tmp_path: Path
) -> None:
    store = store_of(process, tmp_path)
    await store.write([row()])
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    with contextlib.suppress(TransientError):
        while process._process is not None:
            await asyncio.sleep(0.01)
    assert await store.count("doc-1", "g1") == 1
    os.kill(process._process.pid, signal.SIGSTOP)
    calls = [asyncio.create_task(store.count("doc-1", "g1")) for _ in range(3)]
    await asyncio.sleep(0)
    os.kill(process._process.pid, signal.SIGKILL)
    for call in calls:
        with pytest.raises(TransientError):
            await call


async def test_the_process_ends_with_its_starter(tmp_path: Path) -> None:
    process = VectorProcess()
    await store_of(process, tmp_path).open()
    child, writer = process._process, process._writer
    assert child is not None
    assert writer is not None
    writer.transport.abort()
    assert await asyncio.wait_for(child.wait(), 20) == 0
    await process.close()
