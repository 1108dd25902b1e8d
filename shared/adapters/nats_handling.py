"""How a message that was taken is answered: every way a handler can end leads to exactly one answer to the broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from faststream.nats.annotations import NatsMessage
from nats.errors import Error as NatsError

from shared.adapters.nats_streams import ACK_WAIT
from shared.events import JobEvent, decode
from shared.phase import Ack, Disposition

logger = logging.getLogger("bus")

Handler = Callable[[JobEvent], Awaitable[Disposition]]


def acknowledging(handler: Handler) -> Callable[[NatsMessage], Awaitable[None]]:
    """Every way a handler can end leads to exactly one answer to the broker; nothing is lost, nothing spins."""

    async def take(message: NatsMessage) -> None:
        try:
            event = decode(message.body)
        except msgspec.MsgspecError:
            logger.error("undecodable message dropped", extra={"bytes": len(message.body)})
            await message.reject()
            return
        async with _in_progress(message):
            try:
                disposition = await handler(event)
            except asyncio.CancelledError:
                await asyncio.shield(message.nack(delay=0))
                raise
            except Exception:
                logger.exception("handler failed", extra={"job": event.job_id})
                await message.nack(delay=5)
                return
        if isinstance(disposition, Ack):
            await message.ack()
        else:
            await message.nack(delay=disposition.delay)

    return take


@contextlib.asynccontextmanager
async def _in_progress(message: NatsMessage) -> AsyncIterator[None]:
    async def extend() -> None:
        while True:
            await asyncio.sleep(ACK_WAIT / 3)
            with contextlib.suppress(NatsError, OSError):
                await message.in_progress()

    extending = asyncio.create_task(extend())
    try:
        yield
    finally:
        extending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await extending
