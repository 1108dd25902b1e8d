"""Turns at a model endpoint: who may call when. One set of rules for a process alone and for many (`model_lane`).

`grant` waits as long as waiting is short and raises Paused when the endpoint rests; a process has one waiter a lane at
a time that asks the shared state, the others stand in line behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar

from msgspec.structs import replace

from shared.adapters.model_lane import Lane, LaneRecord, Verdict, Wait, admitted, poisoned, renewed, settled
from shared.errors import Paused, TransientError
from shared.models import LaneState

logger = logging.getLogger("models")

T = TypeVar("T")
Change = Callable[[LaneRecord, float], tuple[LaneRecord, T]]


class LaneStore(Protocol):
    """Where lane records live. `change` is atomic: what the function answers is stored only if nobody was faster,
    else it is called again with the newer record; the function's second value is the result."""

    async def change(self, lane: Lane, change: Change[T]) -> T: ...

    async def records(self) -> list[LaneRecord]: ...

    async def close(self) -> None: ...


class MemoryLanes:
    """Of this process alone."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._records: dict[str, LaneRecord] = {}

    async def change(self, lane: Lane, change: Change[T]) -> T:
        """Atomic, because nothing here awaits."""
        record = self._records.get(lane.key) or LaneRecord(endpoint=lane.endpoint, model=lane.model)
        self._records[lane.key], result = change(record, self._clock())
        return result

    async def records(self) -> list[LaneRecord]:
        """All lanes."""
        return list(self._records.values())

    async def close(self) -> None:
        """Nothing to do."""


class Grant:
    """A call's turn. Set `verdict` to how the call ended; `quirks` is what is known of the endpoint's dialect."""

    def __init__(self, quirks: list[str]) -> None:
        self.quirks = quirks
        self.verdict = Verdict()


class ModelLimits:
    """Of one process. `patience`: seconds to wait in place for a resting endpoint, `rate_patience` for one that asked
    to slow down; whoever would wait longer gets Paused."""

    def __init__(self, store: LaneStore, *, patience: float = 2.0, rate_patience: float = 60.0) -> None:
        self._store, self._patience, self._rate_patience = store, patience, rate_patience
        self._owner = uuid.uuid4().hex
        self._lines: dict[str, asyncio.Lock] = {}
        self._freed: dict[str, asyncio.Event] = {}
        self._held: Counter[str] = Counter()
        self._renewing: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def grant(self, lane: Lane, tokens: float, call: str) -> AsyncIterator[Grant]:
        """One call's turn, waited for; `call` tells equal calls from others. Raises Paused."""
        async with self._lines.setdefault(lane.key, asyncio.Lock()):
            quirks = await self._wait(lane, tokens, call)
        grant = Grant(quirks)
        if lane.key not in self._renewing:
            self._renewing[lane.key] = asyncio.create_task(self._renew(lane))
        try:
            yield grant
        finally:
            await asyncio.shield(asyncio.ensure_future(self._settle(lane, grant.verdict)))

    async def check(self, lane: Lane, call: str) -> None:
        """Raise Paused if the endpoint rests, unless it is this very call that makes it."""

        def seen(record: LaneRecord, now: float) -> tuple[LaneRecord, tuple[LaneRecord, float]]:
            return record, (record, record.open_until - now)

        record, rest = await self._store.change(lane, seen)
        if rest > 0 and not poisoned(record, call):
            raise _paused(lane, record.reason, rest)

    async def learn(self, lane: Lane, quirk: str) -> None:
        """Remember something of the endpoint's dialect, for all processes."""

        def learnt(record: LaneRecord, now: float) -> tuple[LaneRecord, None]:
            return replace(record, quirks=sorted({*record.quirks, quirk})), None

        await self._store.change(lane, learnt)

    async def states(self) -> list[LaneState]:
        """Every lane as it is now."""
        now = time.time()
        return [
            LaneState(
                endpoint=record.endpoint,
                model=record.model,
                breaker=record.breaker(now),
                retry_seconds=round(max(record.open_until, record.not_before) - now, 3)
                if max(record.open_until, record.not_before) > now
                else 0.0,
                reason=record.reason,
                in_flight=record.in_flight(now),
            )
            for record in await self._store.records()
        ]

    async def close(self) -> None:
        """Stop renewing, close the store."""
        for task in self._renewing.values():
            task.cancel()
        await self._store.close()

    async def _wait(self, lane: Lane, tokens: float, call: str) -> list[str]:
        waited: Counter[str] = Counter()
        while True:
            freed = self._freed.setdefault(lane.key, asyncio.Event())
            freed.clear()
            wait, record = await self._ask(lane, tokens)
            if wait is None:
                return record.quirks
            if wait.why == "open" and poisoned(record, call):
                raise TransientError("unavailable", f"{_name(lane)} fails at this one call, again and again.")
            self._check_patience(lane, wait, waited)
            seconds = wait.seconds * random.uniform(1.0, 1.2) if wait.why != "full" else random.uniform(0.03, 0.15)
            seconds = min(seconds, 5.0)
            waited[wait.why] += max(int(seconds * 1000), 1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await freed.wait()

    async def _ask(self, lane: Lane, tokens: float) -> tuple[Wait | None, LaneRecord]:
        def asked(record: LaneRecord, now: float) -> tuple[LaneRecord, tuple[Wait | None, LaneRecord]]:
            after, wait = admitted(record, lane, now, self._owner, tokens)
            return (record if wait else after), (wait, record)

        # counted before it is asked for: a renewal in between counts one too many for a moment, never one too few
        self._held[lane.key] += 1
        granted = False
        try:
            answer = await self._store.change(lane, asked)
            granted = answer[0] is None
            return answer
        finally:
            self._held[lane.key] -= not granted

    def _check_patience(self, lane: Lane, wait: Wait, waited: Counter[str]) -> None:
        spent = waited[wait.why] / 1000
        if wait.why in ("open", "half_open") and spent + wait.seconds > self._patience:
            rest = wait.seconds if wait.why == "open" else lane.open_seconds / 2
            raise _paused(lane, wait.reason, rest)
        if wait.why == "asked" and spent + wait.seconds > self._rate_patience:
            raise Paused(_name(lane), wait.reason, wait.seconds * random.uniform(1.0, 1.2))

    async def _renew(self, lane: Lane) -> None:
        while True:
            await asyncio.sleep(lane.lease_seconds / 3)

            def kept(record: LaneRecord, now: float) -> tuple[LaneRecord, None]:
                return renewed(record, lane, now, self._owner, self._held[lane.key]), None

            await self._store.change(lane, kept)

    async def _settle(self, lane: Lane, verdict: Verdict) -> None:
        self._held[lane.key] -= 1
        if self._held[lane.key] <= 0 and lane.key in self._renewing:
            self._renewing.pop(lane.key).cancel()

        def left(record: LaneRecord, now: float) -> tuple[LaneRecord, str | None]:
            after = settled(record, lane, now, self._owner, verdict)
            turned = after.breaker(now) if after.breaker(now) != record.breaker(now) else None
            return after, turned

        turned = await self._store.change(lane, left)
        if turned:
            logger.warning("circuit breaker", extra={"endpoint": _name(lane), "state": turned, "why": verdict.reason})
        self._freed.setdefault(lane.key, asyncio.Event()).set()


def _paused(lane: Lane, reason: str, rest: float) -> Paused:
    return Paused(_name(lane), reason or "calls to it fail", max(rest * random.uniform(1.0, 1.3), 0.1))


def _name(lane: Lane) -> str:
    return f"{lane.model} at {lane.endpoint}"
