"""The contract of the VectorStore port: one suite on the fake, on LanceDB, on Pinecone's SDK over an emulator and on a
Milvus server."""

from __future__ import annotations

import contextlib
import math
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.lancedb_vectors import LanceVectors
from shared.adapters.milvus_vectors import MilvusVectors
from shared.adapters.pinecone_vectors import PineconeVectors
from shared.errors import ConfigurationError
from shared.ports import Census, VectorFilter, VectorRow, VectorStore
from shared.testing.memory_vectors import MemoryVectors
from tests.support.milvus_server import MilvusServer
from tests.support.pinecone_emulator import PineconeEmulator

DIMENSION = 4
ANYTHING = VectorFilter()
HOSTILE = [
    "it's", "a''b", "\\'", "' OR 1=1 --", "x'); DROP TABLE vectors;--", "nul\0inside", "日本'語🙂", "\n\r\t", "%_",
    "#/..", "", " ", '"q"', "${x} {y} $1 ?", "é" * 300, "a" * 600,
]  # fmt: skip

Opener = Callable[..., AbstractAsyncContextManager[VectorStore]]


@pytest.fixture(params=["memory", "lancedb", "pinecone", "milvus"])
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    """Opens stores on one and the same place, as processes that come one after another would."""
    memory = MemoryVectors("e@4", DIMENSION)
    milvus: MilvusServer | None = request.getfixturevalue("milvus_server") if request.param == "milvus" else None
    collection = f"contract_{uuid.uuid4().hex[:12]}"
    async with PineconeEmulator(DIMENSION) as emulator:

        @contextlib.asynccontextmanager
        async def open_store(
            embedder: str = "e@4", dimension: int = DIMENSION, version: str = "1"
        ) -> AsyncIterator[VectorStore]:
            store: Any = memory
            memory._embedder, memory._dimension, memory._version = embedder, dimension, version
            made = (embedder, dimension)
            if request.param == "lancedb":
                store = LanceVectors(tmp_path / "vectors", *made, version=version)
            elif request.param == "pinecone":
                store = PineconeVectors("key", emulator.url, *made, version=version, consistency_seconds=0.3)
            elif milvus is not None:
                store = MilvusVectors(milvus.uri, "", *made, version=version, collection=collection)
            try:
                await store.open()
                yield store
            finally:
                await store.close()

        yield open_store


@pytest.fixture
async def store(opener: Opener) -> AsyncIterator[VectorStore]:
    async with opener() as opened:
        yield opened


def unit(*values: float) -> list[float]:
    length = math.hypot(*values)
    return [value / length for value in values]


def row(row_id: str = "r1", **fields: Any) -> VectorRow:
    given: dict[str, Any] = {
        "row_id": row_id, "kind": "chunk", "library_id": "lib", "document_id": "doc-1", "file_id": "item-1",
        "generation": "g1", "vector": unit(1, 2, 3, 4),
    }  # fmt: skip
    return VectorRow(**(given | fields))


async def ids(store: VectorStore, where: VectorFilter = ANYTHING, vector: list[float] | None = None) -> list[str]:
    hits = await store.search(vector or unit(1, 1, 1, 1), "", where, 100)
    return [hit.row.row_id for hit in hits]


def without_vector(row: VectorRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__ if name != "vector"}


async def test_every_field_of_a_row_comes_back(store: VectorStore) -> None:
    full = row(
        text="Ein Text\nmit Zeilen 日本", scale="small", position=7, chapter="A > B", pages=[3, 4, 12],
        extra={"spans": [[0, 5], [9, 12]], "n": None, "x": 1.5, "deep": {"a": ["ü"]}},
    )  # fmt: skip
    await store.write([full])
    hits = await store.search(full.vector, "", ANYTHING, 5)
    assert [without_vector(hit.row) for hit in hits] == [without_vector(full)]
    assert hits[0].row.vector == []


