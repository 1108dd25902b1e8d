"""The broker by hand: what an operator with the client could do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import nats

from infra.faults.snapshot import Json
from infra.faults.world import World

STREAM = "SHADOWTWIN"


@contextlib.asynccontextmanager
async def connected(world: World) -> AsyncIterator[Any]:
    """A connection of our own, past every proxy."""
    connection = await nats.connect(f"nats://127.0.0.1:{world.stack.nats_port}")
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def manager(world: World) -> AsyncIterator[Any]:
    """Streams and consumers."""
    async with connected(world) as connection:
        yield connection.jetstream()


def event(job: Json, attempt: int = 1) -> bytes:
    """An event of the job's present run, as the gateway would tell it."""
    names = {"jobId": job["jobId"], "processId": job["processId"], "attempt": attempt}
    return json.dumps({**names, "documentId": job["documentId"], "libraryId": job["libraryId"]}).encode()
