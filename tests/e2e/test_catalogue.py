"""A catalogue with a model behind it, on real processes: a worker that is killed pays for nothing twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.bench.catalogue import PARAMETERS, simulated_model
from infra.stack import Stack
from tests.e2e.conftest import QUICK, Running
from tests.support.catalogues import Design, catalogue

IN_FLIGHT = 6


@pytest.fixture
def model() -> Iterator[str]:
    with simulated_model(0.02, ["429=0.1", "500=0.05"]) as url:
        yield url


@pytest.fixture
def running_with_model(model: str, tmp_path: Path) -> Iterator[Running]:
    settings = {
        **QUICK,
        "SHADOWTWIN_ANALYZER": "openai",
        "SHADOWTWIN_MODEL_BASE_URL": f"{model}/v1",
        "SHADOWTWIN_MODEL_NAME": "simulated",
        "SHADOWTWIN_MODEL_IN_FLIGHT": str(IN_FLIGHT),
    }
    with Stack(tmp_path / "data", settings=settings) as stack:
        client = httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False)
        with client as http:
            yield Running(stack, http)


def calls(model: str) -> dict[str, Any]:
    counts: dict[str, Any] = httpx.get(f"{model}/control", trust_env=False).json()
    return counts


@pytest.mark.timeout(240)
def test_a_transformer_killed_in_the_middle_repeats_no_call_that_was_not_under_way(
    running_with_model: Running, model: str, tmp_path: Path
):
    truth = catalogue(tmp_path / "catalogue.pdf", Design())
    parameters = json.dumps({**PARAMETERS, "qualityPass": False})
    accepted = running_with_model.submit(tmp_path / "catalogue.pdf", parameters=parameters)
    end = time.monotonic() + 60
    while (before := calls(model))["completed"] < 8:
        assert time.monotonic() < end, before
        time.sleep(0.01)
    pid = running_with_model.stack.processes["transformer"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    job = running_with_model.ended(accepted["jobId"], 120)
    assert job["status"] == "completed", job["error"]
    after = calls(model)
    assert after["distinct"] > before["distinct"], "it was killed after the last call"
    assert after["repeated"] <= IN_FLIGHT
    answer = running_with_model.http.get(f"/api/documents/{accepted['documentId']}/products").json()
    assert {product["name"] for product in answer["products"]} == {made.name for made in truth.products}
    assert any(entry["phase"] == "restarted" for entry in job["logs"])