async def test_a_search_finds_the_nearest_first_and_no_more_than_asked(store: VectorStore) -> None:
    vectors = [unit(1, 0, 0, 0.1), unit(0, 1, 0, 0), unit(0.9, 0.1, 0, 0), unit(0, 0, 1, 0)]
    await store.write([row(f"r{i}", vector=vector) for i, vector in enumerate(vectors)])
    hits = await store.search([1.0, 0.0, 0.0, 0.0], "", ANYTHING, 2)
    assert {hit.row.row_id for hit in hits} == {"r0", "r2"}
    assert hits[0].score >= hits[1].score


async def test_writing_again_replaces_and_counts_once(store: VectorStore) -> None:
    await store.write([row("a", text="old"), row("b"), row("b", text="last wins")])
    await store.write([row("a", text="new")])
    assert await store.count("doc-1", "g1") == 2
    texts = {hit.row.row_id: hit.row.text for hit in await store.search(unit(1, 1, 1, 1), "", ANYTHING, 9)}
    assert texts == {"a": "new", "b": "last wins"}


async def test_writing_nothing_is_allowed(store: VectorStore) -> None:
    await store.write([])
    assert await store.count("doc-1", "g1") == 0
    assert await ids(store) == []


async def test_count_is_by_document_generation_and_kind(store: VectorStore) -> None:
    await store.write([row("a"), row("b", kind="summary"), row("c", generation="g2"), row("d", document_id="doc-2")])
    assert await store.count("doc-1", "g1") == 2
    assert await store.count("doc-1", "g1", "chunk") == 1
    assert await store.count("doc-1", "g2") == 1
    assert await store.count("doc-3", "g1") == 0


async def test_generations_with_the_same_row_ids_coexist(store: VectorStore) -> None:
    await store.write([row("a", generation="g1", text="one"), row("b", generation="g1")])
    await store.write([row("a", generation="g2", text="two")])
    assert (await store.count("doc-1", "g1"), await store.count("doc-1", "g2")) == (2, 1)
    found = {(hit.row.row_id, hit.row.generation) for hit in await store.search(unit(1, 1, 1, 1), "", ANYTHING, 9)}
    assert found == {("a", "g1"), ("b", "g1"), ("a", "g2")}


async def test_tidy_removes_other_generations_of_this_document_only(store: VectorStore) -> None:
    await store.put_doc(row("doc", kind="doc", generation="g0"), insert_only=False)
    await store.write([row("a", generation="g1"), row("b", generation="g1"), row("a", generation="g2")])
    await store.write([row("z", document_id="doc-2", generation="g1"), row("a", generation="g2x")])
    assert sorted(await store.others("doc-1", "g2")) == ["g1", "g2x"]
    assert await store.tidy("doc-1", []) == 0
    assert await store.tidy("doc-1", ["g1"]) == 2
    assert await store.others("doc-1", "g2") == ["g2x"]
    assert await store.tidy("doc-1", ["g1", "g2x"]) == 1
    assert await store.others("doc-1", "g2") == []
    assert (await store.count("doc-1", "g1"), await store.count("doc-1", "g2")) == (0, 1)
    assert await store.count("doc-2", "g1") == 1
    assert await store.get_doc("doc-1") is not None


async def test_insert_only_never_sets_counters_back(store: VectorStore) -> None:
    first = row("doc", kind="doc", generation="", extra={"chunkCount": 0})
    await store.put_doc(first, insert_only=True)
    await store.put_doc(row("doc", kind="doc", generation="g1", extra={"chunkCount": 12}), insert_only=False)
    await store.put_doc(first, insert_only=True)
    kept = await store.get_doc("doc-1")
    assert kept is not None
    assert (kept.extra, kept.generation) == ({"chunkCount": 12}, "g1")
    assert kept.vector == pytest.approx(first.vector, abs=1e-6)
    assert await store.get_doc("doc-2") is None


async def test_a_document_has_one_doc_row_that_no_generation_counts(store: VectorStore) -> None:
    for name in ("one", "two"):
        await store.put_doc(row(name, kind="doc"), insert_only=False)
    assert await ids(store, VectorFilter(kinds=["doc"])) == ["two"]
    assert await store.count("doc-1", "g1") == 0


