"""Admission: the database is the queue, and the gateway decides which job's first event is told when.

A library never has more than its share of admitted jobs, so that one with a thousand files cannot keep another's
single file waiting; within a library the higher priority goes first, then the older job. Counts are those of the last
round; several gateways may admit a few more than the limit together, which does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter

from services.gateway.orchestrator import Orchestrator
from services.gateway.settings import GatewaySettings
from shared.commands import Admit
from shared.errors import RequestError, TransientError
from shared.job import Job
from shared.ports import JobQuery, JobStore
from shared.transitions import Refused

logger = logging.getLogger("admission")

ROUND_SECONDS = 1.0
"""A round at least so often, for what another gateway has changed."""


PAUSE_SECONDS = 0.03
"""Between rounds: under load one of them serves every job that has ended meanwhile."""


class QueueFull(TransientError):
    """The queue is at its cap: 429 with Retry-After."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("queue_full", retry_after=retry_after)


class Admission:
    """One for each gateway process."""

    def __init__(self, jobs: JobStore, orchestrator: Orchestrator, settings: GatewaySettings) -> None:
        self._jobs, self._orchestrator, self._settings = jobs, orchestrator, settings
        self._admitted: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._queued = 0
        self._counted_at = -ROUND_SECONDS
        self._changed = asyncio.Event()

    def check_room(self) -> None:
        """Raise QueueFull when no further job can be taken now."""
        if self._queued >= self._settings.max_queued:
            raise QueueFull(retry_after=10)

    def take_slot(self, library: str) -> bool:
        """Whether a job that is being made may start at once; it then counts as admitted."""
        full = self._admitted.total() >= self._settings.max_admitted
        if full or self._waiting[library] or self._admitted[library] >= self._settings.max_admitted_per_library:
            self._waiting[library] += 1
            self._queued += 1
            self._changed.set()
            return False
        self._admitted[library] += 1
        return True

    def notice(self) -> None:
        """A job has ended or waits: look at the queue."""
        self._changed.set()

    async def run(self) -> None:
        """Rounds until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self.round()
                await asyncio.sleep(PAUSE_SECONDS)
            except TransientError:
                await asyncio.sleep(ROUND_SECONDS)
            except Exception:
                logger.exception("admission failed")
                await asyncio.sleep(ROUND_SECONDS)

    async def round(self) -> None:
        """Admit what fits."""
        self._admitted = Counter(await self._jobs.admitted())
        share = self._settings.max_admitted_per_library
        waiting = await self._jobs.waiting(share)
        left = Counter(job.library_id for job in waiting)
        # a library of which no more is known than its share may have more
        behind = {library for library, count in left.items() if count >= share}
        for job in waiting:
            library = job.library_id
            room = self._admitted.total() < self._settings.max_admitted and self._admitted[library] < share
            if room and await self._admit(job):
                self._admitted[library] += 1
                left[library] -= 1
        self._waiting = +left + Counter(behind)
        if not waiting:
            self._queued = 0
        elif time.monotonic() - self._counted_at > ROUND_SECONDS or self._queued >= self._settings.max_queued:
            self._counted_at = time.monotonic()
            self._queued = (await self._jobs.counts(JobQuery(status="queued"))).get("queued", 0)

    async def _admit(self, job: Job) -> bool:
        try:
            await self._orchestrator.apply(job.job_id, Admit(process_id=job.process_id))
        except (Refused, RequestError):
            return False
        return True
