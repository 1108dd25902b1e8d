"""Pictures on real processes: a whole catalogue by the embedded defaults, its ingestor killed on the way."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import httpx
import pytest

from infra.bench.pictures import measure
from tests.e2e.conftest import Running
from tests.support.catalogues import Design, catalogue

DESIGN = Design(language="de", swatches=3, marks=True, portraits=True, shared=True)


@pytest.mark.timeout(300)
async def test_a_german_catalogue_is_linked_and_found_although_its_ingestor_was_killed(
    running: Running, tmp_path: Path
) -> None:
    truth = catalogue(tmp_path / "catalogue.pdf", DESIGN)
    accepted = running.submit(tmp_path / "catalogue.pdf")
    running.wait_until(accepted["jobId"], lambda job: job["steps"][-1]["status"] == "running", 120)
    pid = running.stack.processes["ingestor"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    job = running.ended(accepted["jobId"], 200)
    assert job["status"] == "completed", job["error"]
    counts = job["counts"]
    assert counts["imageVectors"] == 5 * counts["imagesEmbedded"]
    places = [
        {"page": each.page, "bbox_pdf": each.bbox, "product": each.product or None, "caption": each.caption or None}
        for each in truth.pictures
    ]
    stack = running.stack
    async with httpx.AsyncClient(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http:
        figures = await measure(http, accepted["documentId"], places)
        print(json.dumps(figures))
        assert figures["precision"] >= 0.95
        assert figures["recall"] >= 0.95
        assert figures["stray"] == []
        assert figures["captionFindsItsProduct"] >= 0.9
        row = (await http.get("/api/images", params={"product": "Velmora"})).json()["images"][0]
        content = (await http.get(row["url"])).content
        answer = await http.post("/api/images/similar", content=content, params={"space": "texture", "top": 1})
        assert [hit["imageId"] for hit in answer.json()["hits"]] == [row["imageId"]]
        answer = await http.post("/api/images/similar", content=content[:100])
        assert answer.json()["code"] == "image_unreadable"
