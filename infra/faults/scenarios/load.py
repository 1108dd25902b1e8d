"""(17) a thousand jobs; (18) rolling restart; (19) two gateways; (23) chance."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from infra.faults import processes
from infra.faults.bench import Bench
from infra.faults.checker import Undisturbed
from infra.faults.scenarios.kills import POINTS, STEPS
from infra.faults.world import Violated, World
from infra.stack_files import WORKERS

SOAK_SECONDS = "SHADOWTWIN_FAULTS_SOAK_SECONDS"
"""How long chance reigns; 45 s by default."""
COMPARED = 40
"""Of the thousand jobs so many are compared row by row with an undisturbed run; all are counted."""


async def thousand(bench: Bench) -> None:
    """One-page PDFs, submitted as fast as the gateway takes them."""
    settings = {"SHADOWTWIN_LEASE_SECONDS": "30", "SHADOWTWIN_OUTBOX_SECONDS": "5"}
    pdfs = await asyncio.to_thread(bench.papers, 1_000, 1)

    async def some(found: dict[str, Path]) -> dict[str, Undisturbed]:
        return await bench.reference.of(dict(list(found.items())[:COMPARED]))

    async with bench.world(settings, proxied=(), compare=some) as world:
        world.patience = 500.0
        started = time.monotonic()
        await world.load(pdfs, at_once=16)
        taken = time.monotonic() - started
        await world.ended()
        seconds = time.monotonic() - started
        bench.say(f"accepted in {taken:.0f} s, all ended after {seconds:.0f} s, {1_000 / seconds:.1f} jobs/s")


async def rolling(bench: Bench) -> None:
    """SIGTERM to every service in turn while jobs come in; no job fails, no attempt is counted as silence."""
    async with bench.world({"SHADOWTWIN_LEASE_SECONDS": "6"}) as world:
        waiting = asyncio.create_task(world.load(bench.papers(24, pages=8), at_once=3))
        for name in ("gateway", *WORKERS, "gateway", *reversed(WORKERS)):
            await asyncio.sleep(bench.chance.uniform(0.1, 0.5))
            await world.replaced(name, world.kill(name, signal.SIGTERM))
        await waiting
        await world.ended()
        logs = [await world.log(one.job_id) for one in world.accepted]
        silent = [entry["message"] for log in logs for entry in log if entry["phase"] == "restarted"]
        lost = [message for message in silent if "no sign of life" in message]
        if lost:
            raise Violated([f"{len(lost)} attempts were lost in an orderly restart"])
        bench.say(f"8 orderly restarts under 24 jobs; {len(silent)} attempts given back, none lost")


async def two_gateways(bench: Bench) -> None:
    """Both sweep the same store: what a killed worker held is started again once, not twice."""
    async with bench.world() as world:
        url = world.stack.gateways[world.stack.add("gateway")]
        async with httpx.AsyncClient(base_url=url, headers=world.stack.headers, timeout=30, trust_env=False) as second:

            async def ready() -> bool:
                return (await second.get("/ready")).status_code == 200

            await world.until(ready, 60, "the second gateway is ready")
            for name in WORKERS:
                await _killed_once(world, bench, name)
            await world.ended(*await world.load(bench.papers(6)))
            for one in world.accepted:
                if (await second.get(f"/api/jobs/{one.job_id}")).json() != await world.job(one.job_id):
                    raise Violated([f"the gateways show job {one.job_id} differently"])
        bench.say("3 workers killed: one restart each; both gateways show the same")


async def _killed_once(world: World, bench: Bench, name: str) -> None:
    stage, matches = POINTS["after-effect"]
    trap = world.gateway.trap(name, stage, lambda e: e.field("step") == STEPS[name] and matches(e))
    one = await world.submit(bench.paper())
    await trap.sprung()
    pid = world.kill(name)
    trap.drop()
    await world.replaced(name, pid)
    await world.ended(one)
    restarts = [entry for entry in await world.log(one.job_id) if entry["phase"] == "restarted"]
    if len(restarts) != 1:
        raise Violated([f"{len(restarts)} restarts after one kill of the {name}"])


async def soak(bench: Bench) -> None:
    """One fault after the other, drawn by the seed, while papers come in."""
    seconds = float(os.environ.get(SOAK_SECONDS, "45"))
    settings = {"SHADOWTWIN_LEASE_SECONDS": "4", "SHADOWTWIN_MAX_ATTEMPTS": "20"}
    async with bench.world(settings, nats_proxied=("gateway", *WORKERS)) as world:
        end = time.monotonic() + seconds
        feeding = asyncio.create_task(_feed(world, bench, end))
        drawn: list[str] = []
        try:
            while time.monotonic() < end:
                fault = bench.chance.choice(FAULTS if world.gateways == 1 else (*FAULTS, _freeze_gateway))
                drawn.append(fault.__name__.strip("_"))
                await fault(world, bench)
                await asyncio.sleep(bench.chance.uniform(0.2, 1.5))
        finally:
            count = await feeding
            bench.say(f"seed {bench.seed}, {seconds:.0f} s, {count} jobs, {len(drawn)} faults: {' '.join(drawn)}")
        await world.ended(seconds=200)


async def _feed(world: World, bench: Bench, end: float) -> int:
    count = 0
    while time.monotonic() < end:
        await world.submit(bench.paper(pages=1 + count % 5))
        count += 1
        await asyncio.sleep(0.3)
    return count


async def _kill(world: World, bench: Bench) -> None:
    world.kill(bench.chance.choice(("gateway", *WORKERS)))


async def _stop_orderly(world: World, bench: Bench) -> None:
    world.kill(bench.chance.choice(("gateway", *WORKERS)), signal.SIGTERM)


async def _freeze(world: World, bench: Bench) -> None:
    await _frozen(world, bench, bench.chance.choice(WORKERS))


async def _freeze_gateway(world: World, bench: Bench) -> None:
    """One of several, past every lease: what it had begun it goes on with when the other has long done it."""
    await _frozen(world, bench, "gateway")


async def _frozen(world: World, bench: Bench, name: str) -> None:
    pid = world.kill(name, signal.SIGSTOP)
    try:
        await asyncio.sleep(bench.chance.uniform(0.5, 7.0))
    finally:
        processes.send(pid, signal.SIGCONT)


async def _kill_broker(world: World, bench: Bench) -> None:
    processes.send(world.broker_pid(), signal.SIGKILL)


async def _cut_broker(world: World, bench: Bench) -> None:
    world.nats.go_away()
    await asyncio.sleep(bench.chance.uniform(0.2, 4.0))
    world.nats.come_back()


async def _lock_database(world: World, bench: Bench) -> None:
    seconds = bench.chance.uniform(0.5, 6.0)

    def lock() -> None:
        connection = sqlite3.connect(world.folder / "shadowtwin.db", isolation_level=None)
        with contextlib.closing(connection), contextlib.suppress(sqlite3.OperationalError):
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")

    await asyncio.to_thread(lock)


async def _lose_requests(world: World, bench: Bench) -> None:
    """Some requests never arrive, some answers never come back."""
    traps = [
        world.gateway.trap("chance", bench.chance.choice(("request", "response")), lambda exchange: True)
        for _ in range(3)
    ]
    for trap in traps:
        trap.drop()


Fault = Callable[[World, Bench], Awaitable[None]]
FAULTS: tuple[Fault, ...] = (
    _kill,
    _kill,
    _stop_orderly,
    _freeze,
    _kill_broker,
    _cut_broker,
    _lock_database,
    _lose_requests,
)
