"""Rebuilding and re-embedding over the real phases: from the twins alone, the same ids, bytes and answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.gateway.twin_records import RECORD, TwinRecords, recorded
from shared.adapters.openai_embedder import EmbeddingEndpoint, OpenAIEmbedder
from shared.document import Document
from shared.errors import ShadowtwinError
from shared.job import StepName
from shared.ports import Embedder
from shared.testing.memory import MemoryStorage
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors
from tests.support.gateway import World, world
from tests.support.openai_emulator import KEY, OpenAIEmulator
from tests.support.pdfs import text_pdf
from tests.support.phases import Route, real_phases

COUNT = 20
OTHER = "other@16"
EMBEDDINGS = "/v1/embeddings"
QUESTIONS = ("otters of river seven", "page about lanterns", "river 12")


async def fill(gateway: World, count: int = COUNT, embedder: Embedder | None = None) -> list[str]:
    route, ids = Route(gateway, real_phases(gateway, embedder=embedder)), []
    for number in range(count):
        text = f"Otters of river {number}. " + " ".join(f"Lantern {number * part} burns." for part in range(1, 9))
        accepted = await gateway.upload(text_pdf(text), name=f"paper-{number}.pdf", libraryId=f"lib{number % 2}")
        ids.append(str(accepted["documentId"]))
    await route.run()
    return ids


async def made_anew(gateway: World, what: str, phases: Any = None, **body: Any) -> dict[str, Any]:
    state = (await gateway.http.post(f"/api/system/{what}", json=body)).json()
    while not state["finished"]:
        await asyncio.sleep(0)
        state = (await gateway.http.get(f"/api/system/rebuild/{state['handle']}")).json()
    await gateway.settle()
    route = Route(gateway, phases)
    await route.run()
    return {**state, "phases": route.phases}


async def answers(gateway: World) -> list[Any]:
    found = []
    for question in QUESTIONS:
        answer = await gateway.http.post("/api/search", json={"query": question, "top": 10})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["hits"])
    return found


def chunks(storage: MemoryStorage) -> dict[str, bytes]:
    return {key: content for key, content in storage.objects.items() if key.endswith("/chunks.jsonl")}


def counters(document: Document | None) -> tuple[Any, ...]:
    assert document is not None
    return (
        document.generation, document.chunk_count, document.chapters_count, document.counts, document.pages,
        document.item_id, document.name, document.sha256, document.metadata, document.artefacts,
        document.made_from, document.status, document.created_at,
    )  # fmt: skip


async def test_twenty_documents_come_back_from_their_twins_alone() -> None:
    async with world() as first:
        ids = await fill(first)
        hits, files = await answers(first), chunks(first.storage)
        before = [counters(await first.documents.get(document_id)) for document_id in ids]
        rows = {key: row for key, row in first.vectors.rows.items()}
        storage = first.storage
    assert len(files) == COUNT
    assert all(hits)
    async with world(storage=storage) as later:
        state = await made_anew(later, "rebuild")
        assert (state["found"], state["restored"], state["started"], state["refusals"]) == (COUNT, COUNT, COUNT, 0)
        works = [(step, phase.works) for step, phase in state["phases"].items()]
        assert works == [(StepName.EXTRACT, 0), (StepName.TRANSFORM, 0), (StepName.INGEST, COUNT)]
        assert chunks(later.storage) == files
        assert [counters(await later.documents.get(document_id)) for document_id in ids] == before
        assert later.vectors.rows == rows
        assert await answers(later) == hits


async def test_a_rebuild_over_what_is_there_changes_nothing_and_may_be_of_one_library() -> None:
    async with world() as gateway:
        ids = await fill(gateway, 4)
        before = [counters(await gateway.documents.get(document_id)) for document_id in ids]
        rows = dict(gateway.vectors.rows)
        state = await made_anew(gateway, "rebuild", libraryId="lib1")
        assert (state["found"], state["restored"], state["started"]) == (2, 0, 2)
        assert [counters(await gateway.documents.get(document_id)) for document_id in ids] == before
        assert gateway.vectors.rows == rows


async def test_a_twin_without_its_record_is_restored_from_its_manifests() -> None:
    async with world() as first:
        (document_id,) = await fill(first, 1)
        before = await first.documents.get(document_id)
        assert before is not None
        storage = first.storage
        del storage.objects[f"lib0/{document_id}/{RECORD}"]
    async with world(storage=storage) as later:
        state = await made_anew(later, "rebuild")
        assert (state["restored"], state["refusals"]) == (1, 0)
        after = await later.documents.get(document_id)
        assert after is not None
        told = ("generation", "chunk_count", "item_id", "sha256", "size", "name", "pages", "artefacts")
        assert [getattr(after, name) for name in told] == [getattr(before, name) for name in told]


async def test_a_record_of_another_place_is_refused_and_named() -> None:
    async with world() as gateway:
        (document_id,) = await fill(gateway, 1)
        storage = gateway.storage
        key = f"lib0/{document_id}/{RECORD}"
        wrong = msgspec.json.decode(storage.objects[key])
        wrong["artefacts"]["source"]["key"] = "lib1/doc-of-somebody-else/source.pdf"
        storage.objects[key] = msgspec.json.encode(wrong)
        with pytest.raises(ShadowtwinError, match="another document"):
            await recorded(storage, "lib0", document_id)
    async with world(storage=storage) as later:
        state = await made_anew(later, "rebuild")
        assert (state["found"], state["started"], list(state["refused"])) == (1, 0, [document_id])


async def test_the_record_beside_the_twin_is_the_newest_although_writers_race() -> None:
    storage = MemoryStorage()
    async with world(storage=storage) as gateway:
        (document_id,) = await fill(gateway, 1)

        async def change(number: int) -> None:
            while True:
                document = await gateway.documents.get(document_id)
                assert document is not None
                changed = msgspec.structs.replace(document, counts={**document.counts, f"n{number}": number})
                if await gateway.documents.put(changed):
                    return

        await asyncio.gather(*(change(number) for number in range(10)))
        stored = await gateway.documents.get(document_id)
        assert stored is not None
        kept = msgspec.json.decode(storage.objects[f"lib0/{document_id}/{RECORD}"], type=Document)
        assert kept == stored


async def test_a_deleted_document_leaves_no_record() -> None:
    storage = MemoryStorage()
    async with world(storage=storage) as gateway:
        (document_id,) = await fill(gateway, 1)
        await gateway.documents.delete(document_id)
        assert f"lib0/{document_id}/{RECORD}" not in storage.objects


@contextlib.asynccontextmanager
async def paid_endpoint(name: str = "m") -> AsyncIterator[tuple[OpenAIEmulator, OpenAIEmbedder]]:
    async with OpenAIEmulator() as server:
        embedder = OpenAIEmbedder(EmbeddingEndpoint(base_url=f"{server.url}/v1", api_key=KEY, model=name, dimension=16))
        yield server, embedder
        await embedder.close()


async def test_a_rebuild_pays_a_paid_embedder_nothing() -> None:
    async with paid_endpoint() as (server, embedder):
        vectors = MemoryVectors(embedder.name)
        async with world(vectors=vectors) as first:
            ids = await fill(first, embedder=embedder)
            files, rows, storage = chunks(first.storage), dict(vectors.rows), first.storage
            before = [counters(await first.documents.get(document_id)) for document_id in ids]
        paid = server.counts[EMBEDDINGS]
        assert paid >= 1
        async with world(storage=storage, vectors=MemoryVectors(embedder.name)) as later:
            state = await made_anew(later, "rebuild", real_phases(later, embedder=embedder))
            assert (state["started"], state["phases"][StepName.INGEST].works) == (COUNT, COUNT)
            assert server.counts[EMBEDDINGS] == paid
            assert chunks(later.storage) == files
            assert later.vectors.rows == rows
            assert [counters(await later.documents.get(document_id)) for document_id in ids] == before


async def test_going_back_to_a_former_embedder_pays_nothing() -> None:
    async with paid_endpoint("one") as (one, first), paid_endpoint("two") as (two, second):
        async with world(vectors=MemoryVectors(first.name)) as gateway:
            await fill(gateway, 3, embedder=first)
            jobs, documents, storage = gateway.jobs, gateway.gateway.documents._documents, gateway.storage
        assert isinstance(documents, TwinRecords)
        calls = []
        for embedder in (second, first):
            index = MemoryVectors(embedder.name)
            async with world(jobs=jobs, documents=documents._documents, storage=storage, vectors=index) as gateway:
                gateway.gateway.rebuilding._embedder = embedder.name
                state = await made_anew(gateway, "reembed", real_phases(gateway, embedder=embedder))
                assert state["started"] == 3
                calls.append((one.counts[EMBEDDINGS], two.counts[EMBEDDINGS]))
        assert calls[0][1] >= 1
        assert calls[1] == calls[0]


async def test_another_version_of_the_same_embedder_is_made_anew() -> None:
    async with world() as first:
        await fill(first, 2)
        jobs, documents, storage = first.jobs, first.gateway.documents._documents, first.storage
    assert isinstance(documents, TwinRecords)
    newer = HashEmbedder()
    newer.version = "2"
    async with world(jobs=jobs, documents=documents._documents, storage=storage) as gateway:
        gateway.gateway.rebuilding._version = "2"
        assert (await made_anew(gateway, "reembed", real_phases(gateway, embedder=newer)))["started"] == 2
        assert (await made_anew(gateway, "reembed", real_phases(gateway, embedder=newer)))["found"] == 0


class OtherEmbedder(HashEmbedder):
    """Another model by name."""

    def __init__(self) -> None:
        super().__init__()
        self.name = OTHER


async def test_only_vectors_of_another_embedder_are_made_anew_and_no_text_is_read_again() -> None:
    async with world() as first:
        ids = await fill(first, 4)
        jobs, documents, storage = first.jobs, first.gateway.documents._documents, first.storage
    assert isinstance(documents, TwinRecords)
    fresh = MemoryVectors(OTHER, 16)
    async with world(jobs=jobs, documents=documents._documents, storage=storage, vectors=fresh) as gateway:
        gateway.gateway.rebuilding._embedder = OTHER
        phases = real_phases(gateway, embedder=OtherEmbedder())
        state = await made_anew(gateway, "reembed", phases)
        assert (state["found"], state["started"]) == (4, 4)
        assert [phase.works for phase in phases.values()] == [0, 0, 4]
        for document_id in ids:
            document = await gateway.documents.get(document_id)
            assert document is not None
            assert document.made_from["embedder"] == OTHER
            assert await fresh.count(document_id, document.generation) == document.chunk_count > 0
        assert (await made_anew(gateway, "reembed", phases))["found"] == 0


async def test_an_unknown_handle_and_a_wrong_body_are_told() -> None:
    async with world() as gateway:
        assert (await gateway.http.get("/api/system/rebuild/none")).status_code == 404
        assert (await gateway.http.post("/api/system/rebuild", json={"colour": 1})).status_code == 400
        answer = await gateway.http.post("/api/system/rebuild", json={"libraryId": "../x"})
        assert (answer.status_code, "libraryId" in answer.json()["detail"]) == (400, True)
