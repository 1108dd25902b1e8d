"""A rebuild of twenty documents on real processes, with a paid model and a paid embedder that count their calls."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.bench.catalogue import simulated_model
from infra.faults.pdfs import Shelf
from infra.stack import Stack
from tests.e2e.conftest import QUICK, Running

COUNT = 20
DIMENSION = 16
QUESTIONS = ("harbour signal lantern", "granite ferry", "compass valley orchard")


@pytest.fixture
def model() -> Iterator[str]:
    with simulated_model(0.001, []) as url:
        yield url


def settings(model: str, folder: Path) -> dict[str, str]:
    key = folder / "key"
    key.write_text("a-key-for-a-simulated-server")
    named = {
        "ANALYZER": "openai",
        "MODEL_BASE_URL": f"{model}/v1",
        "MODEL_NAME": "simulated",
        "EMBEDDER": "openai",
        "EMBEDDING_BASE_URL": f"{model}/v1",
        "EMBEDDING_MODEL": "simulated",
        "EMBEDDING_DIMENSION": str(DIMENSION),
        "EMBEDDING_API_KEY_FILE": str(key),
    }
    return QUICK | {f"SHADOWTWIN_{name}": value for name, value in named.items()}


def opened(stack: Stack) -> Running:
    running = Running(stack, httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False))
    end = time.monotonic() + 60
    while running.http.get("/ready").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    return running


def calls(model: str) -> tuple[int, int]:
    """Questions that were received, and texts that were embedded."""
    counts: dict[str, Any] = httpx.get(f"{model}/control", trust_env=False).json()
    return int(counts["received"]), int(counts["embedded"])


def rows(folder: Path) -> dict[str, Any]:
    """Every vector row by its key."""
    import lancedb

    database = lancedb.connect(str(folder / "vectors"))
    tables = [database.open_table(path.stem).to_arrow().to_pylist() for path in (folder / "vectors").glob("*.lance")]
    return {entry["key"]: entry for table in tables for entry in table}


def chunks(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (folder / "twins").glob("*/*/chunks.jsonl")}


def answers(running: Running) -> list[Any]:
    found = []
    for question in QUESTIONS:
        answer = running.http.post("/api/search", json={"query": question, "top": 20})
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["hits"])
    return found


@pytest.mark.timeout(400)
def test_twenty_documents_are_rebuilt_byte_for_byte_without_a_paid_call(model: str, tmp_path: Path) -> None:
    given, data = settings(model, tmp_path), tmp_path / "data"
    papers = Shelf(tmp_path / "pdfs").some(1, COUNT, pages=4)
    with Stack(data, settings=given) as stack:
        running = opened(stack)
        accepted = [running.submit(paper, libraryId="lib") for paper in papers]
        for one in accepted:
            job = running.ended(one["jobId"], 200)
            assert job["status"] == "completed", job["error"]
        files, stored, hits = chunks(data), rows(data), answers(running)
        running.http.close()
    assert len(files) == COUNT
    assert all(hits)
    for name in ("vectors", "nats"):
        shutil.rmtree(data / name)
    for path in data.glob("shadowtwin.db*"):
        path.unlink()
    paid = calls(model)
    assert min(paid) >= COUNT
    with Stack(data, settings=given) as stack:
        running = opened(stack)
        state = running.http.post("/api/system/rebuild", json={}).json()
        end = time.monotonic() + 200
        while not (state["finished"] and running.http.get(f"/api/batches/{state['batchId']}").json()["finished"]):
            assert time.monotonic() < end, state
            time.sleep(0.1)
            state = running.http.get(f"/api/system/rebuild/{state['handle']}").json()
        assert (state["restored"], state["started"], state["refusals"]) == (COUNT, COUNT, 0), json.dumps(state)
        assert calls(model) == paid
        assert chunks(data) == files
        assert rows(data) == stored
        assert answers(running) == hits
        running.http.close()
