"""A few quick faults on real processes; the whole suite is `shadowtwin faults`."""

from __future__ import annotations

import pytest

from infra.faults.bench import Bench
from infra.faults.broker import connected
from infra.faults.scenarios import kills, messages, outages
from infra.faults.world import World

pytestmark = pytest.mark.timeout(150)


async def test_a_worker_killed_with_the_ticket_in_its_hand(world: World, bench: Bench):
    assert await kills.at_point(world, bench, "extractor", "after-claim") < 15


async def test_a_gateway_killed_before_it_told(world: World, bench: Bench):
    await kills.before_publish(world, bench, "pdf.extracted")


async def test_doubled_events_and_a_broker_killed(world: World, bench: Bench):
    async with connected(world) as broker:
        copied = await messages.echo(bench, broker)
        await world.ended(*await world.load(bench.papers(2)))
    assert len(copied) >= 8
    accepted = await world.load(bench.papers(2))
    await outages.kill_broker(world)
    await world.ended(*accepted)
