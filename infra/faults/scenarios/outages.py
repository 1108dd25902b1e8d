"""(3) to (6), (21), (22): broker and database killed, wiped, away, slow, full, misconfigured."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from nats.js.api import ConsumerConfig, StreamConfig

from infra.faults import processes
from infra.faults.bench import Bench
from infra.faults.broker import STREAM, manager
from infra.faults.checker import ANYHOW
from infra.faults.tcp_proxy import MongoProxy
from infra.faults.world import Violated, World

OUTAGE = 15.0
"""Seconds that stand for three minutes; leases, sweeps and retries are shortened alike."""
CALM = {"SHADOWTWIN_LEASE_SECONDS": "5"}
"""Under load on few cores two seconds without a heartbeat are no sign of death."""


async def broker_killed(bench: Bench) -> None:
    """kill -9 of the broker, twice, under load; its store stays."""
    async with bench.world(CALM) as world:
        waiting = asyncio.create_task(world.load(bench.papers(12)))
        for _ in range(2):
            await asyncio.sleep(bench.chance.uniform(0.3, 1.0))
            await kill_broker(world)
        await waiting
        await world.ended()
        bench.say("killed twice under a load of 12 jobs")


async def broker_wiped(bench: Bench) -> None:
    """The broker dies and comes back empty: no stream, no consumer, no message."""
    async with bench.world(CALM) as world:
        waiting = asyncio.create_task(world.load(bench.papers(8)))
        await asyncio.sleep(0.5)
        async with _without_broker(world):
            shutil.rmtree(world.folder / "nats" / "jetstream")
        back = time.monotonic()
        await waiting
        await world.ended(seconds=60)
        world.patience = 10.0
        seconds = time.monotonic() - back
        bench.say(f"8 jobs; all done {seconds:.1f} s after the empty broker came back")


async def broker_away(bench: Bench) -> None:
    """Nothing fails while it is away, uploads are taken, everything is done after it is back."""
    async with bench.world(CALM) as world:
        waiting = asyncio.create_task(world.load(bench.papers(6)))
        await asyncio.sleep(0.5)
        async with _without_broker(world):
            during = await asyncio.wait_for(world.load(bench.papers(4)), 30)
            await asyncio.sleep(OUTAGE)
            states = {(await world.job(one.job_id))["status"] for one in during}
            if not states <= {"queued", "running"}:
                raise Violated([f"jobs without a broker are {sorted(states)}"])
        back = time.monotonic()
        await waiting
        await world.ended()
        seconds = time.monotonic() - back
        bench.say(f"away {OUTAGE:.0f} s (for 180), 4 uploads taken meanwhile; all done {seconds:.1f} s after")


async def kill_broker(world: World) -> None:
    """kill -9, and wait until its guard has started another."""
    pid = world.broker_pid()
    processes.send(pid, signal.SIGKILL)

    async def back() -> bool:
        return world.broker_pid() not in (None, pid)

    await world.until(back, 30, "the broker started again")


@contextlib.asynccontextmanager
async def _without_broker(world: World) -> AsyncIterator[None]:
    guard = world.stack.processes["nats"]
    guard.held = True
    processes.send(world.broker_pid(), signal.SIGKILL)

    async def gone() -> bool:
        return guard.pid is None

    try:
        await world.until(gone, 20, "the broker is gone")
        yield
    finally:
        guard.held = False


async def database(bench: Bench) -> None:
    """SQLite locked from outside, for long and in bursts; then MongoDB away, slow, and losing answers."""
    async with bench.world(CALM) as world:
        waiting = asyncio.create_task(world.load(bench.papers(6)))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(_lock, world.folder / "shadowtwin.db", [(18.0, 0.0)])
        await waiting
        slow = asyncio.create_task(world.load(bench.papers(6)))
        await asyncio.to_thread(_lock, world.folder / "shadowtwin.db", [(0.5, 0.15)] * 12)
        await slow
        await world.ended()
        bench.say("SQLite locked 18 s and in bursts")
    await _mongo(bench)


def _lock(path: Path, times: list[tuple[float, float]]) -> None:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        for held, free in times:
            connection.execute("BEGIN EXCLUSIVE")
            time.sleep(held)
            connection.execute("ROLLBACK")
            time.sleep(free)
    finally:
        connection.close()


async def _mongo(bench: Bench) -> None:
    from tests.support.mongo_server import choose

    choice = choose()
    if choice.start is None:
        bench.say(f"MongoDB not tried ({choice.name})")
        return
    server = await asyncio.to_thread(choice.start)
    try:
        port = int(server.uri.rsplit(":", 1)[1].split("/")[0])
        async with MongoProxy(lambda: port) as proxy:
            uri = f"mongodb://127.0.0.1:{proxy.port}/faults"
            settings = {**CALM, "SHADOWTWIN_STORE": "mongo", "SHADOWTWIN_MONGODB_URI": uri}
            async with bench.world(settings) as world:
                await _break_mongo(world, bench, proxy)
                bench.say(f"{server.name}: away 8 s, slow, {proxy.lost} answers to writes lost")
    finally:
        await asyncio.to_thread(server.stop)


async def _break_mongo(world: World, bench: Bench, proxy: MongoProxy) -> None:
    proxy.lose_every = 4
    await world.load(bench.papers(5), at_once=2)
    await world.ended()
    proxy.lose_every = 0
    waiting = asyncio.create_task(world.load(bench.papers(4)))
    await asyncio.sleep(0.5)
    proxy.go_away()
    await asyncio.sleep(8.0)
    proxy.come_back()
    await waiting
    proxy.delay = 0.15
    await world.load(bench.papers(2))
    await world.ended()
    proxy.delay = 0.0


async def stream_full(bench: Bench) -> None:
    """The stream takes nothing more; what was accepted waits, and goes on when there is space."""
    async with bench.world(CALM) as world:
        first = await world.submit(bench.paper())
        await world.ended(first)
        async with manager(world) as server:
            config = (await server.stream_info(STREAM)).config
            usual, used = config.max_bytes, (await server.stream_info(STREAM)).state.bytes
            await _resize(server, config, used + 1)
            waiting = await world.load(bench.papers(5))
            await asyncio.sleep(8.0)
            states = {(await world.job(one.job_id))["status"] for one in waiting}
            if not states <= {"queued", "running"}:
                raise Violated([f"jobs with a full stream are {sorted(states)}"])
            await _resize(server, config, usual)
        back = time.monotonic()
        await world.ended()
        seconds = time.monotonic() - back
        bench.say(f"max_bytes set to {used + 1} on the server for 8 s; 5 waiting jobs done {seconds:.1f} s after")


async def _resize(server: Any, config: StreamConfig, size: int | None) -> None:
    config.max_bytes = size
    await server.update_stream(config)


async def consumer_drift(bench: Bench) -> None:
    """A consumer is made anew by hand with other limits: the next start must mend it, or refuse and say so."""
    durable = "extractor_pdf_requested"
    async with bench.world(CALM) as world:
        await world.ended(await world.submit(bench.paper()))
        async with manager(world) as server:
            wanted = (await server.consumer_info(STREAM, durable)).config
            await server.delete_consumer(STREAM, durable)
            changed = ConsumerConfig(**{**wanted.__dict__, "ack_wait": 300.0, "max_deliver": 1})
            await server.add_consumer(STREAM, changed)
            verdict = await _restarted(world, server, durable, wanted)
            if verdict != "mended":
                await server.delete_consumer(STREAM, durable)
                await world.replaced("gateway", world.kill("gateway"))
        await world.submit(bench.paper(), ANYHOW)
        if not verdict:
            raise Violated(["the gateway started on a changed consumer: ready, no word of it, and not mended"])
        bench.say(verdict)


async def _restarted(world: World, server: Any, durable: str, wanted: ConsumerConfig) -> str:
    """mended | what was said | nothing."""
    logs = {path: path.stat().st_size for path in (world.folder / "logs").glob("gateway*.log")}
    await world.replaced("gateway", world.kill("gateway", signal.SIGTERM))
    end = time.monotonic() + 15
    while time.monotonic() < end:
        live = (await server.consumer_info(STREAM, durable)).config
        if (live.ack_wait, live.max_deliver) == (wanted.ack_wait, wanted.max_deliver):
            return "mended"
        if any(durable.encode() in path.read_bytes()[before:] for path, before in logs.items()):
            return "start-up names the changed consumer"
        await asyncio.sleep(0.2)
    return ""
