"""A few quick faults on real processes; the whole suite is `shadowtwin faults`."""

from __future__ import annotations

import pytest

from infra.faults.bench import Bench
from infra.faults.scenarios import kills
from infra.faults.world import World

pytestmark = pytest.mark.timeout(150)


async def test_a_worker_killed_with_the_ticket_in_its_hand(world: World, bench: Bench):
    assert await kills.at_point(world, bench, "transformer", "after-claim") < 15


async def test_a_gateway_killed_before_it_told(world: World, bench: Bench):
    await kills.before_publish(world, bench, "ingest.requested")
