"""One local stack for all end-to-end tests: real processes, a real broker, the embedded defaults."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.stack import Stack

QUICK = {
    "SHADOWTWIN_HEARTBEAT_SECONDS": "0.5",
    "SHADOWTWIN_LEASE_SECONDS": "2",
    "SHADOWTWIN_SWEEP_SECONDS": "0.5",
    "SHADOWTWIN_WATCH_SECONDS": "1",
}
"""Crashes and causes of alerts are found sooner than by default, so that tests do not wait for them."""


class Running:
    """A running stack and a client of it."""

    def __init__(self, stack: Stack, http: httpx.Client) -> None:
        self.stack, self.http = stack, http

    def submit(self, pdf: Path, *, force: bool = False, **form: str) -> dict[str, Any]:
        if force:
            form["parameters"] = json.dumps({"policies": dict.fromkeys(("extract", "metadata", "ingest"), "force")})
        with pdf.open("rb") as file:
            answer = self.http.post("/api/jobs", files={"file": (pdf.name, file)}, data=form)
        assert answer.status_code in (200, 202), answer.text
        body: dict[str, Any] = answer.json()
        return body

    def job(self, job_id: str) -> dict[str, Any]:
        body: dict[str, Any] = self.http.get(f"/api/jobs/{job_id}").json()
        return body

    def wait_until(self, job_id: str, condition: Any, seconds: float = 90) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while True:
            job = self.job(job_id)
            if condition(job):
                return job
            assert time.monotonic() < end, f"still {job['status']}: {job['steps']} {job['progress']}"
            time.sleep(0.01)

    def until_ready(self, seconds: float = 60) -> None:
        """Until the gateway answers again, on connections that are not those of one that was killed."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if self.http.get("/ready").status_code == 200:
                    return
            assert time.monotonic() < end, "the gateway is not ready"
            time.sleep(0.05)

    def ended(self, job_id: str, seconds: float = 90) -> dict[str, Any]:
        return self.wait_until(job_id, lambda job: job["status"] in ("completed", "failed"), seconds)

    def process(self, pdf: Path, library: str) -> dict[str, Any]:
        return self.ended(self.submit(pdf, libraryId=library)["jobId"])

    def search(self, query: str, library: str, top: int = 5) -> list[dict[str, Any]]:
        body = {"query": query, "top": top, "libraryId": library}
        hits: list[dict[str, Any]] = self.http.post("/api/search", json=body).json()["hits"]
        return hits

    def twin_file(self, document_id: str, role: str) -> Path:
        document = self.http.get(f"/api/documents/{document_id}").json()
        return self.stack.data_dir / "twins" / str(document["artefacts"][role]["key"])

    def chunk_ids(self, document_id: str) -> list[str]:
        lines = self.twin_file(document_id, "chunks").read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["chunk_id"] for line in lines]


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with (
        Stack(tmp_path_factory.mktemp("stack"), settings=QUICK) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
    ):
        made = Running(stack, http)
        made.until_ready()
        yield made


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from infra.sample import write_sample

    path = tmp_path_factory.mktemp("sample") / "sample.pdf"
    write_sample(path)
    return path
