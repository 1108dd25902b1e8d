"""Lane records shared by all processes: a JetStream key-value bucket with compare-and-swap by revision.

While the broker cannot be reached each process goes on with what it knew last, on its own: a rate limit that is kept
less exactly for a moment is better than work that stands still.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import nats
from nats.errors import Error as NatsError
from nats.js.api import StorageType
from nats.js.errors import (
    APIError,
    BucketNotFoundError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NoKeysError,
    NotFoundError,
)

from shared.adapters.model_lane import Lane, LaneRecord
from shared.adapters.model_limits import Change
from shared.broker_login import ANYBODY, BrokerLogin

logger = logging.getLogger("models")

T = TypeVar("T")

BUCKET = "shadowtwin_models"
BUCKET_BYTES = 4 << 20
ANSWER_SECONDS = 2.0
"""How long the broker may take before the process goes on alone, and then for how long it does not ask again."""

ALONE_SECONDS = 5.0
RACES_MOST = 200


class NatsLanes:
    """See `LaneStore`. Connects at the first use."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time, login: BrokerLogin = ANYBODY) -> None:
        self._url, self._clock, self._login = url, clock, login
        self._opening = asyncio.Lock()
        self._client: Any = None
        self._bucket: Any = None
        self._known: dict[str, tuple[LaneRecord, int]] = {}
        self._alone_until = 0.0

    async def change(self, lane: Lane, change: Change[T]) -> T:
        """By compare-and-swap; alone while the broker is away."""
        if time.monotonic() >= self._alone_until:
            try:
                return await self._swap(lane, change)
            except (NatsError, APIError, OSError, TimeoutError) as error:
                logger.warning("model limits are kept by this process alone", extra={"reason": type(error).__name__})
                self._bucket, self._alone_until = None, time.monotonic() + ALONE_SECONDS
        record, revision = self._known.get(lane.key, (_new(lane), 0))
        after, result = change(record, self._clock())
        self._known[lane.key] = (after, revision)
        return result

    async def records(self) -> list[LaneRecord]:
        """All lanes that any process has used; this process's own while the broker is away."""
        try:
            bucket = await self._open()
            keys = await bucket.keys()
            return [msgspec.json.decode((await bucket.get(key)).value, type=LaneRecord) for key in keys]
        except NoKeysError:
            return []
        except (NatsError, APIError, OSError, TimeoutError, msgspec.MsgspecError):
            return [record for record, _ in self._known.values()]

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            with contextlib.suppress(NatsError, OSError, TimeoutError):
                await self._client.close()
            self._client = self._bucket = None

    async def _swap(self, lane: Lane, change: Change[T]) -> T:
        bucket = await self._open()
        known = self._known.get(lane.key)
        for turn in range(RACES_MOST):
            record, revision = known if known is not None else await self._read(bucket, lane)
            after, result = change(record, self._clock())
            if after == record:
                return result if known is None else await self._fresh(lane, change)
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    stored = await bucket.update(lane.key, msgspec.json.encode(after), last=revision)
            except KeyWrongLastSequenceError:
                known = None
                await asyncio.sleep(random.uniform(0, 0.002 * min(turn, 20)))
                continue
            self._known[lane.key] = (after, stored)
            return result
        raise TimeoutError

    async def _fresh(self, lane: Lane, change: Change[T]) -> T:
        """The same once more on what is stored: what this process remembers may be old news."""
        self._known.pop(lane.key, None)
        return await self._swap(lane, change)

    async def _read(self, bucket: Any, lane: Lane) -> tuple[LaneRecord, int]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                entry = await bucket.get(lane.key)
        except KeyNotFoundError:
            return _new(lane), 0
        try:
            return msgspec.json.decode(entry.value, type=LaneRecord), entry.revision
        except msgspec.MsgspecError:
            return _new(lane), entry.revision

    async def _open(self) -> Any:
        async with self._opening:
            if self._client is None:
                self._client = await nats.connect(
                    self._url,
                    name="models",
                    user=self._login.user or None,
                    password=self._login.password or None,
                    inbox_prefix=self._login.inbox_prefix,
                    connect_timeout=ANSWER_SECONDS,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    allow_reconnect=True,
                    error_cb=_quiet,
                )
            if self._bucket is None:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._bucket = await make_bucket(self._client.jetstream(timeout=ANSWER_SECONDS))
            return self._bucket


async def make_bucket(stream: Any) -> Any:
    """The bucket, made where it is missing. The gateway does so at its start; workers may not be allowed to."""
    try:
        return await stream.key_value(BUCKET)
    except (BucketNotFoundError, NotFoundError):
        # limits may be forgotten with the broker: nothing else is kept here
        return await stream.create_key_value(
            bucket=BUCKET, history=1, storage=StorageType.MEMORY, max_bytes=BUCKET_BYTES
        )


def _new(lane: Lane) -> LaneRecord:
    return LaneRecord(endpoint=lane.endpoint, model=lane.model)


async def _quiet(error: Exception) -> None:
    logger.debug("broker", extra={"reason": type(error).__name__})
