"""Roll call: every worker answers one question of the gateway, so that the fleet is known without a registry."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from nats.errors import Error as NatsError

from shared.version import VERSION

SUBJECT = "roll.call"
WAIT_SECONDS = 0.3
"""How long answers are waited for: a worker that is blocked longer is not there."""


class Present(msgspec.Struct, frozen=True, rename="camel"):
    """What a worker says of itself; `owner` is the name under which it holds leases."""

    service: str
    owner: str
    version: str


def answered_by(broker: Any, service: str, owner: str) -> None:
    """Let this process answer; before the broker starts."""
    said = msgspec.json.encode(Present(service, owner, VERSION))

    async def answer(message: Any) -> bytes:
        return said

    broker.subscriber(SUBJECT)(answer)


async def call(connection: Any) -> list[Present]:
    """Who answers in time, in order; nobody while the broker is away."""
    found: list[Present] = []

    async def take(message: Any) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            found.append(msgspec.json.decode(message.data, type=Present))

    with contextlib.suppress(NatsError, OSError):
        inbox = connection.new_inbox()
        answers = await connection.subscribe(inbox, cb=take)
        await connection.publish(SUBJECT, b"", reply=inbox)
        await asyncio.sleep(WAIT_SECONDS)
        await answers.unsubscribe()
    return sorted(found, key=lambda worker: (worker.service, worker.owner))
