"""The life of a phase in a worker, written once: claim, gate, work, report.

A service supplies only its `Phase`: a gate and the work. Everything that makes a redelivery, a crash, a stale run
or a cancelled job harmless stands here and in the gateway's guards.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from shared.account import Account
from shared.aside import Aside
from shared.endings import ended_badly
from shared.errors import TransientError
from shared.events import JobEvent
from shared.gates import Verdict
from shared.job import StepName, StepStatus
from shared.log import context
from shared.observed import attempt
from shared.stages import StageReport
from shared.ticket import ClaimRequest, Outcome, Ticket
from shared.worker_gateway import Busy, Gateway, Gone

logger = logging.getLogger("phase")


PHASES: dict[StepName, str] = {
    StepName.EXTRACT: "extract",
    StepName.TRANSFORM: "transform",
    StepName.INGEST: "ingest",
    StepName.QUALITY: "quality",
}
"""What a step's log entries call it."""


class Ack(msgspec.Struct, frozen=True):
    """The message is dealt with."""


class Retry(msgspec.Struct, frozen=True):
    """Deliver the message again after so many seconds."""

    delay: float


Disposition = Ack | Retry


class Phase(Protocol):
    """What a service supplies."""

    step: StepName

    async def gate(self, ticket: Ticket) -> Verdict:
        """Whether the work is needed; `run=False` skips the step."""

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Do it; must be cancellable within a second, and write under `ticket.output_prefix` only."""


class Report:
    """Sends log entries, progress and costs to the job, coalesced: page progress at most every `interval` seconds.

    `account` is who pays for the attempt's model calls.
    """

    def __init__(self, gateway: Gateway, ticket: Ticket, interval: float = 0.5) -> None:
        self._gateway, self._ticket, self._interval = gateway, ticket, interval
        self.account = Account.of(ticket)
        self._entries: list[dict[str, Any]] = []
        self._sent_at = 0.0
        self._marks = 0
        self._last: dict[str, Any] = {}
        self._stages: dict[StepName, StageReport] = {}
        self.beats = 0
        """Heartbeats that the gateway has answered."""
        self.heard = 0
        """Reports of this attempt that the gateway has taken, whoever sent them, as of the last heartbeat."""

    def mark(self, phase: str, message: str = "", **fields: Any) -> None:
        """Append a log entry; it travels with the next report, at the latest with the final one. Entries are numbered
        within the attempt, so that one that is sent again because an answer was lost is logged once."""
        self._marks += 1
        self._entries.append({"phase": phase, "message": message, **fields, "n": self._marks})

    def stage(
        self, name: StepName, status: StepStatus, reason: str = "", *, skipped: bool = False, fraction: float = 0.0
    ) -> None:
        """Show a stage of this step as a step of the job (shared.stages); it travels like a log entry."""
        self._stages[name] = StageReport(name=name, status=status, reason=reason, skipped=skipped, fraction=fraction)

    def due(self) -> bool:
        """Whether the interval has passed, so that the next `progress` will be sent."""
        return time.monotonic() - self._sent_at >= self._interval

    async def progress(
        self,
        percent: float,
        message: str = "",
        done: int = 0,
        total: int = 0,
        checkpoint: dict[str, Any] | None = None,
    ) -> None:
        """Show progress within this step, 0-100; sent only when the interval has passed. With a checkpoint the next
        attempt need not repeat what is reported here: store what it refers to before."""
        self._last = {"progress": percent, "message": message, "pages_done": done, "pages_total": total}
        if checkpoint is not None:
            self._last["checkpoint"] = checkpoint
        if self.due():
            await self.flush()

    async def flush(self) -> None:
        """Send what waits. A passing failure of the gateway is no failure of the work: it goes with the next one."""
        self._sent_at = time.monotonic()
        self._note()
        entries, self._entries = self._entries, []
        stages, self._stages = self._stages, {}
        charges = self.account.take_charges()
        body = {
            "phase": "running",
            "logs": entries,
            "stages": list(stages.values()),
            "costs": msgspec.to_builtins(charges),
            **self._last,
        }
        try:
            await self._gateway.callback(self._ticket, body)
        except TransientError:
            self._entries = entries + self._entries
            self._stages = {**stages, **self._stages}
            self.account.give_back(charges)
        except BaseException:
            self.account.give_back(charges)  # whether they arrived or not: each is counted once
            raise

    def rest(self) -> dict[str, Any]:
        """What was not sent yet, for the final report."""
        self._note()
        entries, self._entries = self._entries, []
        stages, self._stages = self._stages, {}
        costs = msgspec.to_builtins(self.account.take_charges())
        return {"logs": entries, "stages": list(stages.values()), "costs": costs}

    def _note(self) -> None:
        for entry in self.account.take_notes():
            self.mark(**entry)


async def handle(
    event: JobEvent, phase: Phase, gateway: Gateway, owner: str, aside: Aside | None = None
) -> Disposition:
    """One delivery of a message of the route."""
    with context(job=event.job_id, run=event.process_id, phase=phase.step):
        if aside is not None and aside.holds(event):
            return Ack()
        try:
            if not event.process_id:
                await gateway.requeue(event.job_id, phase.step)
                return Ack()
            request = ClaimRequest(process_id=event.process_id, attempt=event.attempt, step=phase.step, owner=owner)
            ticket = await gateway.claim(event.job_id, request)
        except Gone as gone:
            logger.info("delivery dropped", extra={"reason": gone.reason})
            return Ack()
        except Busy:
            return Retry(5.0)
        except TransientError as error:
            return Retry(error.retry_after or 2.0)
        if aside is not None and aside.waits(ticket):
            aside.start(event, _run(ticket, phase, gateway))
            return Ack()
        return await _run(ticket, phase, gateway)


async def _run(ticket: Ticket, phase: Phase, gateway: Gateway) -> Disposition:
    report = Report(gateway, ticket)
    with attempt(ticket) as seen:
        try:
            async with _heartbeats(ticket, gateway, report):
                with report.account.active():
                    body = await _gate_and_work(ticket, phase, report)
        except asyncio.CancelledError:
            body = {"phase": "released", "message": "The worker stops.", **report.rest()}
            with contextlib.suppress(Exception):
                await asyncio.shield(gateway.callback(ticket, body))
            raise
        except Exception as error:
            if (over := _over(error)) is not None:
                seen.outcome = "given_up"
                return await _given_up(ticket, gateway, over)
            body = ended_badly(error, report.mark)
        seen.ended(body)
        return await _final(ticket, gateway, {**body, **report.rest()})


def _over(error: Exception) -> Gone | None:
    """That the attempt is over, however many of its stages have found that out and whatever else went wrong then."""
    if isinstance(error, ExceptionGroup):
        return next((gone for each in error.exceptions if (gone := _over(each)) is not None), None)
    return error if isinstance(error, Gone) else None


async def _given_up(ticket: Ticket, gateway: Gateway, gone: Gone) -> Disposition:
    """Nothing is told of such an attempt but that it may have written files after the job's last clean-up."""
    logger.info("attempt given up", extra={"reason": gone.reason})
    with contextlib.suppress(TransientError, Gone):
        await gateway.left(ticket)
    return Ack()