async def test_filters_are_all_applied(store: VectorStore) -> None:
    await store.write([
        row("a", scale="small"), row("b", scale="large"), row("c", kind="summary"),
        row("d", document_id="doc-2", scale="small"), row("e", library_id="other", document_id="doc-3", scale="small"),
    ])  # fmt: skip
    assert set(await ids(store, VectorFilter(library_ids=["lib"]))) == {"a", "b", "c", "d"}
    assert set(await ids(store, VectorFilter(library_ids=["other", "lib"]))) == {"a", "b", "c", "d", "e"}
    assert set(await ids(store, VectorFilter(kinds=["chunk"], scale="small"))) == {"a", "d", "e"}
    assert await ids(store, VectorFilter(document_ids=["doc-2"], kinds=["chunk", "summary"])) == ["d"]
    assert await ids(store, VectorFilter(library_ids=["other"], document_ids=["doc-1"])) == []
    assert await ids(store, VectorFilter(library_ids=["nowhere"])) == []


@pytest.mark.parametrize("where", [VectorFilter(library_ids=[]), VectorFilter(document_ids=[]), VectorFilter(kinds=[])])
async def test_an_empty_list_matches_nothing(store: VectorStore, where: VectorFilter) -> None:
    await store.write([row("a")])
    assert await ids(store, where) == []


async def test_delete_document_leaves_nothing_of_it_and_all_of_others(store: VectorStore) -> None:
    await store.put_doc(row("doc", kind="doc"), insert_only=False)
    await store.write([row("a"), row("a", generation="g2"), row("b", document_id="doc-2")])
    await store.delete_document("doc-1")
    await store.delete_document("doc-1")
    assert await ids(store) == ["b"]
    assert await store.get_doc("doc-1") is None
    assert await store.count("doc-1", "g1") == 0


