"""The broker's users on a real server: what each service needs works, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, cast

import nats
import pytest
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, StreamConfig

from infra.nats_users import FILE, OPERATOR, rendered, users
from shared import route
from shared.adapters import nats_roll_call
from shared.adapters.model_lane import Lane, Verdict
from shared.adapters.model_limits import ModelLimits
from shared.adapters.nats_bus import DeadMessage, NatsBus
from shared.adapters.nats_lanes import NatsLanes
from shared.adapters.nats_streams import durable_name
from shared.events import JobEvent
from shared.phase import Ack, Disposition
from tests.support.broker import Broker
from tests.support.broker_users import configured, login

WORKERS = sorted(set(users()) - {"gateway"})


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    made = Broker(folder, configured(folder))
    made.start()
    yield made
    made.kill()


@pytest.fixture
async def gateway(broker: Broker) -> AsyncIterator[NatsBus]:
    bus = NatsBus(broker.url, "gateway", login("gateway"), owner=True)
    await bus.connect()
    await bus.ensure()
    yield bus
    await bus.stop()


class Refusals:
    """A bare connection of a user that keeps what the broker refused."""

    def __init__(self, client: Any, heard: asyncio.Queue[str]) -> None:
        self.client, self._heard = client, heard

    async def of(self, attempt: Any) -> str:
        """What the broker says to an attempt; fails when it says nothing."""
        with contextlib.suppress(NatsError, TimeoutError):
            await attempt
        return (await asyncio.wait_for(self._heard.get(), 5)).casefold()


@contextlib.asynccontextmanager
async def connected(broker: Broker, user: str) -> AsyncIterator[Refusals]:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def hear(error: Exception) -> None:
        heard.put_nowait(str(error))

    who = login(user)
    client = await nats.connect(
        broker.url, user=who.user, password=who.password, inbox_prefix=who.inbox_prefix, error_cb=hear
    )
    try:
        yield Refusals(client, heard)
    finally:
        await client.close()


def event() -> JobEvent:
    return JobEvent(job_id="job_1", process_id="run_1", document_id="doc_1", library_id="lib", attempt=1)


def test_the_file_is_what_the_route_says() -> None:
    assert FILE.read_text() == rendered(), "run: .venv/bin/python -m infra.nats_users"


@pytest.mark.parametrize("who", [{}, {"user": "gateway", "pass": login("extractor").password}, {"user": "root"}])
async def test_nobody_comes_in_without_a_user_and_its_password(broker: Broker, who: dict[str, str]) -> None:
    host, port = broker.url.removeprefix("nats://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    hello = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1, **who}
    writer.write(f"CONNECT {json.dumps(hello)}\r\nPING\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    assert b"Authorization Violation" in answer
    assert b"PONG" not in answer
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("leg", [leg for leg in route.ROUTE if leg.step], ids=lambda leg: leg.subject)
async def test_what_the_gateway_tells_its_worker_takes_and_acknowledges(
    broker: Broker, gateway: NatsBus, leg: route.Leg
) -> None:
    taken: asyncio.Queue[JobEvent] = asyncio.Queue()

    async def take(told: JobEvent) -> Disposition:
        taken.put_nowait(told)
        return Ack()

    worker = NatsBus(broker.url, leg.consumer, login(leg.consumer))
    nats_roll_call.answered_by(worker.broker, leg.consumer, "here:1")
    await worker.connect()
    await worker.wait_for_consumers([leg])
    worker.subscribe(leg, take)
    await worker.start()
    try:
        assert not await gateway.publish(leg.subject, event(), f"told-{leg.subject}")
        assert await asyncio.wait_for(taken.get(), 10) == event()
        assert [present.service for present in await gateway.roll_call()] == [leg.consumer]
        async with connected(broker, OPERATOR) as person:
            stream = person.client.jetstream()
            async with asyncio.timeout(10):
                while (await stream.consumer_info(route.STREAM, durable_name(leg))).ack_floor.stream_seq == 0:
                    await asyncio.sleep(0.02)
    finally:
        await worker.stop()


@pytest.mark.parametrize("user", WORKERS)
async def test_a_worker_can_tell_no_event_and_ask_no_gate(broker: Broker, gateway: NatsBus, user: str) -> None:
    async with connected(broker, user) as worker:
        for subject in [*route.SUBJECTS, "gate.extract_pdf", "roll.call", "$KV.other.key"]:
            assert "publish" in await worker.of(worker.client.publish(subject, b"{}"))
    async with connected(broker, OPERATOR) as person:
        assert (await person.client.jetstream().stream_info(route.STREAM)).state.messages <= len(route.ROUTE)


@pytest.mark.parametrize("user", WORKERS)
async def test_a_worker_hears_nothing_that_is_for_others(broker: Broker, gateway: NatsBus, user: str) -> None:
    other = next(leg for leg in route.ROUTE if leg.step and leg.consumer != user)
    async with connected(broker, user) as worker:
        for subject in [">", "*.requested", route.TEMPLATE_DONE, "_INBOX.>", "_INBOX_gateway.>", f"gate.{other.step}"]:
            assert "subscription" in await worker.of(worker.client.subscribe(subject))
        stream = worker.client.jetstream(timeout=0.05)
        foreign = stream.consumer_info(route.STREAM, durable_name(other))
        assert "publish" in await worker.of(foreign)
        pull = f"$JS.API.CONSUMER.MSG.NEXT.{route.STREAM}.{durable_name(other)}"
        assert "publish" in await worker.of(worker.client.publish(pull, b"1", reply=worker.client.new_inbox()))
        assert "publish" in await worker.of(stream.get_msg(route.STREAM, 1))


@pytest.mark.parametrize("user", WORKERS)
async def test_a_worker_can_change_no_stream_and_make_no_consumer(broker: Broker, gateway: NatsBus, user: str) -> None:
    async with connected(broker, user) as worker:
        stream = worker.client.jetstream(timeout=0.05)
        for attempt in (
            stream.add_stream(StreamConfig(name="mine", subjects=["mine"])),
            stream.delete_stream(route.STREAM),
            stream.purge_stream(route.STREAM),
            stream.add_consumer(route.STREAM, ConsumerConfig(deliver_subject=f"_INBOX_{user}.all")),
            stream.add_consumer("KV_shadowtwin_models", ConsumerConfig(deliver_subject=route.TEMPLATE_DONE)),
        ):
            assert "publish" in await worker.of(attempt)


@pytest.mark.parametrize("user", ["gateway", "ingestor", "transformer"])
async def test_limits_of_models_are_shared_by_those_who_call_models(
    broker: Broker, gateway: NatsBus, user: str
) -> None:
    mine, theirs = (ModelLimits(NatsLanes(broker.url, login=login(who))) for who in (user, "gateway"))
    async with mine.grant(Lane(endpoint=f"http://{user}/v1", model="m", in_flight=2), 1, "x") as grant:
        grant.verdict = Verdict(kind="ok")
    assert f"http://{user}/v1" in [state.endpoint for state in await theirs.states()]
    await mine.close()
    await theirs.close()


async def test_the_gateway_hears_of_messages_that_were_given_up(broker: Broker, gateway: NatsBus) -> None:
    dead = gateway.dead_messages()
    waiting = asyncio.ensure_future(anext(dead))
    async with connected(broker, OPERATOR) as person:
        sequence = (await person.client.jetstream().publish(route.JOB_FAILED, b"{}")).seq
        advisory = f'{{"stream_seq": {sequence}, "deliveries": 20}}'.encode()
        await person.client.publish("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.SHADOWTWIN.x", advisory)
        assert (await asyncio.wait_for(waiting, 10)).subject == route.JOB_FAILED
    await cast(AsyncGenerator[DeadMessage, None], dead).aclose()


async def test_the_gateway_itself_cannot_delete_streams(broker: Broker, gateway: NatsBus) -> None:
    async with connected(broker, "gateway") as told:
        assert "publish" in await told.of(told.client.jetstream(timeout=0.05).delete_stream(route.STREAM))
