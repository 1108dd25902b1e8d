"""Two gateways over one store and one broker: one of them is killed in the middle of the work, nothing is lost."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from infra.faults import processes
from infra.faults.bench import Bench
from infra.faults.checker import Undisturbed


@pytest.mark.timeout(120)
async def test_one_of_two_gateways_killed_in_the_middle_loses_and_doubles_nothing(bench: Bench):
    async with bench.world({"SHADOWTWIN_LEASE_SECONDS": "5"}, compare=_with_nothing, gateways=2) as world:
        world.patience = 40.0
        waiting = asyncio.create_task(world.load(bench.papers(6), at_once=4))

        async def working() -> bool:
            return any(exchange.kind == "callback" for exchange in world.gateway.seen)

        await world.until(working, 30, "the first report of a worker", every=0.01)
        victim = world.victim("gateway")
        killed = victim.pid
        assert processes.send(killed, signal.SIGKILL)
        (other,) = (url for name, url in world.stack.gateways.items() if name != victim.name)
        async with httpx.AsyncClient(base_url=other, timeout=20, trust_env=False) as http:
            assert (await http.get("/ready")).status_code == 200, "the other one works meanwhile"
        await world.replaced("gateway", killed)
        await waiting
        await world.ended()
        jobs = [await world.job(one.job_id) for one in world.accepted]
        assert [job["status"] for job in jobs] == ["completed"] * 6


async def _with_nothing(pdfs: dict[str, Path]) -> dict[str, Undisturbed]:
    """What was made is held against itself (every chunk stored, once, in one generation); another stack would only
    take longer."""
    return {}
