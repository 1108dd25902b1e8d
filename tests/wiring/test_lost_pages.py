"""A page that kills its reader, seen from the job: named in the result, remembered by the next attempt of the run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from msgspec.structs import replace

from infra.faults.bombs import GOOD_TEXT, bombs
from infra.soak.phase import Phase, opened
from services.extractor.settings import ExtractorSettings
from shared.job import StepName
from shared.phase import Report
from shared.ticket import ClaimRequest, Outcome, Ticket
from shared.worker_gateway import Gone

SHORT = ExtractorSettings(page_seconds=0.8)


class Listener:
    """A gateway that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def claim(self, job_id: str, request: ClaimRequest) -> Ticket:
        raise Gone("none here")

    async def callback(self, ticket: Ticket, body: dict[str, Any]) -> None:
        self.told.append(body)

    async def heartbeat(self, ticket: Ticket) -> int:
        return 0

    async def left(self, ticket: Ticket) -> None: ...

    async def requeue(self, job_id: str, step: StepName) -> None: ...


@pytest_asyncio.fixture
async def phase(tmp_path: Path) -> AsyncIterator[Phase]:
    async with opened(tmp_path / "work", SHORT) as made:
        yield made


async def read(phase: Phase, pdf: Path, checkpoint: dict[str, Any] | None = None) -> tuple[Outcome, Listener, str]:
    listener = Listener()
    ticket = replace(await phase.ticket(pdf, "the-job"), checkpoint=checkpoint or {})
    outcome = await phase.extraction.work(ticket, Report(listener, ticket))
    return outcome, listener, (await phase.result(outcome)).text


async def test_a_lost_page_is_a_warning_that_names_it_and_is_not_read_again_in_the_run(
    phase: Phase, tmp_path: Path
) -> None:
    pdf = tmp_path / "bomb.pdf"
    pdf.write_bytes(bombs()["forms-within-forms-on-page-3"].content)
    outcome, listener, text = await read(phase, pdf)
    assert (outcome.counts["pages"], outcome.counts["pagesFailed"]) == (5, 1)
    (warning,) = outcome.warnings
    assert (warning["code"], warning["page"]) == ("pdf_page_timeout", 3)
    assert warning["message"].startswith("Page 3 could not be read")
    pages = text.split("--- Seite ")[1:]
    assert [GOOD_TEXT in page for page in pages] == [True, True, False, True, True]

    checkpoints = [body["checkpoint"] for body in listener.told if body.get("checkpoint", {}).get("lost")]
    assert checkpoints[0]["lost"] == {"3": "pdf_page_timeout"}
    # another code than the page would get now: so it was taken from the checkpoint
    again = {**checkpoints[0], "parts": [], "last_page": 0, "lost": {"3": "pdf_crashed"}}
    outcome, _, _ = await read(phase, pdf, again)
    assert [(warning["code"], warning["page"]) for warning in outcome.warnings] == [("pdf_crashed", 3)]
