"""Decides and stores: every change of a job goes through `apply`, and every outbox entry through `relay`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from services.gateway.delivery import Delivery, Superseded
from services.gateway.quality import quality_job
from services.gateway.secrets import Unauthorized
from services.gateway.telemetry import counters, job_changes
from services.gateway.webhooks.recording import Recorder
from shared.commands import Command, Fail, Note, Told
from shared.edits import failure
from shared.errors import RequestError, TransientError, describe
from shared.events import Event, JobEvent
from shared.job import DELETION, LOGS_KEPT, QUALITY_PASS, Job, OutboxEntry, StepName
from shared.log import context
from shared.ports import JobStore, OpenJobExists
from shared.route import JOB_COMPLETED, JOB_FAILED, leg_of
from shared.transitions import Refused, decide

logger = logging.getLogger("orchestrator")

MAX_RACES = 100
"""A write that loses so many races in a row points to a fault, not to load."""

RECENT = 2000
"""Open jobs whose last stored state this process remembers."""

TELL_AGAIN = 5.0
TELL_AGAIN_MOST = 60.0
"""Seconds after which an event that nobody has taken is told again: first, and at most."""


class _Telling(NamedTuple):
    """When an event may be told again by this process, and the wait that led there."""

    again_at: float
    wait: float


class Publisher(Protocol):
    """What the relay needs of the bus."""

    async def publish(self, subject: str, event: Event, message_id: str) -> bool: ...


class Orchestrator:
    """One for each gateway process; several may run against one store."""

    def __init__(
        self,
        jobs: JobStore,
        delivery: Delivery,
        bus: Publisher | None,
        resume: Callable[[Job], Awaitable[None]],
        recorder: Recorder,
    ) -> None:
        """`resume` goes on with a deletion that nobody is at."""
        self._jobs, self._delivery, self._bus, self._resume = jobs, delivery, bus, resume
        self._recorder = recorder
        self._active: dict[str, bool] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._told: dict[str, dict[str, _Telling]] = {}
        self._recent: dict[str, Job] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Called when a job has ended or waits for admission."""

    async def apply(self, job_id: str, command: Callable[[Job], Command] | Command) -> Job:
        """Read, decide, swap, and again when the race was lost. Raises Refused, or RequestError not_found.

        A callable builds the command from the job just read, so that its own checks (the secret) are part of the
        same compare-and-swap.
        """
        for turn in range(MAX_RACES):
            job = self._recent.get(job_id) if turn == 0 else None
            remembered = job is not None
            job = job or await self._jobs.get(job_id)
            if job is None:
                raise RequestError("not_found", "There is no such job.")
            try:
                wanted = command(job) if callable(command) else command
                decided = decide(job, wanted, await self._jobs.now())
            except (Refused, Unauthorized):
                if remembered:
                    continue
                raise
            if decided.process_id != job.process_id:
                await self._recorder.job(job)  # a new run empties the outbox, which may still hold the end of this one
            if await self._jobs.swap(job, decided):
                now = replace(decided, logs=decided.logs[-LOGS_KEPT:], revision=job.revision + 1)
                job_changes.changed(job, now)
                self._remember(now)
                if now.outbox:
                    self.wake(job_id)
                if now.waiting or (job.open and not now.open):
                    self.on_change()
                return now
            self._recent.pop(job_id, None)
            await asyncio.sleep(random.uniform(0, 0.002 * min(turn, 20)))
        raise TransientError("unavailable", "The job is changed too often at the moment.")

    def _remember(self, job: Job) -> None:
        """Keep the job as this process last stored it: the next decision needs no read. If another process has
        changed it meanwhile the swap fails, or the refusal is checked against the store, and it is read again."""
        self._recent.pop(job.job_id, None)
        if job.open:
            self._recent[job.job_id] = job
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def look_again(self, job_id: str) -> None:
        """Somebody else may have changed the job: read it from the store and see to its outbox."""
        self._recent.pop(job_id, None)
        self.wake(job_id)

    def tell_now(self, job_id: str) -> None:
        """Tell the job's events although they were told a moment ago: the broker may have lost them."""
        self._told.pop(job_id, None)
        self.look_again(job_id)

    def wake(self, job_id: str) -> None:
        """The job's outbox has entries: see to them soon. Calls while one is under way are folded into one more."""
        if job_id in self._active:
            self._active[job_id] = True
            return
        self._active[job_id] = False
        task = asyncio.create_task(self._drain(job_id))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    def busy(self) -> bool:
        """Whether an outbox is being seen to right now."""
        return bool(self._active)

    async def stop(self) -> None:
        """Let running deliveries end, for a bounded time; what is left stays in the outbox."""
        if self._draining:
            _, pending = await asyncio.wait(set(self._draining), timeout=10)
            for task in pending:
                task.cancel()

    async def _drain(self, job_id: str) -> None:
        try:
            while True:
                self._active[job_id] = False
                try:
                    await self.relay(job_id)
                except TransientError as error:
                    logger.warning("outbox waits", extra={"job": job_id, "reason": error.message})
                if not self._active[job_id]:
                    return
        except Exception:
            logger.exception("relay failed", extra={"job": job_id})
        finally:
            del self._active[job_id]

    async def relay(self, job_id: str) -> None:
        """Do what the job's outbox holds, in order. Raises TransientError; the sweeper comes back to the rest.

        An event that asks a worker for a step stays in the outbox until the step is claimed: as long as nobody has
        taken it, it is told again, with the same id and at growing intervals. Losing the broker loses no event.
        """
        job = self._recent.get(job_id) or await self._jobs.get(job_id)
        if job is None or self._bus is None or not job.outbox:
            self._told.pop(job_id, None)
            return
        now = await self._jobs.now()
        with context(**job.log_context()):
            done: set[str] = set()
            for entry in job.outbox:
                if entry.kind == DELETION:
                    await self._resume(job)
                    break
                if entry.at > now:
                    self._later(job_id, (entry.at - now).total_seconds())
                    break
                if entry.kind == "deliver":
                    await self._deliver(job, entry)
                    break
                if entry.kind == QUALITY_PASS:
                    await self._begin_pass(job)
                    done.add(entry.event_id)
                    continue
                await self._tell(job, entry)
                if not leg_of(entry.subject).consumer:
                    done.add(entry.event_id)
            if done:
                with contextlib.suppress(Refused):
                    after = await self.apply(job.job_id, Told(process_id=job.process_id, event_ids=frozenset(done)))
                    if not after.outbox:
                        self._told.pop(job_id, None)

    async def _tell(self, job: Job, entry: OutboxEntry) -> None:
        assert self._bus is not None
        told = self._told.setdefault(job.job_id, {})
        before = told.get(entry.event_id)
        if before is not None and time.monotonic() < before.again_at:
            return
        event = JobEvent(
            job_id=job.job_id,
            process_id=job.process_id,
            attempt=int(entry.data.get("attempt", 0)),
            document_id=job.document_id,
            library_id=job.library_id,
        )
        if entry.subject == JOB_FAILED:
            await self._delivery.mark_failed(job)
            await self._delivery.clean(job)
        if entry.subject in (JOB_COMPLETED, JOB_FAILED):
            await self._recorder.job(job)
        await self._bus.publish(entry.subject, event, entry.event_id)
        wait = min(before.wait * 2, TELL_AGAIN_MOST) if before else TELL_AGAIN
        counters.told(entry.subject, before is not None)
        told[entry.event_id] = _Telling(time.monotonic() + wait, wait)
        logger.info("told", extra={"subject": entry.subject, "attempt": event.attempt, "again": before is not None})

    async def _begin_pass(self, parent: Job) -> None:
        """Make the quality pass of a completed job, once, where there is something for it to do."""
        if not await self._delivery.wants_quality_pass(parent):
            return
        child = quality_job(parent, await self._jobs.now())
        try:
            await self._jobs.create(child)
        except OpenJobExists as other:
            logger.info("no quality pass is made", extra={"open": other.job_id})
            return
        if not await self._delivery.wants_quality_pass(parent):  # its document's deletion has begun meanwhile
            await self._jobs.delete([child.job_id])
            return
        job_changes.created(child, parent)
        self.wake(child.job_id)
        message = f"quality pass in job {child.job_id}"
        entry = {"phase": "quality_requested", "message": message, "jobId": child.job_id}
        with contextlib.suppress(Refused):
            await self.apply(parent.job_id, Note(process_id=parent.process_id, entries=[entry]))

    async def _deliver(self, job: Job, entry: OutboxEntry) -> None:
        step = entry.data["step"]
        try:
            delivered = await self._delivery.deliver(job, entry)
        except TransientError:
            raise
        except Superseded:
            logger.info("delivery dropped: it was done by another gateway", extra={"step": step})
            self._recent.pop(job.job_id, None)
            return
        except Exception as error:
            said = describe(error)
            logger.exception("delivery failed", extra={"step": step, "code": said.code})
            owner = StepName.STORE if step == StepName.EXTRACT else StepName(step)
            fault = failure(owner, said.code, said.category, said.message, said.hint)
            with contextlib.suppress(Refused):
                await self.apply(job.job_id, Fail(process_id=job.process_id, step=owner, error=fault))
            return
        with contextlib.suppress(Refused):
            after = await self.apply(job.job_id, delivered)
            if not after.open:
                await self._delivery.clean(after)

    def _later(self, job_id: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds + 0.01, self.wake, job_id)
