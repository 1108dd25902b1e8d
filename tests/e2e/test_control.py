"""Control of running work: cancel, drain, events published by hand, poison messages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import nats
import pytest

from tests.e2e.conftest import Running
from tests.support.pdfs import long_pdf


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_pdf(tmp_path_factory.mktemp("control") / "long.pdf", 400, seed=2)


def in_extract(job: dict) -> bool:  # type: ignore[type-arg]
    return bool(job["steps"][0]["status"] == "running" and job["progress"])


def publish(running: Running, subject: str, body: bytes) -> None:
    async def tell() -> None:
        connection = await nats.connect(f"nats://127.0.0.1:{running.stack.nats_port}")
        await connection.jetstream().publish(subject, body)
        await connection.close()

    asyncio.run(tell())


def test_cancel_stops_the_child_within_two_seconds(running: Running, long: Path):
    job_id = running.submit(long, libraryId="cancel")["jobId"]
    running.wait_until(job_id, in_extract)
    assert running.http.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    started = time.monotonic()
    extractor = running.stack.processes["extractor"].pid
    while children_of(extractor):
        assert time.monotonic() - started < 2.0
        time.sleep(0.02)
    time.sleep(0.3)
    job = running.job(job_id)
    assert (job["status"], job["error"]["code"], job["shownStatus"]) == ("failed", "cancelled", "cancelled")


def children_of(pid: int | None) -> list[int]:
    """Processes that parse for a service: the children of its forkserver."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    servers = {child for child, parent in parents.items() if parent == pid}
    return [child for child, parent in parents.items() if parent in servers]


def test_a_worker_told_to_stop_loses_no_attempt_and_no_job(running: Running, long: Path):
    job_id = running.submit(long, libraryId="drain")["jobId"]
    running.wait_until(job_id, in_extract)
    pid = running.stack.processes["extractor"].pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    job = running.ended(job_id)
    assert job["status"] == "completed", job["error"]


def test_an_event_published_by_hand_with_a_job_id_alone_is_a_requeue_from_that_phase(running: Running, sample: Path):
    job = running.process(sample, library="by-hand")
    publish(running, "ingest.requested", json.dumps({"jobId": job["jobId"]}).encode())
    again = running.wait_until(job["jobId"], lambda now: now["processId"] != job["processId"])
    assert [step["reason"] for step in again["steps"][:3]] == ["kept_from_earlier_run"] * 3
    done = running.ended(job["jobId"])
    assert done["status"] == "completed"
    assert done["steps"][3]["skipped"], "the gate of ingestion is respected: the vectors are current"


def test_poison_messages_harm_nobody(running: Running, sample: Path):
    before = {name: process.pid for name, process in running.stack.processes.items()}
    for body in (b"", b"\xff\xfe", b"[]", b'{"jobId": 5}', b'{"jobId": "nobody"}', b'{"jobId": "../../x"}'):
        for subject in ("pdf.requested", "pdf.extracted", "template.done", "ingest.requested"):
            publish(running, subject, body)
    assert running.process(sample, library="after-poison")["status"] == "completed"
    assert {name: process.pid for name, process in running.stack.processes.items()} == before


def test_the_whole_system_is_shown_with_versions_and_workers(running: Running) -> None:
    status = running.http.get("/api/system/status").json()
    services = {row["name"]: row for row in status["services"]}
    assert set(services) == {"gateway", "extractor", "transformer", "ingestor"}
    for name in ("extractor", "transformer", "ingestor"):
        assert services[name]["ready"], name
        assert {worker["version"] for worker in services[name]["workers"]} == {status["version"]}
        assert services[name]["freePulls"] > 0
    assert running.http.post("/warmup").json()["status"] == "ok"


def test_a_stack_lets_nobody_in_without_its_key(running: Running) -> None:
    bare = {"Authorization": ""}
    assert running.http.get("/api/jobs", headers=bare).status_code == 401
    assert running.http.get("/ready", headers=bare).status_code == 200
