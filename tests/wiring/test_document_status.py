"""What a document says of its last run (seed 004): processed, failed with the reason, untouched by a cancelled job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.errors import DocumentError
from shared.job import StepName
from shared.phase import Report
from shared.testing.memory_vectors import HashEmbedder
from shared.ticket import Ticket
from tests.support.gateway import World, world
from tests.support.pdfs import long_pdf, text_pdf
from tests.support.phases import Counted, Route, real_phases

TEXT = "The keeper of the lighthouse wrote the weather down four times a day for thirty-one years."
PAPER = text_pdf(TEXT)


class FailingExtraction:
    """The extract phase of a document that holds nothing to read."""

    def __init__(self, real: Counted) -> None:
        self.gate = real.gate
        self.step = StepName.EXTRACT

    async def work(self, ticket: Ticket, report: Report) -> Any:
        raise DocumentError("pdf_corrupt")


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def test_a_failed_run_is_told_by_job_and_document_and_a_good_one_clears_it(gateway: World) -> None:
    phases = real_phases(gateway)
    accepted = await gateway.upload(text_pdf(TEXT), name="paper.pdf", itemId="item-1")
    await Route(gateway, {**phases, StepName.EXTRACT: FailingExtraction(phases[StepName.EXTRACT])}).run()
    status = (await gateway.http.get(f"/api/status/{accepted['jobId']}")).json()
    document = (await gateway.http.get("/api/file-status", params={"itemId": "item-1"})).json()
    assert status["status"].startswith("error:")
    assert (document["status"], document["lastIngestedAt"]) == ("error", None)
    assert document["error"].startswith("pdf_corrupt: ")

    again = (await gateway.http.post(f"/api/ingest/{accepted['sha256']}/retry")).json()
    await gateway.settle()
    await Route(gateway, phases).run()
    status = (await gateway.http.get(f"/api/status/{again['jobId']}")).json()
    document = (await gateway.http.get("/api/file-status", params={"itemId": "item-1"})).json()
    assert status["status"] == "done"
    assert (document["status"], document["error"]) == ("processed", "")
    assert document["lastIngestedAt"]
    assert document["chunkCount"] > 0


async def test_a_cancelled_job_says_so_in_one_word(gateway: World) -> None:
    accepted = await gateway.upload(text_pdf(TEXT))
    await gateway.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
    await gateway.settle()
    status = (await gateway.http.get(f"/api/status/{accepted['jobId']}")).json()
    assert status["status"] == "cancelled"


async def test_only_small_windows_are_embedded_and_they_fit_the_embedders_context(
    gateway: World, tmp_path: Path
) -> None:
    embedder = HashEmbedder()
    accepted = await gateway.upload(long_pdf(tmp_path / "long.pdf", 8).read_bytes())
    await Route(gateway, real_phases(gateway, embedder=embedder)).run()
    counts = (await gateway.job(accepted["jobId"])).counts
    given = [text for call in embedder.calls for text in call]
    assert counts["chunksLarge"] >= 1
    assert len(given) == counts["vectors"] - 1  # the document's own row is no text
    assert counts["vectors"] - 1 < counts["chunksSmall"] + counts["chunksLarge"]
    assert max(len(text.split()) for text in given) <= 360  # a window and its context header; a large window has 1800


async def test_a_document_is_pending_then_processing_then_processed_and_keeps_that_through_the_next_run(
    gateway: World,
) -> None:
    async def states() -> set[str]:
        shown = (await gateway.http.get(f"/api/documents/{accepted['documentId']}")).json()["status"]
        listed = (await gateway.http.get("/api/documents")).json()["documents"][0]["status"]
        by_item = (await gateway.http.get("/api/file-status", params={"itemId": "item-1"})).json()["status"]
        return {shown, listed, by_item}

    forced = '{"policies": {"extract": "force", "metadata": "force", "ingest": "force"}}'
    accepted = await gateway.upload(PAPER, itemId="item-1")
    assert await states() == {"pending"}
    route = Route(gateway)
    await route.run(until=StepName.INGEST)
    assert await states() == {"processing"}
    await route.run()
    assert await states() == {"processed"}
    await gateway.upload(PAPER, itemId="item-1", parameters=forced)
    await route.run(until=StepName.INGEST)
    assert await states() == {"processed"}


async def test_a_document_in_error_is_pending_again_when_it_is_queued_again(gateway: World) -> None:
    accepted = await gateway.upload(PAPER)
    await gateway.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
    await gateway.settle()
    path = f"/api/documents/{accepted['documentId']}"
    assert (await gateway.http.get(path)).json()["status"] == "error"
    again = await gateway.upload(PAPER)
    assert (await gateway.http.get(path)).json()["status"] == "pending"
    await gateway.claim(again["jobId"])
    assert (await gateway.http.get(path)).json()["status"] == "processing"
