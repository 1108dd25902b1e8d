"""The extraction method on its way: from the request over the extractor to the page, the log and the gate."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.job import Job
from tests.support.gateway import PDF, World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route
from tests.unit.extractor.scans import ENGLISH, scanned

SCAN: bytes = scanned(ENGLISH).tobytes()


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def extracted(gateway: World, route: Route, **parameters: Any) -> tuple[dict[str, Any], Job]:
    """A scan after its job: what its pages.jsonl says of its page, and the job."""
    accepted = await gateway.upload(SCAN, parameters=json.dumps(parameters))
    await route.run()
    job = await gateway.job(accepted["jobId"])
    document = (await gateway.http.get(f"/api/documents/{job.document_id}")).json()
    rows = await gateway.storage.read(document["artefacts"]["pages"]["key"])
    return json.loads(rows.splitlines()[0]), job


async def test_auto_recognises_a_scan_and_tells_why_in_the_page_and_in_the_log(gateway: World):
    page, job = await extracted(gateway, Route(gateway))
    assert page["method"] == "ocr"
    assert page["escalation"] == {"to": "ocr", "reason": "no_text", "kept": True}
    (entry,) = [entry for entry in job.logs if entry.get("to") == "ocr"]
    told = {name: entry[name] for name in ("phase", "page", "from", "to", "reason", "kept")}
    assert told == {"phase": "running", "page": 1, "from": "fast", "to": "ocr", "reason": "no_text", "kept": True}


async def test_chunks_and_hits_of_a_scan_say_that_their_text_was_recognised_and_how_surely(gateway: World):
    page, job = await extracted(gateway, Route(gateway))
    document = (await gateway.http.get(f"/api/documents/{job.document_id}")).json()
    rows = (await gateway.storage.read(document["artefacts"]["chunks"]["key"])).splitlines()
    chunks = [json.loads(row) for row in rows]
    assert {(chunk["chunk_type"], chunk["ocr_confidence"]) for chunk in chunks} == {("ocr", page["confidence"])}
    hits = (await gateway.http.post("/api/search", json={"query": chunks[0]["text"][:50]})).json()["hits"]
    assert (hits[0]["chunkType"], hits[0]["ocrConfidence"], hits[0]["pages"]) == ("ocr", page["confidence"], [1])
    picture = (await gateway.http.get(f"/api/documents/{job.document_id}/images")).json()["images"][0]
    size = f"{picture['width']}x{picture['height']}"
    named = (picture["index"], f"images/{picture['name']}", size)
    assert {(chunk["image_index"], chunk["image_key"], chunk["image_size"]) for chunk in chunks} == {named}
    assert (hits[0]["imageIndex"], hits[0]["imageKey"], hits[0]["imageSize"]) == named
    shown = await gateway.http.get(hits[0]["imageUrl"])
    assert (shown.status_code, len(shown.content)) == (200, picture["size"])
    accepted = await gateway.upload(text_pdf("A page with a text of its own, which nobody had to recognise."))
    await Route(gateway).run()
    found = await gateway.http.post(
        "/api/search", json={"query": "text of its own", "documentId": accepted["documentId"]}
    )
    (hit,) = found.json()["hits"]
    assert (hit["chunkType"], hit["ocrConfidence"], hit["imageIndex"], hit["imageUrl"]) == ("text", None, None, "")


async def test_fast_leaves_the_scan_alone_and_another_method_reads_it_again(gateway: World):
    route = Route(gateway)
    page, job = await extracted(gateway, route, extractionMethod="fast")
    assert (page["method"], page["chars"]) == ("fast", 0)
    assert "pdf_no_text" in [warning["code"] for warning in job.warnings]
    page, again = await extracted(gateway, route, extractionMethod="ocr")
    assert again.document_id == job.document_id
    assert page["method"] == "ocr"


async def test_the_languages_and_the_time_budget_reach_the_reader(gateway: World):
    route = Route(gateway)
    page, job = await extracted(gateway, route, ocrLanguages="xyz")
    assert page["warnings"] == ["ocr_language_missing"]
    assert "ocr_language_missing" in [warning["code"] for warning in job.warnings]
    page, job = await extracted(gateway, route, escalationSeconds=0)
    assert page["warnings"] == ["budget_spent: ocr no_text"]
    assert "budget_spent" in [warning["code"] for warning in job.warnings]


async def test_a_language_without_data_fails_a_job_that_asks_for_recognition(gateway: World):
    parameters = json.dumps({"extractionMethod": "ocr", "ocrLanguages": "xyz"})
    accepted = await gateway.upload(scanned(ENGLISH).tobytes(), parameters=parameters)
    await Route(gateway).run()
    job = await gateway.job(accepted["jobId"])
    assert job.error is not None
    assert (job.error.code, job.error.retryable) == ("ocr_language_missing", False)
    assert "xyz" in job.error.message


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"extractionMethod": "magic"}, "auto, fast, layout, ocr, external"),
        ({"ocrLanguages": "../etc"}, "deu+eng"),
        ({"escalationSeconds": -1}, "between 0 and"),
        ({"escalationSeconds": "soon"}, "escalationSeconds"),
    ],
)
async def test_what_no_reader_knows_is_refused_with_the_choices(
    gateway: World, parameters: dict[str, object], word: str
):
    form = {"parameters": json.dumps(parameters)}
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data=form)
    assert answer.status_code == 400
    assert word in answer.json()["detail"]
