"""The contract of webhook endpoints and deliveries: memory, SQLite and the MongoDB protocol."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from services.gateway.stores.mongo_jobs import MongoJobs
from services.gateway.stores.mongo_webhooks import MongoWebhooks
from services.gateway.stores.sqlite_jobs import SqliteJobs, sqlite_stores
from services.gateway.stores.sqlite_place import ALERTS, DIRECT_UPLOADS, SCHEMA, UPLOADS
from services.gateway.stores.sqlite_webhooks import SLICE, SqliteWebhooks
from shared.testing.memory_webhooks import MemoryWebhooks
from shared.webhook import Attempt, Backlog, Delivery, DeliveryState, Endpoint, Secret
from shared.webhook_ports import WebhookStore
from tests.contract.conftest import Stores
from tests.support.records import seconds


@pytest.fixture
def webhooks(stores: Stores) -> WebhookStore:
    if isinstance(stores.jobs, SqliteJobs):
        return SqliteWebhooks(stores.jobs.file)
    return MongoWebhooks(stores.jobs.database) if isinstance(stores.jobs, MongoJobs) else MemoryWebhooks()


def endpoint(name: str = "one", library: str = "lib", at: float = 0) -> Endpoint:
    return Endpoint(
        endpoint_id=name,
        library_id=library,
        url="https://example.org/hook",
        event_types=["job.*"],
        secrets=[Secret(value="whsec_AAAA", until=seconds(9))],
        created_at=seconds(at),
    )


def delivery(name: str, at: float = 0, key: str = "doc-1", to: str = "one", due: float | None = None) -> Delivery:
    return Delivery(
        delivery_id=name,
        endpoint_id=to,
        library_id="lib",
        event_type="job.completed",
        key=key,
        place=int(at * 1000),
        body='{"type":"job.completed"}',
        due_at=seconds(at if due is None else due),
        created_at=seconds(at),
    )


async def stored(webhooks: WebhookStore, name: str) -> Delivery:
    row = await webhooks.delivery(name)
    assert row is not None
    return row


async def end(webhooks: WebhookStore, name: str, state: DeliveryState) -> None:
    assert await webhooks.put(replace(await stored(webhooks, name), state=state, tries=3))


async def test_an_endpoint_comes_back_as_it_was_and_of_two_writers_the_first_one_counts(webhooks: WebhookStore):
    assert await webhooks.endpoint("one") is None
    assert await webhooks.put_endpoint(endpoint())
    assert not await webhooks.put_endpoint(endpoint())
    assert await webhooks.endpoint("one") == replace(endpoint(), revision=1)
    changed = replace(endpoint(), revision=1, enabled=False, failing_since=seconds(2))
    assert await webhooks.put_endpoint(changed)
    assert not await webhooks.put_endpoint(changed)
    assert await webhooks.endpoint("one") == replace(changed, revision=2)


async def test_endpoints_of_a_library_or_of_all_come_oldest_first(webhooks: WebhookStore):
    for name, library, at in (("b", "lib", 2), ("a", "lib", 1), ("c", "other", 0)):
        await webhooks.put_endpoint(endpoint(name, library, at))
    assert [row.endpoint_id for row in await webhooks.endpoints("lib")] == ["a", "b"]
    assert [row.endpoint_id for row in await webhooks.endpoints(None)] == ["c", "a", "b"]


async def test_an_endpoint_goes_with_its_deliveries(webhooks: WebhookStore):
    for name in ("one", "two"):
        await webhooks.put_endpoint(endpoint(name))
        await webhooks.add([delivery(f"to-{name}", to=name)])
    await webhooks.remove_endpoint("one")
    await webhooks.remove_endpoint("one")
    assert [row.endpoint_id for row in await webhooks.endpoints(None)] == ["two"]
    assert (await webhooks.delivery("to-one"), (await stored(webhooks, "to-two")).endpoint_id) == (None, "two")


async def test_a_delivery_that_is_there_is_not_added_again(webhooks: WebhookStore):
    await webhooks.add([])
    await webhooks.add([delivery("a")])
    tried = replace(await stored(webhooks, "a"), tries=1, attempts=[Attempt(at=seconds(1), status=500, error="x")])
    assert await webhooks.put(tried)
    assert not await webhooks.put(tried)
    await webhooks.add([delivery("a"), delivery("b")])
    assert await stored(webhooks, "a") == replace(tried, revision=2)
    assert await stored(webhooks, "b") == replace(delivery("b"), revision=1)
    assert not await webhooks.put(replace(delivery("unknown"), revision=1))
    await webhooks.remove("a")
    await webhooks.remove("a")
    assert await webhooks.delivery("a") is None


async def test_due_is_what_is_pending_and_has_waited_longest_comes_first(webhooks: WebhookStore):
    rows = [delivery("a", 1, due=3), delivery("b", 2), delivery("c", 3, due=9), delivery("d", 1, to="two", due=8)]
    await webhooks.add([*rows, delivery("e", 0)])
    await end(webhooks, "e", DeliveryState.DELIVERED)
    assert await webhooks.waiting(seconds(1)) == []
    assert await webhooks.waiting(seconds(3)) == ["one"]
    assert await webhooks.waiting(seconds(8)) == ["one", "two"]
    assert [row.delivery_id for row in await webhooks.due("one", seconds(5), 9)] == ["b", "a"]
    assert [row.delivery_id for row in await webhooks.due("one", seconds(5), 1)] == ["b"]


async def test_the_head_of_a_key_is_its_first_pending_one(webhooks: WebhookStore):
    await webhooks.add([delivery("b", 2), delivery("a", 1, due=99), delivery("c", 0, key="doc-2")])
    head = await webhooks.head("one", "doc-1")
    assert head is not None
    assert head.delivery_id == "a"
    await end(webhooks, "a", DeliveryState.FAILED)
    head = await webhooks.head("one", "doc-1")
    assert head is not None
    assert head.delivery_id == "b"
    await end(webhooks, "b", DeliveryState.DELIVERED)
    assert await webhooks.head("one", "doc-1") is None
    assert await webhooks.head("two", "doc-2") is None


async def test_what_waits_is_brought_forward_for_one_endpoint(webhooks: WebhookStore):
    await webhooks.add([delivery("a", due=90), delivery("b", 1), delivery("c", due=90, to="two")])
    await webhooks.bring_forward("one", seconds(5))
    assert [(await stored(webhooks, name)).due_at for name in "abc"] == [seconds(at) for at in (5, 1, 90)]


async def test_failed_ones_since_a_moment_are_replayed_with_all_their_tries(webhooks: WebhookStore):
    await webhooks.add([delivery(name, at) for name, at in (("a", 1), ("b", 5), ("c", 6), ("d", 7))])
    for name in "abc":
        await end(webhooks, name, DeliveryState.FAILED)
    await end(webhooks, "d", DeliveryState.DELIVERED)
    before = await stored(webhooks, "b")
    assert await webhooks.replay("one", seconds(5), seconds(10)) == 2
    after = await stored(webhooks, "b")
    assert (after.state, after.tries, after.due_at) == (DeliveryState.PENDING, 0, seconds(10))
    assert not await webhooks.put(before)
    states = [(await stored(webhooks, name)).state for name in "acd"]
    assert states == [DeliveryState.FAILED, DeliveryState.PENDING, DeliveryState.DELIVERED]


async def test_the_log_of_an_endpoint_comes_newest_first_page_by_page(webhooks: WebhookStore):
    await webhooks.add([delivery(name, at) for name, at in (("a", 1), ("b", 2), ("c", 2), ("d", 3))])
    await webhooks.add([delivery("x", to="two")])
    await end(webhooks, "b", DeliveryState.FAILED)
    first, cursor = await webhooks.find("one", None, None, 3)
    second, last = await webhooks.find("one", None, cursor, 3)
    assert [row.delivery_id for row in first + second] == ["d", "c", "b", "a"]
    assert last is None
    assert [row.delivery_id for row in (await webhooks.find("one", "failed", None, 9))[0]] == ["b"]


async def test_a_backlog_is_what_waits_for_the_endpoints_asked_for(webhooks: WebhookStore):
    assert await webhooks.backlog(["one"]) == Backlog(pending=0, oldest=None)
    await webhooks.add([delivery(name, at) for name, at in (("a", 1), ("b", 2), ("c", 3), ("d", 4))])
    await end(webhooks, "a", DeliveryState.FAILED)
    await end(webhooks, "d", DeliveryState.DELIVERED)
    await webhooks.add([delivery("x", 0, to="two")])
    assert await webhooks.backlog(["one"]) == Backlog(pending=2, oldest=seconds(2))
    assert await webhooks.backlog(["one", "two", "none"]) == Backlog(pending=3, oldest=seconds(0))
    assert await webhooks.backlog([]) == Backlog(pending=0, oldest=None)


async def test_old_ones_are_forgotten_and_of_those_that_are_over_too_many(webhooks: WebhookStore):
    await webhooks.add([delivery(str(at), at) for at in range(8)])
    for name in ("0", "2", "4", "5", "6"):
        await end(webhooks, name, DeliveryState.DELIVERED)
    assert await webhooks.forget(seconds(2), 2) == 4
    left, _ = await webhooks.find("one", None, None, 20)
    assert [row.delivery_id for row in left] == ["7", "6", "5", "3"]


async def test_a_file_of_the_former_schema_gets_its_tables(tmp_path: Path):
    with sqlite3.connect(tmp_path / "jobs.db") as former:
        for statements in (SCHEMA, UPLOADS, DIRECT_UPLOADS, ALERTS):
            former.executescript(statements)
        former.execute("PRAGMA user_version = 5")
    former.close()
    jobs, _ = sqlite_stores(tmp_path / "jobs.db")
    await jobs.open()
    assert await SqliteWebhooks(jobs.file).put_endpoint(endpoint())
    await jobs.close()


async def test_other_writers_go_on_while_an_endpoint_with_many_deliveries_is_removed(tmp_path: Path):
    jobs, _ = sqlite_stores(tmp_path / "jobs.db")
    await jobs.open()
    webhooks = SqliteWebhooks(jobs.file)
    await webhooks.put_endpoint(endpoint())
    await webhooks.add([delivery(str(number)) for number in range(3 * SLICE)])
    removing = asyncio.create_task(webhooks.remove_endpoint("one"))
    await asyncio.sleep(0)
    assert await webhooks.put_endpoint(endpoint("two"))
    assert not removing.done()
    await removing
    assert (await webhooks.find("one", None, None, 1), await webhooks.endpoint("one")) == (([], None), None)
    await jobs.close()
