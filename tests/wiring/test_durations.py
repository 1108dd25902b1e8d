"""A job says how long reading, chunking, embedding and all of it took, and its document keeps that."""

from __future__ import annotations

from shared.job import StepName
from tests.support.gateway import world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route

TEXT = "The keeper of the lighthouse wrote the weather down four times a day for thirty-one years."


async def test_the_stages_durations_are_shown_by_job_and_document():
    async with world() as gateway:
        accepted = await gateway.upload(text_pdf(TEXT))
        route = Route(gateway)
        await route.run(until=StepName.INGEST)
        job = (await gateway.http.get(f"/api/jobs/{accepted['jobId']}")).json()
        assert job["durations"]["ocr"] >= 0
        assert job["durations"]["chunking"] is job["durations"]["total"] is None
        await route.run()
        job = (await gateway.http.get(f"/api/jobs/{accepted['jobId']}")).json()
        durations = job["durations"]
        assert set(durations) == {"ocr", "chunking", "embedding", "total"}
        assert all(seconds >= 0 for seconds in durations.values())
        assert durations["total"] >= durations["ocr"]
        document = (await gateway.http.get(f"/api/documents/{accepted['documentId']}")).json()
        assert document["durations"] == durations
        assert not [name for name in document["counts"] if name.endswith("Ms")]


async def test_what_a_run_leaves_out_has_no_duration():
    async with world() as gateway:
        accepted = await gateway.upload(text_pdf(TEXT), parameters='{"phases": {"ingest": false}}')
        await Route(gateway).run()
        durations = (await gateway.http.get(f"/api/jobs/{accepted['jobId']}")).json()["durations"]
        assert durations["ocr"] is not None
        assert durations["total"] is not None
        assert durations["chunking"] is durations["embedding"] is None
