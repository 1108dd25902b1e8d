"""Why jobs do not move, asked for many of them: what lies around them is looked at once a moment."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from services.gateway.stuck import Diagnosis, Surroundings, diagnose
from shared.job import Job
from shared.ports import JobStore

FRESH_SECONDS = 1.0


class Explainer:
    """Diagnoses of jobs; the broker and the queue are asked at most once in FRESH_SECONDS."""

    def __init__(
        self,
        jobs: JobStore,
        broker_ready: Callable[[], bool],
        free_workers: Callable[[], Awaitable[dict[str, int | None]]],
        lease_seconds: float,
    ) -> None:
        self._jobs, self._broker_ready, self._free_workers = jobs, broker_ready, free_workers
        self._lease_seconds = lease_seconds
        self._asked = float("-inf")
        self._workers: dict[str, int | None] = {}
        self._admitted: dict[str, int] = {}

    async def explain(self, job: Job) -> Diagnosis:
        """The step, the reason, and what to do."""
        if time.monotonic() - self._asked > FRESH_SECONDS:
            self._workers, self._admitted = await self._free_workers(), await self._jobs.admitted()
            self._asked = time.monotonic()
        around = Surroundings(
            now=await self._jobs.now(),
            broker_ready=self._broker_ready(),
            workers=self._workers,
            lease_seconds=self._lease_seconds,
            ahead=self._admitted.get(job.library_id, 0),
        )
        return diagnose(job, around)
