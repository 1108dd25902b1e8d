"""Dead letters: messages that the broker gave up become a log entry of their job and a `job.dead` event.

The job itself is not lost by that: its event is still in the outbox and is told again. But deliveries that are used
up mean that something is wrong with a worker, and somebody should know.
"""

from __future__ import annotations

import logging

from services.gateway.orchestrator import Orchestrator
from services.gateway.telemetry import counters
from shared.adapters.nats_bus import DeadMessage, NatsBus
from shared.commands import Command, Note
from shared.errors import RequestError
from shared.job import Job
from shared.route import JOB_DEAD
from shared.transitions import Refused

logger = logging.getLogger("dead_letters")


class DeadLetters:
    """Takes the broker's notices."""

    def __init__(self, orchestrator: Orchestrator, bus: NatsBus) -> None:
        self._orchestrator, self._bus = orchestrator, bus

    async def run(self) -> None:
        """Until cancelled."""
        await self._bus.ready.wait()
        async for dead in self._bus.dead_messages():
            await self.take(dead)

    async def take(self, dead: DeadMessage) -> None:
        """Record one; a message whose job is unknown is only logged. Raises TransientError."""
        logger.error("message given up", extra={"subject": dead.subject, "deliveries": dead.deliveries})
        counters.dead_letter(dead.subject)
        if dead.event is None:
            return
        told = f"{dead.subject} was delivered {dead.deliveries} times without being dealt with"
        entry = {"phase": "dead_letter", "message": told, "subject": dead.subject, "deliveries": dead.deliveries}

        def command(job: Job) -> Command:
            return Note(process_id=job.process_id, entries=[entry])

        try:
            await self._orchestrator.apply(dead.event.job_id, command)
        except (Refused, RequestError):
            return
        await self._bus.publish(JOB_DEAD, dead.event, f"{dead.event.job_id}:dead:{dead.sequence}")