async def _gate_and_work(ticket: Ticket, phase: Phase, report: Report) -> dict[str, Any]:
    started = time.monotonic()
    verdict = await phase.gate(ticket)
    name = PHASES[phase.step]
    if not verdict.run:
        report.mark(f"{name}_gate_skip", verdict.reason, gateExists=verdict.exists)
        return {"phase": "completed", "data": {"skipped": True, "reason": verdict.reason}}
    if phase.step != StepName.EXTRACT or verdict.reason != "no_artefact":
        report.mark(f"{name}_gate_plan", f"will run: {verdict.reason}", gateExists=verdict.exists)
    outcome = await phase.work(ticket, report)
    logger.info("work done", extra={"seconds": round(time.monotonic() - started, 3)})
    for entry in outcome.entries:
        report.mark(**entry)
    data = msgspec.to_builtins(outcome)
    del data["entries"], data["handed"]
    return {"phase": "completed", "data": data if outcome.handed is None else outcome.handed}


async def _final(ticket: Ticket, gateway: Gateway, body: dict[str, Any]) -> Disposition:
    """Tell the result until the gateway has taken it; while it is away the lease is kept by its own grace."""
    delay = 0.2
    while True:
        try:
            await gateway.callback(ticket, body)
            return Ack()
        except Gone as gone:
            return await _given_up(ticket, gateway, gone)
        except TransientError:
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


@contextlib.asynccontextmanager
async def _heartbeats(ticket: Ticket, gateway: Gateway, report: Report) -> AsyncIterator[None]:
    """Heartbeat beside the work; if the gateway says the attempt is over, the work is cancelled and Gone raised."""
    task = asyncio.current_task()
    assert task is not None
    over: list[Gone] = []

    async def beat() -> None:
        while True:
            await asyncio.sleep(ticket.heartbeat_seconds)
            try:
                report.heard = await gateway.heartbeat(ticket)
                report.beats += 1
            except TransientError:
                continue
            except Gone as gone:
                over.append(gone)
                task.cancel()
                return

    beating = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if over:
            task.uncancel()
            raise over[0] from None
        raise
    finally:
        beating.cancel()
        await asyncio.wait({beating})
