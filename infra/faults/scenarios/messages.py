"""(7) doubled, shuffled and future events; (11) replayed and forged callbacks; (15) poison messages."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx

from infra.faults.bench import Bench
from infra.faults.broker import connected, event
from infra.faults.checker import Accepted
from infra.faults.http_proxy import Exchange
from infra.faults.world import Violated, World

SUBJECTS = ("pdf.requested", "pdf.extracted", "template.done", "ingest.requested")
AGAIN = "by-hand-"
CALM = {"SHADOWTWIN_LEASE_SECONDS": "5"}


async def duplicates(bench: Bench) -> None:
    """Every event is told three times more under other ids, and all later events of a job at its beginning."""
    async with bench.world(CALM) as world, connected(world) as broker:
        copied = await echo(bench, broker)
        for one in await world.load(bench.papers(5)):
            job = await world.job(one.job_id)
            for subject in bench.chance.sample(SUBJECTS[1:], 3):
                await _publish(broker, subject, event(job))
        await world.ended()
        bench.say(f"{len(copied)} events told three times more, 15 told too early")
    await _early_event_and_dead_worker(bench)


async def echo(bench: Bench, broker: Any) -> list[str]:
    """Tell every event three times more; the list grows with what was heard."""
    copied: list[str] = []

    async def heard(message: Any) -> None:
        if not (message.headers or {}).get("Nats-Msg-Id", "").startswith(AGAIN):
            copied.append(message.subject)
            for _ in range(3):
                await asyncio.sleep(bench.chance.uniform(0, 0.05))
                await _publish(broker, message.subject, message.data)

    for subject in SUBJECTS:
        await broker.subscribe(subject, cb=heard)
    return copied


async def _publish(broker: Any, subject: str, body: bytes) -> None:
    await broker.publish(subject, body, headers={"Nats-Msg-Id": AGAIN + uuid.uuid4().hex})


async def _early_event_and_dead_worker(bench: Bench) -> None:
    """`template.done` of a job that is still being extracted, whose extractor then dies: the job must not hang."""
    async with bench.world() as world, connected(world) as broker:
        held = world.gateway.trap("extract result", "request", lambda exchange: exchange.final)
        one = await world.submit(bench.paper())
        await held.sprung()
        await _publish(broker, "template.done", event(await world.job(one.job_id)))
        await asyncio.sleep(0.5)
        pid = world.kill("extractor")
        held.drop()
        await world.replaced("extractor", pid)
        await world.ended(one, seconds=45)
        bench.say("a future event and then a dead worker")


async def callbacks(bench: Bench) -> None:
    """Reports told again a hundred times, with wrong and foreign secrets, and changed: the job stays as it is."""
    async with bench.world() as world:
        other = await world.submit(bench.paper())
        await world.ended(other)
        held = world.gateway.trap("claim of transform", "request", lambda e: e.field("step") == "transform_template")
        one = await world.submit(bench.paper())
        await held.sprung()
        await _attack(world, one, other)
        held.release()
        await world.ended(one)
        await _settled(world, one)
        await _attack(world, one, other)
        bench.say("between steps and after the end: 100 replays of each result, 5 secrets, 5 changed bodies")


async def _attack(world: World, one: Accepted, other: Accepted) -> None:
    mine = [each for each in world.gateway.seen if each.final and each.job_id == one.job_id]
    foreign = [each for each in world.gateway.seen if each.final and each.job_id == other.job_id]
    before = await world.job(one.job_id)
    async with httpx.AsyncClient(base_url=world.stack.api_url, timeout=60, trust_env=False) as http:
        for exchange in mine:
            answers = await asyncio.gather(*(_send(http, exchange, exchange.body) for _ in range(100)))
            _expect({(answer.status_code, _applied(answer)) for answer in answers} <= _NOTHING, "a replay")
        last = mine[-1]
        for secret in ("", "x", "x" * 4096, _token(foreign[-1]), _token(last)[:-1]):
            answer = await _send(http, last, last.body, secret)
            _expect(answer.status_code == 401, f"the secret {secret[:8]!r} was answered {answer.status_code}")
        for changes in _CHANGES:
            answer = await _send(http, last, json.dumps({**json.loads(last.body), **changes}).encode())
            _expect((answer.status_code, _applied(answer)) in _NOTHING | {(400, None)}, f"{changes} was accepted")
    after = await world.job(one.job_id)
    _expect(before == after, f"the job changed: {[name for name in before if before[name] != after[name]]}")


_NOTHING = {(200, False), (401, None)}
_CHANGES: tuple[dict[str, Any], ...] = (
    {"process": {"id": str(uuid.UUID(int=7))}},
    {"attempt": 99},
    {"step": "ingest_rag", "attempt": 2},
    {"phase": "failed", "attempt": 7},
    {"data": "no object"},
)


def _applied(answer: httpx.Response) -> Any:
    return answer.json().get("applied")


def _token(exchange: Exchange) -> str:
    return exchange.headers["Authorization"].removeprefix("Bearer ")


async def _send(http: httpx.AsyncClient, exchange: Exchange, body: bytes, secret: str | None = None) -> httpx.Response:
    token = _token(exchange) if secret is None else secret
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return await http.post(exchange.path, content=body, headers=headers)


async def _settled(world: World, one: Accepted) -> None:
    async def quiet() -> bool:
        return not (await world.job(one.job_id))["outbox"]

    await world.until(quiet, 20, "the outbox is empty")


def _expect(true: bool, fault: str) -> None:
    if not true:
        raise Violated([fault])


async def poison(bench: Bench) -> None:
    """What no service can read, on every subject: dropped, and nobody dies of it."""
    bodies = (b"", b"\xff\xfe\x00", b"[]", b"null", b'{"jobId": 5}', b'{"jobId": "nobody"}', b'{"jobId": "../../x"}',
              b'{"jobId": ""}', b'{"jobId": "' + b"x" * 500_000 + b'"}', b"[" * 50_000)  # fmt: skip
    async with bench.world() as world, connected(world) as broker:
        before = {name: process.pid for name, process in world.stack.processes.items()}
        waiting = asyncio.create_task(world.load(bench.papers(3)))
        for subject in SUBJECTS:
            for body in bodies:
                await _publish(broker, subject, body)
        await waiting
        await world.ended()
        after = {name: process.pid for name, process in world.stack.processes.items()}
        _expect(before == after, f"processes were replaced: {before} {after}")
        bench.say(f"{len(bodies) * len(SUBJECTS)} messages, no process ended")
