"""What a catalogue's job shows over its life, on real processes: the six bands of seed 001, and no step back."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.bench.catalogue import PARAMETERS, simulated_model
from infra.stack import Stack
from shared.bands import BANDS
from tests.e2e.conftest import QUICK, Running
from tests.support.catalogues import Design, catalogue

STAGE_OF = {"discover_products": 0, "ingest_rag": 2, "process_images": 3, "link_entities": 4, "enhance_quality": 5}


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Running]:
    """A stack whose model takes long enough for progress to be reported in between."""
    with simulated_model(0.1, []) as model:
        settings = {
            **QUICK,
            "SHADOWTWIN_ANALYZER": "openai",
            "SHADOWTWIN_MODEL_BASE_URL": f"{model}/v1",
            "SHADOWTWIN_MODEL_NAME": "simulated",
            "SHADOWTWIN_IMAGES_AT_ONCE": "1",
        }
        with (
            Stack(tmp_path / "data", settings=settings) as stack,
            httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
        ):
            yield Running(stack, http)


def life(ask: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """The job's document as it was shown, whenever it had changed."""
    seen: list[dict[str, Any]] = []
    end = time.monotonic() + 120
    while not seen or seen[-1]["status"] not in ("completed", "failed"):
        job = ask()
        if not seen or job["revision"] != seen[-1]["revision"]:
            seen.append(job)
        assert time.monotonic() < end, seen[-1]["progress"]
        time.sleep(0.01)
    return seen


def within(stage: int, percent: float) -> bool:
    return BANDS[stage][0] <= percent <= BANDS[stage][1]


def held(jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The progress of each document, held against the bands and against the one before."""
    shown = [job["progress"] for job in jobs if job["progress"]]
    for before, after in itertools.pairwise(shown):
        assert after["percent"] >= before["percent"]
        assert all(b >= a for a, b in zip(before["stages"], after["stages"], strict=True))
    for progress in shown:
        assert within(progress["stage"], progress["percent"]), progress
        assert all(within(stage, place) for stage, place in enumerate(progress["stages"])), progress
        assert all(place == BANDS[at][1] for at, place in enumerate(progress["stages"][: progress["stage"]]))
    return shown


@pytest.mark.timeout(300)
def test_a_catalogues_job_and_its_quality_pass_show_the_six_bands_and_never_go_back(slow: Running, tmp_path: Path):
    catalogue(tmp_path / "catalogue.pdf", Design())
    accepted = slow.submit(tmp_path / "catalogue.pdf", parameters=json.dumps(PARAMETERS))
    jobs = life(lambda: slow.job(accepted["jobId"]))
    assert jobs[-1]["status"] == "completed", jobs[-1]["error"]
    shown = held(jobs)
    running = [
        (STAGE_OF[row["name"]], job["progress"])
        for job in jobs
        for row in job["steps"]
        if job["progress"] and row["name"] in STAGE_OF and row["status"] == "running"
    ]
    # while products are discovered the job is in stage 0, while chunks are made in stage 2; pictures run ahead of both
    assert {progress["stage"] for stage, progress in running if stage == 0} == {0}
    assert {progress["stage"] for stage, progress in running if stage == 2} == {2}
    assert any(4.5 < progress["percent"] < 15 for progress in shown), "no progress within discovery"
    assert any(50 < progress["stages"][3] < 70 for progress in shown), "no progress within the pictures"
    assert {0, 1, 2, 5} <= {progress["stage"] for progress in shown}
    assert (shown[-1]["percent"], shown[-1]["stages"]) == (100, [high for _, high in BANDS])

    assert jobs[-1]["counts"]["imagesQueued"], "no picture has a low score"
    shown = held(life(lambda: quality_pass(slow, accepted["documentId"])))
    assert {progress["stage"] for progress in shown} == {5}
    assert shown[-1]["percent"] == 100


def quality_pass(running: Running, document_id: str) -> dict[str, Any]:
    """The document of the job that looks again, which is made a moment after its parent has completed."""
    end = time.monotonic() + 20
    while True:
        rows = running.http.get("/api/jobs", params={"document": document_id}).json()["jobs"]
        found = [row["jobId"] for row in rows if row["parentJobId"]]
        if found:
            return running.job(found[0])
        assert time.monotonic() < end
        time.sleep(0.01)
