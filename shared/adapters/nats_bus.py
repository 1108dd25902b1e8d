"""NATS JetStream through FastStream: streams and consumers, publishing with an awaited ack, manual acks.

Traps this module exists for (each was reproduced): the default ack policy destroys messages on errors; `publish()`
without a stream is unacknowledged; reconnects end silently after two minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.annotations import NatsMessage
from faststream.security import SASLPlaintext
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError

from shared import route, tracing
from shared.adapters import nats_roll_call
from shared.adapters.nats_handling import Handler, acknowledging
from shared.adapters.nats_streams import STREAM_BYTES, durable_name, make_right
from shared.adapters.trace_choice import broker_middlewares
from shared.broker_login import ANYBODY, BrokerLogin
from shared.errors import TransientError
from shared.events import Event, JobEvent, decode, encode
from shared.gates import Verdict
from shared.phase import Phase
from shared.ticket import Ticket

logger = logging.getLogger("bus")

STOP_SECONDS = 20.0
"""How long running handlers may take when the process stops."""

GATE_SECONDS = 3.0
"""How long the gateway waits for a service's verdict."""


class _Advisory(msgspec.Struct, frozen=True):
    """What the broker says of a message that it gave up."""

    stream_seq: int
    deliveries: int = 0


class DeadMessage(NamedTuple):
    """A message whose deliveries are used up; `event` is None when it could not be read."""

    sequence: int
    subject: str
    deliveries: int
    event: JobEvent | None


