"""`bench catalogue`: a product catalogue over the real stack, with a simulated model at the latencies of seed 001.

The source's seconds are measured up to stage 2 and estimated from there on; ours are those of the steps, which overlap.
Limits are the product's defaults. When which calls were under way is printed as well: that is where the time goes.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from infra.bench.memory import Peak
from infra.stack import Stack
from services.transformer.settings import TransformerSettings
from shared.adapters.model_choice import ModelSettings

LATENCY = {"index_scan": 20.0, "product": 20.0, "entities": 20.0, "image_analysis": 3.0, "validation": 4.0}
SOURCE = (
    ("0  product discovery", "240", "discover_products"),
    ("1  focused extraction", "< 1", ""),
    ("2  text and chunks", "115", "ingest_rag"),
    ("3  images", "180-300 (estimated)", "process_images"),
    ("4  products", "20-30 (estimated)", ""),
    ("5  quality", "30-60 (estimated)", "enhance_quality"),
)
PARAMETERS = {"products": True, "focusedExtraction": True, "analyzeImages": True, "qualityPass": True}
MOST_SECONDS = 1800.0


def run(pdf: Path, scale: float, rates: Sequence[str] = ()) -> dict[str, Any]:
    """Everything that was measured; `rates` are STATUS=SHARE of calls that go wrong."""
    with simulated_model(scale, rates) as url, tempfile.TemporaryDirectory(prefix="shadowtwin-bench-") as name:
        settings = {
            "SHADOWTWIN_ANALYZER": "openai",
            "SHADOWTWIN_MODEL_BASE_URL": f"{url}/v1",
            "SHADOWTWIN_MODEL_NAME": "simulated",
        }
        with Stack(Path(name) / "data", settings=settings) as stack:
            client = httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False)
            with client as http:
                while http.get("/ready").status_code != 200:
                    time.sleep(0.05)
                began = time.time()
                with Peak(stack) as peak:
                    found = _measured(http, pdf)
                found["memory"] = peak.found()
        model = httpx.get(f"{url}/control", trust_env=False).json()
    limits = {"imagesAtOnce": TransformerSettings().images_at_once, "modelInFlight": ModelSettings().model_in_flight}
    return {"scale": scale, **limits, **found, "calls": _calls(model.pop("spans"), began), "model": model}


def _calls(spans: dict[str, list[list[float]]], began: float) -> dict[str, dict[str, float]]:
    """For each purpose: how many calls were answered, when the first one came and the last one was answered."""
    return {
        purpose: {
            "calls": len(rows),
            "first": round(min(row[0] for row in rows) - began, 1),
            "last": round(max(row[1] for row in rows) - began, 1),
        }
        for purpose, rows in sorted(spans.items(), key=lambda item: min(item[1]))
    }


def _measured(http: httpx.Client, pdf: Path) -> dict[str, Any]:
    started = time.monotonic()
    with pdf.open("rb") as file:
        accepted = http.post(
            "/api/jobs", files={"file": (pdf.name, file)}, data={"parameters": json.dumps(PARAMETERS)}
        ).json()
    job = _ended(http, accepted["jobId"])
    seconds = time.monotonic() - started
    steps = _seconds(job)
    for child in _children(http, accepted["documentId"], wanted=bool(job["counts"].get("imagesQueued"))):
        steps |= _seconds(_ended(http, child))
    return {
        "status": job["status"],
        "seconds": round(seconds, 1),
        "secondsWithQualityPass": round(time.monotonic() - started, 1),
        "steps": steps,
        "counts": job["counts"],
        "warnings": len(job["warnings"]),
        "error": job["error"],
    }


def _children(http: httpx.Client, document_id: str, wanted: bool) -> list[str]:
    """The quality pass, which is made a moment after its parent has completed."""
    end = time.monotonic() + 10
    while True:
        listed = http.get("/api/jobs", params={"document": document_id}).json()["jobs"]
        found = [row["jobId"] for row in listed if row["parentJobId"]]
        if found or not wanted or time.monotonic() > end:
            return found
        time.sleep(0.05)


def _ended(http: httpx.Client, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + MOST_SECONDS
    while True:
        job: dict[str, Any] = http.get(f"/api/jobs/{job_id}").json()
        if job["status"] in ("completed", "failed") or time.monotonic() > end:
            return job
        time.sleep(0.1)


def _seconds(job: dict[str, Any]) -> dict[str, float]:
    moments = {row["name"]: (row["startedAt"], row["endedAt"]) for row in job["steps"]}
    return {
        name: round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 1)
        for name, (start, end) in moments.items()
        if start and end
    }


@contextlib.contextmanager
def simulated_model(scale: float, rates: Sequence[str]) -> Iterator[str]:
    """The address of a simulated model server, a process of its own, at the source's latencies times `scale`."""
    given = [f"--latency={purpose}={seconds * scale}" for purpose, seconds in LATENCY.items()]
    given += [f"--latency=*={20 * scale}", *(f"--rate={rate}" for rate in rates)]
    command = [sys.executable, "-m", "infra.bench.model_server", "--script", "infra.bench.catalogue_model", *given]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


def lines(found: dict[str, Any]) -> list[str]:
    """The source's table beside ours."""
    rows = [f"{'stage':24}{'source, s':>22}{'ours, s':>10}"]
    rows += [f"{name:24}{theirs:>22}{found['steps'].get(step, ''):>10}" for name, theirs, step in SOURCE]
    total = f"{found['seconds']} ({found['secondsWithQualityPass']} with stage 5)"
    rows += [f"{'all':24}{'585-745':>22}  {total}", f"{'calls':24}{'answered':>22}{'from, s':>10}{'to, s':>10}"]
    rows += [f"{name:24}{c['calls']:>22}{c['first']:>10}{c['last']:>10}" for name, c in found["calls"].items()]
    shown = ("status", "scale", "imagesAtOnce", "modelInFlight", "warnings", "counts", "model", "memory")
    return [*rows, json.dumps({name: found[name] for name in shown})]
