"""What only the MongoDB store promises: a lost reply, a broken trim and a dead server are survived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace
from pymongo.errors import AutoReconnect

from services.gateway.stores.mongo_documents import MongoDocuments
from services.gateway.stores.mongo_jobs import MongoJobs, mongo_stores
from shared.errors import ConfigurationError, ShadowtwinError, TransientError
from tests.contract.conftest import database_uri
from tests.support.mongo_server import MongoServer
from tests.support.records import log_rows, make_document, make_job


class Flaky:
    """A collection that loses the reply of the named operation once: `before` or `after` it was done."""

    def __init__(self, real: Any, operation: str, when: str) -> None:
        self._real, self._operation, self._when = real, operation, when

    def __getattr__(self, name: str) -> Any:
        if name != self._operation:
            return getattr(self._real, name)
        self._operation = ""
        return self._broken(getattr(self._real, name))

    def _broken(self, operation: Any) -> Any:
        async def run(*arguments: Any, **options: Any) -> None:
            if self._when == "after":
                await operation(*arguments, **options)
            raise AutoReconnect("connection closed")

        return run


@pytest.fixture
async def stores(mongo_server: MongoServer, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Both stores on a database of this test."""
    name = f"replies_{abs(hash(request.node.name)):x}"
    jobs, documents = mongo_stores(database_uri(mongo_server.uri, name))
    await jobs.open()
    client = jobs._database._client
    assert client is not None
    await client.drop_database(name)
    yield jobs, documents
    await client.drop_database(name)
    await jobs.close()


def lose(store: MongoJobs | MongoDocuments, collection: str, operation: str, when: str) -> None:
    """From now on the next such operation loses its reply."""
    database = store._database
    setattr(database, collection, Flaky(getattr(database, collection), operation, when))


async def test_a_swap_whose_reply_was_lost_is_won(stores: Any) -> None:
    jobs, _ = stores
    job = make_job()
    await jobs.create(job)
    lose(jobs, "jobs", "update_one", "after")
    assert await jobs.swap(job, replace(job, worker="x"))
    assert (await jobs.get("job-1")).revision == 1


async def test_a_swap_that_was_not_done_says_so_and_can_be_repeated(stores: Any) -> None:
    jobs, _ = stores
    job = make_job()
    await jobs.create(job)
    lose(jobs, "jobs", "update_one", "before")
    with pytest.raises(TransientError):
        await jobs.swap(job, replace(job, worker="x"))
    assert await jobs.swap(job, replace(job, worker="x"))


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_creation_whose_reply_was_lost(stores: Any, when: str) -> None:
    jobs, documents = stores
    lose(jobs, "jobs", "insert_one", when)
    lose(documents, "documents", "insert_one", when)
    if when == "before":
        with pytest.raises(TransientError):
            await jobs.create(make_job())
        with pytest.raises(TransientError):
            await documents.put(make_document())
    await (jobs.create(make_job()) if when == "after" else documents.put(make_document()))
    assert (await jobs.get("job-1") is not None) == (when == "after")


async def test_a_put_whose_reply_was_lost_is_won(stores: Any) -> None:
    _, documents = stores
    lose(documents, "documents", "insert_one", "after")
    assert await documents.put(make_document())
    lose(documents, "documents", "replace_one", "after")
    assert await documents.put(replace(make_document(), revision=1, pages=3))
    assert (await documents.get("doc-1")).revision == 2


async def test_a_trim_that_failed_is_made_good_by_the_next_swap(stores: Any) -> None:
    jobs, _ = stores
    job = make_job()
    await jobs.create(job)
    lose(jobs, "job_logs", "update_one", "before")
    assert await jobs.swap(job, replace(job, logs=log_rows(1, 102), log_count=102))
    long = await jobs.get("job-1")
    assert len(long.logs) == 102
    assert await jobs.logs("job-1") == log_rows(1, 102)
    assert await jobs.swap(long, replace(long, logs=log_rows(1, 103), log_count=103))
    assert len((await jobs.get("job-1")).logs) == 100
    assert await jobs.logs("job-1") == log_rows(1, 103)


async def test_a_race_lost_to_a_deletion_leaves_no_logs_behind(stores: Any) -> None:
    jobs, _ = stores
    job = make_job(logs=log_rows(1, 100), log_count=100)
    await jobs.create(job)
    await jobs.delete(["job-1"])
    assert not await jobs.swap(job, replace(job, logs=log_rows(1, 110), log_count=110))
    assert await jobs.logs("job-1") == []


async def test_a_field_of_a_newer_program_survives_the_swap_of_an_older_one(stores: Any) -> None:
    jobs, _ = stores
    job = make_job()
    await jobs.create(job)
    await jobs._database.jobs.update_one({"_id": "job-1"}, {"$set": {"future": 1}})
    assert await jobs.swap(job, replace(job, worker="x"))
    assert (await jobs._database.jobs.find_one({"_id": "job-1"}))["future"] == 1


async def test_what_mongodb_cannot_hold_is_no_transient_error(stores: Any) -> None:
    jobs, _ = stores
    with pytest.raises(ShadowtwinError) as refused:
        await jobs.create(make_job(cumulative_meta={"number": 1 << 70}))
    assert not refused.value.retryable


async def test_a_server_that_is_not_there_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.stores.mongo_database.WAIT_SECONDS", 0.2)
    jobs, _ = mongo_stores("mongodb://127.0.0.1:1/shadowtwin")
    with pytest.raises(TransientError):
        await jobs.open()


@pytest.mark.parametrize("uri", ["http://127.0.0.1", "mongodb://127.0.0.1:99999999", ""])
async def test_a_malformed_address_is_the_operators(uri: str) -> None:
    with pytest.raises(ConfigurationError):
        await mongo_stores(uri)[0].open()
