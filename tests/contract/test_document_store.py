"""The contract of DocumentStore; runs on memory, SQLite and MongoDB."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from shared.errors import RequestError
from shared.job import Artefact
from shared.ports import DocumentStore
from tests.contract.conftest import Stores
from tests.support.records import make_document, seconds


@pytest.fixture
def documents(stores: Stores) -> DocumentStore:
    """The store under test."""
    return stores.documents


async def test_a_new_record_is_stored_with_revision_one(documents: DocumentStore) -> None:
    artefacts = {"source": Artefact(key="lib/doc-1/Größe.pdf", sha256="aa", size=10)}
    record = make_document(artefacts=artefacts, metadata={"read at": seconds(1), "a.b": [1, {"c": None}]})
    assert await documents.put(record)
    assert await documents.get("doc-1") == replace(record, revision=1)
    assert await documents.get("doc-2") is None


async def test_a_put_is_guarded_by_the_revision(documents: DocumentStore) -> None:
    assert await documents.put(make_document())
    assert not await documents.put(make_document(aliases=["second insert"]))
    first = await documents.get("doc-1")
    assert first is not None
    assert await documents.put(replace(first, pages=3))
    assert not await documents.put(replace(first, pages=4))
    assert not await documents.put(replace(first, document_id="doc-2"))
    assert await documents.get("doc-1") == replace(first, pages=3, revision=2)
    assert await documents.get("doc-2") is None


async def test_of_many_puts_at_once_one_wins(documents: DocumentStore) -> None:
    results = await asyncio.gather(*(documents.put(make_document(pages=n)) for n in range(20)))
    assert results.count(True) == 1
    record = await documents.get("doc-1")
    assert record is not None
    assert record.pages == results.index(True)
    results = await asyncio.gather(*(documents.put(replace(record, pages=100 + n)) for n in range(20)))
    assert results.count(True) == 1
    after = await documents.get("doc-1")
    assert after is not None
    assert (after.revision, after.pages) == (2, 100 + results.index(True))


async def test_by_hash_gives_the_newest_of_the_library(documents: DocumentStore) -> None:
    for name, library, sha256, at in [("1", "lib", "aa", 1), ("2", "lib", "aa", 3), ("3", "lib", "aa", 2)]:
        assert await documents.put(make_document(name, library=library, sha256=sha256, at=at))
    assert await documents.put(make_document("4", library="other", sha256="aa", at=9))
    assert await documents.put(make_document("5", sha256="bb", at=9))
    found = await documents.by_hash("lib", "aa")
    assert found is not None
    assert found.document_id == "doc-2"
    assert await documents.by_hash("lib", "cc") is None


async def test_find_pages_newest_first_and_stays_stable(documents: DocumentStore) -> None:
    for n in range(4):
        assert await documents.put(make_document(str(n), at=1))
    assert await documents.put(make_document("other", library="other", at=1))
    first, cursor = await documents.find("lib", None, 3)
    assert await documents.put(make_document("9", at=2))
    second, end = await documents.find("lib", cursor, 3)
    assert [d.document_id for d in first] == ["doc-3", "doc-2", "doc-1"]
    assert [d.document_id for d in second] == ["doc-0"]
    assert end is None
    everything, end = await documents.find(None, None, 50)
    assert [d.document_id for d in everything] == ["doc-9", "doc-other", "doc-3", "doc-2", "doc-1", "doc-0"]
    assert end is None
    with pytest.raises(RequestError):
        await documents.find(None, "12", 50)


async def test_many_gives_those_that_exist(documents: DocumentStore) -> None:
    for n in range(3):
        assert await documents.put(make_document(str(n)))
    found = await documents.many(["doc-0", "doc-2", *(f"doc-x{n}" for n in range(1200))])
    assert sorted(found) == ["doc-0", "doc-2"]
    assert found["doc-2"].document_id == "doc-2"
    assert await documents.many([]) == {}


async def test_a_deleted_record_is_gone_and_may_be_made_again(documents: DocumentStore) -> None:
    assert await documents.put(make_document())
    await documents.delete("doc-1")
    await documents.delete("doc-1")
    assert await documents.get("doc-1") is None
    assert await documents.put(make_document())
