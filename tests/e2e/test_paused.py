"""A resting endpoint in the real stack: real processes, a real broker, an embedding endpoint that goes away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx

from infra.stack import Stack
from tests.e2e.conftest import QUICK, Running
from tests.support.model_server import ModelServer
from tests.support.pdfs import long_pdf

DIMENSION = 16


def settings(server: ModelServer, folder: Path) -> dict[str, str]:
    key = folder / "key"
    key.write_text("a-key-for-the-simulated-server")
    return {
        **QUICK,
        "SHADOWTWIN_EMBEDDER": "openai",
        "SHADOWTWIN_EMBEDDING_BASE_URL": f"{server.url}/v1",
        "SHADOWTWIN_EMBEDDING_MODEL": "text-embedding-3-small",
        "SHADOWTWIN_EMBEDDING_DIMENSION": str(DIMENSION),
        "SHADOWTWIN_EMBEDDING_API_KEY_FILE": str(key),
        "SHADOWTWIN_MODEL_OPEN_SECONDS": "1",
        "SHADOWTWIN_MODEL_OPEN_SECONDS_MOST": "1",
    }


async def test_a_job_waits_for_its_endpoint_without_losing_attempts_and_completes(tmp_path: Path) -> None:
    async with ModelServer(dimension=DIMENSION) as server:
        pdf = long_pdf(tmp_path / "a.pdf", 3)
        job = await asyncio.to_thread(_through_an_outage, server, settings(server, tmp_path), tmp_path, pdf)
    assert (job["status"], job["losses"]) == ("completed", 0)
    paused = [entry for entry in job["logs"] if entry["phase"] == "model_paused"]
    assert len(paused) >= 2
    assert server.url in paused[0]["endpoint"]
    (cost,) = job["costs"]
    assert (cost["step"], cost["purpose"], cost["model"]) == ("ingest_rag", "embedding", "text-embedding-3-small")
    assert cost["usd"] > 0


def _through_an_outage(server: ModelServer, env: dict[str, str], folder: Path, pdf: Path) -> dict[str, Any]:
    with (
        Stack(folder / "stack", settings=env) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
    ):
        running = Running(stack, http)
        while http.get("/ready").status_code != 200:
            time.sleep(0.05)
        server.fail(status=503, times=100_000)
        job_id = running.submit(pdf)["jobId"]

        def paused(job: dict[str, Any]) -> bool:
            phases = [str(entry["phase"]) for entry in job["logs"]]
            return phases.count("model_paused") >= 2

        running.wait_until(job_id, paused)
        server.faults.clear()
        return running.ended(job_id)
