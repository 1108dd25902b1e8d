"""What only Milvus does: a server that dies, long texts, several clients at once, words found by BM25."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.milvus_records import MOST_BYTES
from shared.adapters.milvus_vectors import MilvusVectors
from shared.adapters.pinecone_records import CUT_MARK
from shared.adapters.vector_choice import VectorSettings, choose_vectors
from shared.adapters.wordllama_embedder import WordLlamaEmbedder
from shared.errors import ConfigurationError, TransientError
from tests.contract.test_vector_store import ANYTHING, row, unit
from tests.support import milvus_server as milvus

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def store(milvus_server: milvus.MilvusServer) -> AsyncIterator[MilvusVectors]:
    opened = MilvusVectors(milvus_server.uri, "", "e@4", 4, collection=f"own_{uuid.uuid4().hex[:12]}")
    await opened.open()
    yield opened
    await opened.close()


async def test_a_word_is_found_although_its_vector_is_far_away(store: MilvusVectors) -> None:
    rows = [row(f"r{i}", text=f"plain text {i}", vector=unit(1, 0.01 * i, 0, 0)) for i in range(30)]
    await store.write([*rows, row("rare", text="an Ärmelschoner", vector=unit(0, 0, 0, 1))])
    hits = await store.search([1.0, 0.0, 0.0, 0.0], "Ärmelschoner", ANYTHING, 5)
    assert "rare" in [hit.row.row_id for hit in hits]


async def test_a_text_too_long_for_its_field_is_cut_marked_and_counted(store: MilvusVectors) -> None:
    await store.write([row("a", text="日本 " * 20_000), row("b", text="short")])
    texts = {hit.row.row_id: hit.row.text for hit in await store.search(unit(1, 1, 1, 1), "", ANYTHING, 5)}
    assert texts["a"].endswith(CUT_MARK)
    assert MOST_BYTES - 10 < len(texts["a"].encode()) <= MOST_BYTES
    assert (texts["b"], store.texts_cut) == ("short", 1)


async def test_clients_that_write_at_once_lose_and_double_nothing(
    milvus_server: milvus.MilvusServer, store: MilvusVectors
) -> None:
    names = ("one", "two", "three")
    clients = [MilvusVectors(milvus_server.uri, "", "e@4", 4, collection=f"race_{uuid.uuid4().hex[:8]}")]
    clients += [MilvusVectors(milvus_server.uri, "", "e@4", 4, collection=clients[0].collection) for _ in names[1:]]
    await asyncio.gather(*(client.open() for client in clients))

    async def write(client: MilvusVectors, name: str) -> None:
        for number in range(20):
            own = [row(f"{name}-{number}-{part}", document_id=name) for part in "ab"]
            await client.write([*own, row(f"shared-{number % 5}", document_id="shared")])

    await asyncio.gather(*(write(client, name) for client, name in zip(clients, names, strict=True)))
    assert [await clients[0].count(name, "g1") for name in (*names, "shared")] == [40, 40, 40, 5]
    for client in clients:
        await client.close()


async def test_kill_9_of_the_server_keeps_every_acknowledged_row(tmp_path: Path) -> None:
    if reason := milvus.missing():
        pytest.skip(reason)
    server = milvus.start(tmp_path / "milvus")
    if server.process is None:
        pytest.skip("the given server is not ours to kill")
    store = MilvusVectors(server.uri, "", "e@4", 4, deadline=20)
    await store.open()
    await store.write([row(f"r{i}") for i in range(700)])
    await store.put_doc(row("doc", kind="doc", extra={"chunkCount": 700}), insert_only=True)
    server.process.kill()
    server.process.wait()
    with pytest.raises(TransientError):
        await store.count("doc-1", "g1")
    await store.close()
    again = milvus.start(tmp_path / "milvus")
    later = MilvusVectors(again.uri, "", "e@4", 4)
    await later.open()
    assert await later.count("doc-1", "g1") == 700
    kept = await later.get_doc("doc-1")
    assert kept is not None
    assert kept.extra == {"chunkCount": 700}
    await later.close()
    again.stop()


async def test_a_server_that_is_not_there_is_transient() -> None:
    if reason := milvus.missing():
        pytest.skip(reason)
    store = MilvusVectors(f"http://127.0.0.1:{milvus.free_port()}", "", "e@4", 4, deadline=3)
    with pytest.raises(TransientError):
        await store.open()
    await store.close()


def test_milvus_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SHADOWTWIN_MILVUS_URI"):
        choose_vectors(VectorSettings(vector_store="milvus"), tmp_path, WordLlamaEmbedder())
