"""The sweeper: finds work that nobody is doing any more, and sets it going again.

Every gateway replica runs one; whatever two of them do at once is decided by the job's compare-and-swap. It tells
old outbox entries again (same id), restarts attempts whose heartbeat has stopped or whose deadline has passed,
and fails runs whose attempts are used up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from datetime import datetime, timedelta
from typing import Any

from services.gateway.orchestrator import Orchestrator
from services.gateway.settings import GatewaySettings
from services.gateway.telemetry import counters
from shared.commands import Fail, Restart
from shared.edits import failure
from shared.errors import CATALOGUE, RequestError, TransientError
from shared.job import Job, JobStatus
from shared.ports import JobStore
from shared.transitions import Refused

logger = logging.getLogger("sweeper")


class Sweeper:
    """`run` until cancelled; `sweep` once, for tests."""

    def __init__(self, jobs: JobStore, orchestrator: Orchestrator, settings: GatewaySettings) -> None:
        self._jobs, self._orchestrator, self._settings = jobs, orchestrator, settings
        self._accepting_since: datetime | None = None
        self._last_sweep: datetime | None = None

    async def run(self) -> None:
        """Sweep about every `sweep_seconds`, with jitter so that replicas do not march in step."""
        while True:
            await asyncio.sleep(self._settings.sweep_seconds * random.uniform(0.7, 1.3))
            try:
                await self.sweep()
            except TransientError:
                self._accepting_since = None
            except Exception:
                logger.exception("sweep failed")

    async def sweep(self) -> None:
        """One round. Staleness counts only over time in which this gateway could accept heartbeats: after a start,
        an outage of the store or a long pause of this process, every lease is given one full length of grace."""
        now = await self._jobs.now()
        pause = timedelta(seconds=max(4 * self._settings.sweep_seconds, self._settings.lease_seconds))
        if self._last_sweep is None or now - self._last_sweep > pause:
            self._accepting_since = now
        self._last_sweep = now
        if self._accepting_since is None:
            self._accepting_since = now
        lease = timedelta(seconds=self._settings.lease_seconds)
        due = await self._jobs.due(
            heartbeat_before=now - lease, outbox_before=now - timedelta(seconds=self._settings.outbox_seconds)
        )
        for job in due:
            if job.outbox:
                self._orchestrator.look_again(job.job_id)
                counters.swept("told_again")
            elif job.lease and job.status == JobStatus.RUNNING:
                await self._revive(job, now, lease)

    async def _revive(self, job: Job, now: datetime, lease: timedelta) -> None:
        assert job.lease is not None
        assert self._accepting_since is not None
        late = now > job.lease.deadline_at
        silent = now - max(job.lease.heartbeat_at, self._accepting_since) > lease
        if not late and not silent:
            return
        step = job.lease.step
        reason = "The step took longer than allowed." if late else "The worker gave no sign of life."
        who: dict[str, Any] = {"process_id": job.process_id, "attempt": job.attempt, "step": step}
        with contextlib.suppress(Refused, RequestError):
            if job.losses + 1 >= self._settings.max_attempts:
                code = "step_deadline" if late else "attempts_exhausted"
                fault = failure(step, code, "internal", f"{CATALOGUE[code].message} {reason}", CATALOGUE[code].hint)
                await self._orchestrator.apply(job.job_id, Fail(**who, error=fault))
                counters.swept("failed")
            else:
                await self._orchestrator.apply(job.job_id, Restart(**who, reason=f"{reason} Next attempt."))
                counters.swept("restarted")
            logger.warning("attempt given up", extra={**job.log_context(), "reason": reason, "attempt": job.attempt})