async def test_a_later_process_finds_counts_tidies_and_deletes(opener: Opener) -> None:
    async with opener() as writer:
        await writer.write([row("a"), row("b", generation="g2"), row("c", document_id="doc-2")])
        await writer.put_doc(row("doc", kind="doc"), insert_only=True)
    async with opener() as later:
        assert (await later.count("doc-1", "g1"), await later.count("doc-1", "g2")) == (1, 1)
        assert await later.get_doc("doc-1") is not None
        assert await later.tidy("doc-1", await later.others("doc-1", "g2")) == 1
        await later.delete_document("doc-2")
        assert await ids(later, VectorFilter(kinds=["chunk"])) == ["b"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_strings_are_only_data(store: VectorStore, text: str) -> None:
    bystander = row("bystander", document_id="doc-2", library_id="lib2")
    own = row(
        text, document_id=text, generation=text, library_id=text, file_id=text, text=text, chapter=text, scale=text,
        extra={text: text},
    )  # fmt: skip
    await store.write([bystander, own])
    where = VectorFilter(library_ids=[text], document_ids=[text], scale=text)
    hits = await store.search(own.vector, text, where, 10)
    assert [without_vector(hit.row) for hit in hits] == [without_vector(own)]
    assert await store.count(text, text, "chunk") == 1
    assert await store.others(text, text) == []
    assert await store.tidy(text, ["another"]) == 0
    (other,) = await store.others(text, "another")
    assert await store.tidy(text, [other]) == 1
    await store.write([own])
    assert await store.tidy(text, [text]) == 1
    await store.delete_document(text)
    assert await ids(store) == ["bystander"]


async def test_a_census_counts_by_kind_and_tells_the_current_generation_from_others(store: VectorStore) -> None:
    await store.write([row("a"), row("b"), row("s", kind="summary"), row("a", generation="g0"), row("i", kind="image")])
    await store.write([row("x", document_id="doc-2", generation="g0"), row("y", document_id="doc-3", generation="")])
    await store.put_doc(row("doc", kind="doc"), insert_only=False)
    found = await store.census({"doc-1": "g1", "doc-2": "g1", "doc-3": "", "doc-4": "g1"})
    assert found == {
        "doc-1": Census(current={"chunk": 2, "summary": 1, "image": 1}, others={"chunk": 1}, doc=True),
        "doc-2": Census(others={"chunk": 1}),
        "doc-3": Census(current={"chunk": 1}),
        "doc-4": Census(),
    }
    assert await store.census({}) == {}


async def test_rows_of_a_kind_are_listed_whole(store: VectorStore) -> None:
    pictures = [row(f"i{n}", kind="image", generation=f"g{n % 2}", extra={"n": n}) for n in range(230)]
    await store.write([*pictures, row("a"), row("i0", kind="image", document_id="doc-2")])
    await store.put_doc(row("doc", kind="doc"), insert_only=False)
    bare = [found async for found in store.rows_of("doc-1", "image")]
    assert sorted(found.row_id for found in bare) == sorted(picture.row_id for picture in pictures)
    assert all(found.vector == [] for found in bare)
    whole = [found async for found in store.rows_of("doc-1", "image", vectors=True)]
    assert {found.row_id: found.extra["n"] for found in whole} == {f"i{n}": n for n in range(230)}
    assert whole[0].vector == pytest.approx(pictures[0].vector, abs=1e-6)
    assert [found.row_id async for found in store.rows_of("doc-1", "doc")] == ["doc"]


async def test_another_embedder_is_refused_and_both_are_named(opener: Opener) -> None:
    async with opener("first@4") as store:
        await store.write([row("a")])
    with pytest.raises(ConfigurationError, match="first@4") as caught:
        async with opener("second@4"):
            pass
    assert caught.value.code == "index_mismatch"
    assert "second@4" in caught.value.message
    async with opener("first@4") as store:
        assert await ids(store) == ["a"]


async def test_another_version_of_the_same_embedder_is_refused(opener: Opener) -> None:
    async with opener(version="1"):
        pass
    with pytest.raises(ConfigurationError, match="version 2") as caught:
        async with opener(version="2"):
            pass
    assert caught.value.code == "index_mismatch"
    assert "reembed" in caught.value.hint


async def test_another_dimension_is_refused(opener: Opener) -> None:
    async with opener() as store:
        with pytest.raises(ConfigurationError, match="dimensions"):
            await store.write([row("a", vector=[1.0, 0.0])])
        assert await ids(store) == []
    with pytest.raises(ConfigurationError, match="8"):
        async with opener("e@4", 8):
            pass


async def test_many_rows_are_all_there(store: VectorStore) -> None:
    await store.write([row(f"r{i}", position=i, vector=unit(1, i, 2, 3)) for i in range(1_500)])
    assert await store.count("doc-1", "g1") == 1_500
    assert await store.tidy("doc-1", await store.others("doc-1", "g2")) == 1_500
    assert await store.count("doc-1", "g1") == 0


async def test_a_chapter_holds_those_below_it_and_pages_are_a_range(store: VectorStore) -> None:
    await store.write([
        row("a", chapter="Part", pages=[1, 2]), row("b", chapter="Part / One", pages=[2, 3]),
        row("c", chapter="Partly", pages=[9]), row("d", chapter="", pages=[]),
    ])  # fmt: skip
    assert set(await ids(store, VectorFilter(chapter="Part"))) == {"a", "b"}
    assert await ids(store, VectorFilter(chapter="Part / One")) == ["b"]
    assert await ids(store, VectorFilter(chapter="it's")) == []
    assert set(await ids(store, VectorFilter(pages=(2, 2)))) == {"a", "b"}
    assert set(await ids(store, VectorFilter(pages=(3, 12)))) == {"b", "c"}
    assert await ids(store, VectorFilter(pages=(4, 8))) == []
    assert await ids(store, VectorFilter(pages=(1, 12), chapter="Part / One", kinds=["chunk"])) == ["b"]
    assert await ids(store, VectorFilter(pages=(1, 12), document_ids=["it's", "doc-1"], chapter="Partly")) == ["c"]