class NatsBus:
    """One broker connection of a process. Reconnects for ever; if the client gives up, the process ends."""

    def __init__(
        self,
        url: str,
        name: str,
        login: BrokerLogin = ANYBODY,
        *,
        owner: bool = False,
        stream_bytes: int = STREAM_BYTES,
        replicas: int = 1,
    ) -> None:
        self.connected = asyncio.Event()
        self.ready = asyncio.Event()
        """Set while streams and consumers are known to be right (owner only)."""
        self._owner, self._stream_bytes, self._replicas = owner, stream_bytes, replicas
        self._ensuring: asyncio.Task[None] | None = None
        self._closing = False
        self._pull_inbox = f"{login.inbox_prefix}.".encode()  # FastStream does not take it from the connection
        self.broker = NatsBroker(
            url,
            name=name,
            security=SASLPlaintext(login.user, login.password, use_ssl=False) if login.user else None,
            inbox_prefix=login.inbox_prefix,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=5,
            allow_reconnect=True,
            graceful_timeout=STOP_SECONDS,
            disconnected_cb=self._lost,
            reconnected_cb=self._back,
            closed_cb=self._closed,
            logger=logging.getLogger("faststream"),
            middlewares=broker_middlewares(),
        )

    async def _lost(self) -> None:
        self.connected.clear()
        self.ready.clear()

    async def _back(self) -> None:
        self.connected.set()
        if self._owner:
            self._ensuring = asyncio.create_task(self.ensure())

    async def _closed(self) -> None:
        if not self._closing:
            logger.critical("the broker connection was given up; the process ends so that it is started again")
            os._exit(70)

    def subscribe(self, leg: route.Leg, handler: Handler, workers: int = 1) -> None:
        """Take the leg's messages, `workers` at a time; before `start`. One pull of one message a worker, because a
        larger batch waits for its slowest message and more local workers on one pull fetch too much."""
        for _ in range(workers):
            self.broker.subscriber(
                leg.subject,
                durable=durable_name(leg),
                stream=JStream(route.STREAM, declare=False),
                pull_sub=PullSub(batch_size=1, timeout=1.0),
                ack_policy=AckPolicy.MANUAL,
                no_reply=True,
                inbox_prefix=self._pull_inbox,
            )(acknowledging(handler))

    def answer_gates(self, phase: Phase) -> None:
        """Answer the gateway's questions about this phase's gate; before `start`."""

        async def answer(message: NatsMessage) -> bytes:
            ticket = msgspec.json.decode(message.body, type=Ticket)
            return msgspec.json.encode(await phase.gate(ticket))

        self.broker.subscriber(f"gate.{phase.step}", queue=f"gate_{phase.step}")(answer)

    async def roll_call(self) -> list[nats_roll_call.Present]:
        """The workers that answer within a moment."""
        return await nats_roll_call.call(self._connection)

    async def verdict(self, ticket: Ticket) -> Verdict | None:
        """The verdict of a service on a document, None when none answers within GATE_SECONDS."""
        try:
            body = msgspec.json.encode(ticket)
            answer = await self._connection.request(f"gate.{ticket.step}", body, timeout=GATE_SECONDS)
            return msgspec.json.decode(answer.data, type=Verdict)
        except (NatsError, OSError, TimeoutError, msgspec.MsgspecError):
            return None

    async def connect(self) -> None:
        """Connect, waiting for the broker as long as it takes."""
        while True:
            try:
                await self.broker.connect()
                self.connected.set()
                return
            except (NatsError, OSError, TimeoutError) as error:
                logger.warning("the broker cannot be reached", extra={"reason": type(error).__name__})
                await asyncio.sleep(0.5)

    async def start(self) -> None:
        """Begin to take messages; the consumers must exist (`wait_for_consumers` or `ensure`)."""
        await self.broker.start()

    async def stop(self) -> None:
        """Let running handlers end (bounded), then close. A broker that is away must not hold the process."""
        self._closing = True
        if self._ensuring is not None:
            self._ensuring.cancel()
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(STOP_SECONDS + 5):
                await self.broker.stop()

    async def ensure(self) -> None:
        """Make streams and consumers right, trying until the broker lets us; gateway only. Raises ConfigurationError
        when what the server runs is not what we want."""
        while True:
            try:
                await make_right(self._connection.jetstream(), self._stream_bytes, self._replicas)
            except (NatsError, OSError, TimeoutError) as error:
                logger.warning("streams are not ready yet", extra={"reason": type(error).__name__})
                await asyncio.sleep(0.5)
                continue
            self.ready.set()
            return

    async def free_pulls(self) -> dict[str, int | None]:
        """For each service the pulls that wait for a message: none means that nobody is free to take work."""
        manager = self._connection.jetstream()
        found: dict[str, int | None] = {}
        for leg in route.ROUTE:
            if leg.consumer:
                try:
                    info = await manager.consumer_info(route.STREAM, durable_name(leg))
                    found[leg.consumer] = info.num_waiting
                except (NatsError, OSError, TimeoutError):
                    found[leg.consumer] = None
        return found

    async def wait_for_consumers(self, legs: list[route.Leg]) -> None:
        """Until the gateway has made them."""
        manager = self._connection.jetstream()
        for leg in legs:
            while True:
                try:
                    await manager.consumer_info(route.STREAM, durable_name(leg))
                    break
                except (NatsError, TimeoutError):
                    await asyncio.sleep(0.2)

    async def dead_messages(self) -> AsyncIterator[DeadMessage]:
        """Messages whose deliveries are used up, each acknowledged when the next one is asked for."""
        subscription = None
        while True:
            try:
                stream = self._connection.jetstream()
                subscription = subscription or await stream.pull_subscribe(
                    "", durable="gateway_dead_letters", stream=route.ADVISORY_STREAM
                )
                messages = await subscription.fetch(1, timeout=5)
            except (NatsError, OSError, TimeoutError):
                await asyncio.sleep(1)
                continue
            for message in messages:
                dead = await self._dead_message(message.data)
                if dead is not None:
                    yield dead
                await message.ack()

    async def _dead_message(self, advisory: bytes) -> DeadMessage | None:
        try:
            notice = msgspec.json.decode(advisory, type=_Advisory)
            message = await self._connection.jetstream().get_msg(route.STREAM, notice.stream_seq)
        except (msgspec.MsgspecError, NatsError, OSError, TimeoutError):
            return None
        try:
            event = decode(message.data or b"")
        except msgspec.MsgspecError:
            event = None
        return DeadMessage(notice.stream_seq, message.subject or "", notice.deliveries, event)

    async def publish(self, subject: str, event: Event, message_id: str) -> bool:
        """Publish and await the stream's ack; True if the stream had this id already. Raises TransientError."""
        try:
            ack = await self._publish(subject, event, message_id)
        except NoStreamResponseError as error:
            self.ready.clear()
            logger.warning("the stream is gone and is made again")
            if self._owner:
                await self._ensure_once()
            raise TransientError("unavailable", "The broker has lost its streams.") from error
        except (NatsError, OSError, TimeoutError) as error:
            raise TransientError(
                "unavailable", f"The broker did not take the event ({type(error).__name__})."
            ) from error
        return bool(ack.duplicate)

    async def _publish(self, subject: str, event: Event, message_id: str) -> Any:
        headers, stream = {"Nats-Msg-Id": message_id}, self._connection.jetstream()
        if not isinstance(event, JobEvent):
            return await stream.publish(subject, encode(event), timeout=5, stream=route.STREAM, headers=headers)
        step = route.leg_of(subject).step or ""
        with tracing.current().publishing(subject, event.process_id, step) as carried:
            headers |= carried
            return await stream.publish(subject, encode(event), timeout=5, stream=route.STREAM, headers=headers)

    async def _ensure_once(self) -> None:
        """One bootstrap at a time, however many publishers have found the stream gone."""
        if self._ensuring is None or self._ensuring.done():
            self._ensuring = asyncio.create_task(self.ensure())
        await asyncio.wait({self._ensuring}, timeout=5)

    @property
    def _connection(self) -> Any:
        return self.broker.connection
