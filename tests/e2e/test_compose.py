"""infra/compose.yaml with a container engine: built, started, a PDF searched, stopped. Skipped where there is none.

Takes the time of four image builds. Secrets go into the checkout's .shadowtwin/secrets, as for anybody who runs it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.milvus_server import free_port

ROOT = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1800
CONFINED = "id -u; touch /app/x 2>/dev/null && echo writable || echo closed"


def missing() -> str:
    """Why compose cannot run here; empty where it can."""
    if shutil.which("docker") is None:
        return "there is no docker on the PATH"
    needed = (
        (["docker", "info"], "no container engine answers"),
        (["docker", "compose", "version"], "docker has no compose"),
    )
    for command, what in needed:
        if subprocess.run(command, capture_output=True, check=False, timeout=60).returncode != 0:
            return what
    return ""


@pytest.fixture
def address() -> Iterator[str]:
    """The gateway of a project of the test's own: its volumes go with it."""
    if reason := missing():
        pytest.skip(f"compose was not run: {reason}")
    subprocess.run([ROOT / "infra" / "secrets.sh"], check=True)
    port = free_port()
    project = f"shadowtwin-test-{os.getpid()}"
    environment = {**os.environ, "SHADOWTWIN_PUBLISH_PORT": str(port), "SHADOWTWIN_OBJECTS_PORT": str(free_port())}
    compose = ["docker", "compose", "-p", project, "-f", str(ROOT / "infra" / "compose.yaml")]
    try:
        subprocess.run([*compose, "build"], env=environment, check=True, timeout=BUILD_SECONDS)
        subprocess.run([*compose, "up", "--wait", "--wait-timeout", "300"], env=environment, check=True, timeout=600)
        yield f"http://127.0.0.1:{port}"
        for name in ("gateway", "extractor", "transformer", "ingestor"):
            user = subprocess.run(
                [*compose, "exec", "-T", name, "sh", "-c", CONFINED],
                env=environment, capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
            assert user.stdout.split() == ["10001", "closed"]
    finally:
        subprocess.run([*compose, "logs", "--tail", "50"], env=environment, check=False, timeout=120)
        subprocess.run([*compose, "down", "--volumes"], env=environment, check=False, timeout=300)


@pytest.mark.timeout(BUILD_SECONDS + 1200)
def test_a_pdf_becomes_searchable_in_containers(address: str, sample: Path) -> None:
    key = (ROOT / ".shadowtwin" / "secrets" / "client.token").read_text()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as http:
        answer = http.post(
            "/api/jobs", files={"file": (sample.name, sample.read_bytes())}, data={"libraryId": "containers"}
        )
        assert answer.status_code == 202, answer.text
        end = time.monotonic() + 180
        while (job := http.get(f"/api/jobs/{answer.json()['jobId']}").json())["status"] not in ("completed", "failed"):
            assert time.monotonic() < end, job["steps"]
            time.sleep(0.5)
        assert job["status"] == "completed", job["error"]
        hits = http.post("/api/search", json={"query": "Shadowtwin", "libraryId": "containers"}).json()["hits"]
        assert hits[0]["documentId"] == job["documentId"]
        assert http.get("/api/jobs", headers={"Authorization": "Bearer nobody"}).status_code == 401
