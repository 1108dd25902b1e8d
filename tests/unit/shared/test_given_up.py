"""An attempt that the gateway does not want any more tells nothing but that it may have left files behind."""

from __future__ import annotations

from typing import Any

import pytest

from shared.events import JobEvent
from shared.gates import Verdict
from shared.job import StepName
from shared.phase import Ack, Report, handle
from shared.ticket import ClaimRequest, Outcome, Ticket
from shared.worker_gateway import Gateway, Gone
from tests.unit.transformer.test_stages_of_the_phase import ticket


class Refusing(Gateway):
    """Gives the step, and refuses every report."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.cleaned = 0

    async def claim(self, job_id: str, request: ClaimRequest) -> Ticket:
        return ticket()

    async def callback(self, ticket: Ticket, body: dict[str, Any]) -> None:
        self.told.append(body)
        raise Gone("unauthorized")

    async def heartbeat(self, ticket: Ticket) -> int:
        return 0

    async def left(self, ticket: Ticket) -> None:
        self.cleaned += 1

    async def requeue(self, job_id: str, step: StepName) -> None:
        raise NotImplementedError


class Ending:
    """A phase whose work ends as it is told to."""

    step = StepName.TRANSFORM

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def gate(self, ticket: Ticket) -> Verdict:
        return Verdict(True, "no_artefact", False)

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        if self._error is not None:
            raise self._error
        return Outcome()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Gone("stale"), []),
        (ExceptionGroup("stages", [Gone("stale"), Gone("stale")]), []),
        (ExceptionGroup("stages", [ValueError("a word"), ExceptionGroup("more", [Gone("stale")])]), []),
        (None, ["completed"]),
        (ValueError("a word"), ["failed"]),
    ],
    ids=["alone", "found out by two stages", "beside another failure", "refused at the end", "refused as a failure"],
)
async def test_what_may_be_left_is_told_however_it_was_found_out(error: Exception | None, told: list[str]):
    gateway = Refusing()
    event = JobEvent(job_id="job-1", process_id="run-1", document_id="doc-1", library_id="default", attempt=1)
    assert isinstance(await handle(event, Ending(error), gateway, "w1"), Ack)
    assert [body["phase"] for body in gateway.told] == told
    assert gateway.cleaned == 1
