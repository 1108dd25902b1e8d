"""The dispatcher: every gateway runs one, and a lease in the store gives each endpoint to one of them at a time.

Whoever has an endpoint works on several of its keys side by side and on each key in order: a delivery waits until the
one before it is delivered or given up. A slow receiver holds up nobody else: endpoints have places of their own, and
one that fails has a single one until it answers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import uuid
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from services.gateway.webhooks.attempts import Attempts
from services.gateway.webhooks.schedule import Schedule
from shared.errors import TransientError
from shared.ports import AlertStore, JobStore
from shared.webhook_ports import WebhookStore

logger = logging.getLogger("webhooks")

AT_ONCE = 4
"""Attempts under way for one endpoint; for one that fails, one."""
AT_ONCE_IN_ALL = 64
PAGE = 100
SWEEP = timedelta(hours=1)
KEPT = timedelta(days=30)
MOST_KEPT = 100_000
"""Deliveries that are over are kept so long, and at most so many."""


class Dispatcher:
    """`run` until cancelled; `turn` and `idle` for tests."""

    def __init__(
        self,
        webhooks: WebhookStore,
        leases: AlertStore,
        jobs: JobStore,
        attempts: Attempts,
        owner: str,
        schedule: Schedule,
    ) -> None:
        self._webhooks, self._leases, self._jobs, self._attempts = webhooks, leases, jobs, attempts
        self._owner, self._schedule = owner, schedule
        self._places = asyncio.Semaphore(AT_ONCE_IN_ALL)
        self._driven: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def run(self) -> None:
        """Look for what is due about every second, and at once when this gateway has recorded something."""
        swept = 0.0
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._schedule.poll * random.uniform(0.7, 1.3))
                self._woken.clear()
                try:
                    await self.turn()
                    if time.monotonic() - swept > SWEEP.total_seconds():
                        swept = time.monotonic()
                        await self.sweep()
                except TransientError as error:
                    logger.info("webhooks wait", extra={"reason": error.message})
                    await asyncio.sleep(self._schedule.poll)
        finally:
            await self.stop()

    async def turn(self) -> None:
        """Begin with every endpoint that has something due and that nobody is at."""
        for endpoint_id in await self._webhooks.waiting(await self._jobs.now()):
            if endpoint_id not in self._driven:
                task = asyncio.create_task(self._drive(endpoint_id))
                self._driven[endpoint_id] = task
                task.add_done_callback(partial(self._done, endpoint_id))

    def _done(self, endpoint_id: str, _: asyncio.Task[None]) -> None:
        del self._driven[endpoint_id]

    async def idle(self) -> None:
        """Until nothing is under way here."""
        while self._driven:
            await asyncio.wait(set(self._driven.values()))

    async def stop(self) -> None:
        """End what is under way; it is tried again by whoever comes next."""
        tasks = list(self._driven.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def sweep(self) -> None:
        """Forget what is old; one gateway within the hour does it."""
        now = await self._jobs.now()
        if await self._leases.hold("webhooks-sweep", uuid.uuid4().hex, now, now + SWEEP):
            gone = await self._webhooks.forget(now - KEPT, MOST_KEPT)
            if gone:
                logger.info("old deliveries are forgotten", extra={"count": gone})

    async def _drive(self, endpoint_id: str) -> None:
        held = False
        try:
            while True:
                width = await self._attempts.width(endpoint_id, AT_ONCE)
                if not width:
                    return
                lease = _Lease(self._leases, self._jobs, endpoint_id, self._owner, self._schedule.lease)
                held = await lease.hold()
                if not held or not await self._round(endpoint_id, lease, width):
                    return
        except TransientError as error:
            logger.info("webhooks wait", extra={"endpoint": endpoint_id, "reason": error.message})
        except Exception:
            logger.exception("delivering failed", extra={"endpoint": endpoint_id})
        finally:
            if held:
                with contextlib.suppress(TransientError):
                    now = await self._jobs.now()
                    await self._leases.hold(_lease_of(endpoint_id), self._owner, now, now)

    async def _round(self, endpoint_id: str, lease: _Lease, width: int) -> bool:
        """Whether there was anything due."""
        due = await self._webhooks.due(endpoint_id, await self._jobs.now(), PAGE)
        keys = iter(dict.fromkeys(row.key for row in due))

        async def work() -> None:
            for key in keys:
                await self._in_order(endpoint_id, key, lease)

        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(work())
        for row in due:
            await self._behind(row.delivery_id)
        return bool(due)

    async def _in_order(self, endpoint_id: str, key: str, lease: _Lease) -> None:
        """One after the other, while each is taken by the receiver or given up."""
        while True:
            row = await self._webhooks.head(endpoint_id, key)
            # What has not been tried yet is due as soon as it is first: it has only waited for those before it.
            if row is None or ((row.tries or row.proof) and row.due_at > await self._jobs.now()):
                return
            async with self._places:
                if not await lease.hold() or not await self._attempts.make(row):
                    return

    async def _behind(self, delivery_id: str) -> None:
        """What waits behind another one is not due before that one is."""
        row = await self._webhooks.delivery(delivery_id)
        if row is None or row.state != "pending" or row.due_at > await self._jobs.now():
            return
        head = await self._webhooks.head(row.endpoint_id, row.key)
        if head is not None and head.delivery_id != row.delivery_id and head.due_at > row.due_at:
            await self._webhooks.put(replace(row, due_at=head.due_at))


class _Lease:
    """The right to tell an endpoint; prolonged when a sixth of it has passed."""

    def __init__(self, leases: AlertStore, jobs: JobStore, endpoint_id: str, owner: str, seconds: float) -> None:
        self._leases, self._jobs, self._name, self._owner = leases, jobs, _lease_of(endpoint_id), owner
        self._seconds, self._renewed = seconds, float("-inf")

    async def hold(self) -> bool:
        """Whether it is ours, for longer than an attempt takes."""
        before = time.monotonic()
        if before - self._renewed < self._seconds / 6:
            return True
        now = await self._jobs.now()
        if not await self._leases.hold(self._name, self._owner, now, now + timedelta(seconds=self._seconds)):
            return False
        self._renewed = before
        return True


def _lease_of(endpoint_id: str) -> str:
    return f"webhook:{endpoint_id}"
