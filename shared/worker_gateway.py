"""The gateway as a worker sees it: a port, and how it refuses."""

from __future__ import annotations

from typing import Any, Protocol

from shared.job import StepName
from shared.ticket import ClaimRequest, Ticket


class Gone(Exception):
    """The gateway does not want this attempt's reports any more; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Busy(Exception):
    """The step cannot be claimed yet."""


class Gateway(Protocol):
    """A worker's view of the gateway. Every call may raise TransientError."""

    async def claim(self, job_id: str, request: ClaimRequest) -> Ticket:
        """Take the step; raises Gone (stale, settled, terminal) or Busy."""

    async def callback(self, ticket: Ticket, body: dict[str, Any]) -> None:
        """Report under the ticket's token; raises Gone when the report has no effect."""

    async def heartbeat(self, ticket: Ticket) -> int:
        """Show life; gives how many reports the attempt has had, raises Gone when it is over."""

    async def left(self, ticket: Ticket) -> None:
        """This attempt was given up and may have written files after the job's last clean-up."""

    async def requeue(self, job_id: str, step: StepName) -> None:
        """Ask for a new run from this step (an event published by hand)."""
