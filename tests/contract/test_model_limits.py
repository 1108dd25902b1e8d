"""The contract of model limits, alone in a process and shared over a real broker by several."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.model_lane import Lane, Verdict
from shared.adapters.model_limits import LaneStore, MemoryLanes, ModelLimits
from shared.adapters.nats_lanes import NatsLanes
from shared.errors import Paused
from tests.support.broker import Broker
from tests.support.limit_holder import LANE


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    made.start()
    yield made
    made.kill()


class Pair:
    """Two users of the same limits: two objects of one process, or two connections as two processes have them."""

    def __init__(self, stores: tuple[LaneStore, LaneStore]) -> None:
        self.first = ModelLimits(stores[0], patience=0.2)
        self.second = ModelLimits(stores[1], patience=0.2)

    async def close(self) -> None:
        await self.first.close()
        await self.second.close()


@pytest.fixture(params=["memory", "nats"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "memory":
        store = MemoryLanes()
        made = Pair((store, store))
    else:
        url = request.getfixturevalue("broker").url
        made = Pair((NatsLanes(url), NatsLanes(url)))
    yield made
    await made.close()


def lane(**limits: Any) -> Lane:
    return Lane(endpoint="http://e/v1", model="m", **limits)


async def call(limits: ModelLimits, where: Lane, **verdict: Any) -> None:
    async with limits.grant(where, 1, "x") as grant:
        grant.verdict = Verdict(**({"kind": "ok"} | verdict))


async def test_no_more_calls_are_under_way_than_allowed_in_all_together(pair: Pair) -> None:
    where, now, most = lane(in_flight=3), 0, 0

    async def work(limits: ModelLimits) -> None:
        nonlocal now, most
        async with limits.grant(where, 1, "x") as grant:
            now, most = now + 1, max(most, now + 1)
            await asyncio.sleep(0.005)
            now, grant.verdict = now - 1, Verdict(kind="ok")

    await asyncio.gather(*(work(limits) for _ in range(40) for limits in (pair.first, pair.second)))
    assert most == 3
    assert [state.in_flight for state in await pair.second.states()] == [0]


async def test_requests_a_minute_are_counted_over_both(pair: Pair) -> None:
    where = lane(requests_per_minute=60, in_flight=100)
    done = 0

    async def work(limits: ModelLimits) -> None:
        nonlocal done
        await call(limits, where)
        done += 1

    work_all = [asyncio.create_task(work(limits)) for _ in range(20) for limits in (pair.first, pair.second)]
    began = time.monotonic()
    await asyncio.wait(work_all, timeout=1.5)
    passed = time.monotonic() - began
    assert 6 <= done <= 7 + passed
    for task in work_all:
        task.cancel()
    await asyncio.gather(*work_all, return_exceptions=True)


async def test_failures_of_one_open_the_breaker_for_the_other_and_its_success_closes_it(pair: Pair) -> None:
    where = lane(failures_to_open=3, open_seconds=0.6)
    for _ in range(3):
        await call(pair.first, where, kind="unreachable", reason="gone")
    with pytest.raises(Paused) as caught:
        await call(pair.second, where)
    assert caught.value.reason == "gone"
    assert caught.value.retry_after is not None
    (state,) = await pair.first.states()
    assert (state.breaker, state.endpoint, state.model) == ("open", "http://e/v1", "m")
    while (await pair.first.states())[0].breaker == "open":
        await asyncio.sleep(0.02)
    await call(pair.second, where)
    assert (await pair.first.states())[0].breaker == "closed"


async def test_what_one_was_told_to_wait_the_other_waits_too(pair: Pair) -> None:
    where = lane()
    await call(pair.first, where, kind="limited", retry_after=0.5)
    began = time.monotonic()
    await call(pair.second, where)
    assert time.monotonic() - began >= 0.45
    await call(pair.first, where, kind="limited", retry_after=3_000)
    with pytest.raises(Paused) as caught:
        await call(pair.second, where)
    assert 2_900 < (caught.value.retry_after or 0) < 4_000


async def test_a_dialect_that_one_has_learnt_the_other_knows(pair: Pair) -> None:
    where = lane()
    await pair.first.learn(where, "no_schema")
    await pair.first.learn(where, "no_schema")
    async with pair.second.grant(where, 1, "x") as grant:
        assert grant.quirks == ["no_schema"]


async def test_a_cancelled_waiter_leaves_no_trace(pair: Pair) -> None:
    where = lane(in_flight=1, lease_seconds=1)
    async with pair.first.grant(where, 1, "x"):
        waiting = [asyncio.create_task(call(pair.second, where)) for _ in range(5)]
        await asyncio.sleep(0.1)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    async with asyncio.timeout(5):
        await call(pair.second, where)
    assert [state.in_flight for state in await pair.first.states()] == [0]


async def test_a_call_that_takes_longer_than_a_lease_keeps_its_place(pair: Pair) -> None:
    where = lane(in_flight=1, lease_seconds=0.6)
    async with pair.first.grant(where, 1, "x"):
        await asyncio.sleep(1.5)
        assert [state.in_flight for state in await pair.second.states()] == [1]


async def test_the_turns_of_a_killed_process_are_free_again(broker: Broker) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.limit_holder", broker.url, "2", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    limits = ModelLimits(NatsLanes(broker.url))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await call(limits, LANE)
    process.kill()
    await process.wait()
    async with asyncio.timeout(10):
        await call(limits, LANE)
    await limits.close()


async def test_a_broker_that_is_away_stops_nobody_and_takes_over_when_it_is_back(broker: Broker) -> None:
    limits = ModelLimits(NatsLanes(broker.url))
    where = lane(in_flight=2)
    await call(limits, where)
    broker.kill()
    async with asyncio.timeout(20):
        await asyncio.gather(*(call(limits, where) for _ in range(10)))
    await asyncio.to_thread(broker.start)
    other = ModelLimits(NatsLanes(broker.url))

    async def shared() -> bool:
        await call(limits, where)
        return bool(await other.states())

    async with asyncio.timeout(30):
        while not await shared():
            await asyncio.sleep(0.2)
    await limits.close()
    await other.close()
