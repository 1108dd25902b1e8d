"""The whole stack with a foreign worker beside it: handed over, killed in the middle, and done all the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.stack import Stack
from tests.e2e.conftest import QUICK, Running
from tests.support.external import CREDENTIAL
from tests.support.pdfs import long_pdf, marker
from tests.support.reference_worker import ReferenceWorker, Treatment, reference_worker

SETTINGS = {**QUICK, "SHADOWTWIN_EXTERNAL_QUIET_SECONDS": "3", "SHADOWTWIN_EXTERNAL_POLL_SECONDS": "0.5"}


class Beside:
    """The reference worker on an event loop of its own, as another machine would have it."""

    def __init__(self) -> None:
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self.worker: ReferenceWorker | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()))

    async def _serve(self) -> None:
        async with reference_worker(CREDENTIAL) as worker, httpx.AsyncClient(trust_env=False, timeout=30) as http:
            worker.http, self.worker = http, worker
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> ReferenceWorker:
        self._thread.start()
        assert self._ready.wait(20)
        assert self.worker is not None
        return self.worker

    def __exit__(self, *ended: Any) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def worker() -> Iterator[ReferenceWorker]:
    with Beside() as made:
        yield made


@contextlib.contextmanager
def stack_beside(folder: Path, url: str, protocol: str) -> Iterator[Running]:
    (folder / "external.token").write_text(CREDENTIAL)
    settings = {
        **SETTINGS,
        "SHADOWTWIN_EXTERNAL_URL": url,
        "SHADOWTWIN_EXTERNAL_PROTOCOL": protocol,
        "SHADOWTWIN_EXTERNAL_TOKEN_FILE": str(folder / "external.token"),
    }
    with (
        Stack(folder / "stack", settings=settings) as stack,
        httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
    ):
        made = Running(stack, http)
        made.ended(made.submit(long_pdf(folder / "first.pdf", 1), libraryId="first")["jobId"])
        yield made


@pytest.fixture(scope="module")
def running(worker: ReferenceWorker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stack_beside(tmp_path_factory.mktemp("external"), f"{worker.url}/process", "callback") as made:
        yield made


@pytest.fixture(scope="module")
def parsing(worker: ReferenceWorker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stack_beside(tmp_path_factory.mktemp("parsing"), worker.url, "parse") as made:
        yield made


def external(running: Running, pdf: Path, library: str) -> dict[str, Any]:
    return running.submit(pdf, libraryId=library, parameters=json.dumps({"extractionMethod": "mistral_ocr"}))


def test_a_foreign_workers_text_becomes_searchable(running: Running, worker: ReferenceWorker, tmp_path: Path):
    accepted = external(running, long_pdf(tmp_path / "a.pdf", 2), "well")
    job = running.ended(accepted["jobId"])
    assert job["status"] == "completed", job["error"]
    log = running.http.get(f"/api/jobs/{accepted['jobId']}/logs").json()["logs"]
    assert {"request_sent", "request_ack"} <= {entry["phase"] for entry in log}
    digest = worker.requests[-1].digest
    assert digest in running.search(f"Read elsewhere {digest}", "well")[0]["text"]


def test_a_text_of_many_megabytes_is_stored_and_shown_on_request(
    running: Running, worker: ReferenceWorker, tmp_path: Path
):
    page = "Many words about otters and their tracks. " * 12_000
    worker.plan.append(Treatment(text=f"--- Seite 1 ---\n{page}\n--- Seite 2 ---\n{page}\n--- Seite 3 ---\n{page}"))
    parameters = {"extractionMethod": "mistral_ocr", "phases": {"template": False, "ingest": False}}
    accepted = running.submit(long_pdf(tmp_path / "c.pdf", 5), libraryId="large", parameters=json.dumps(parameters))
    job = running.ended(accepted["jobId"])
    assert (job["status"], job["counts"]["pages"]) == ("completed", 3), job["error"]
    full = running.http.get(f"/api/jobs/{accepted['jobId']}", params={"expand": "payload"}).json()
    assert len(full["payload"]["extracted_text"]) > 1_400_000


@pytest.mark.timeout(180)
def test_a_kill_while_the_worker_reads_costs_an_attempt_and_the_old_token(
    running: Running, worker: ReferenceWorker, tmp_path: Path
):
    before = len(worker.requests)
    worker.plan.append(Treatment(silent=True))
    accepted = external(running, long_pdf(tmp_path / "b.pdf", 3), "killed")
    job_id = accepted["jobId"]
    running.wait_until(job_id, lambda job: any(entry["phase"] == "request_ack" for entry in job["logs"][3:]))
    pid = running.stack.processes["extractor"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    job = running.ended(job_id)
    assert job["status"] == "completed", job["error"]
    first, second = worker.requests[before:]
    assert first.fields["callback_token"] != second.fields["callback_token"]
    late = {"phase": "completed", "data": {"extracted_text": "much too late"}}
    token = {"Authorization": f"Bearer {first.fields['callback_token']}"}
    assert running.http.post(f"/api/external/jobs/{job_id}", json=late, headers=token).status_code == 401
    text = running.twin_file(accepted["documentId"], "transcript").read_text(encoding="utf-8")
    assert second.digest in text


@pytest.mark.timeout(180)
def test_many_slow_foreign_documents_do_not_hold_up_our_own(running: Running, worker: ReferenceWorker, tmp_path: Path):
    worker.plan += [Treatment(progress=[10.0] * 8, pause=0.5) for _ in range(4)]
    slow = [external(running, long_pdf(tmp_path / f"slow-{n}.pdf", n + 1), f"slow-{n}")["jobId"] for n in range(4)]
    for job_id in slow:
        running.wait_until(job_id, lambda job: job["status"] == "running")
    ours = running.process(long_pdf(tmp_path / "ours.pdf", 2), "ours")
    assert ours["status"] == "completed"
    assert [running.job(job_id)["status"] for job_id in slow] == ["running"] * 4, "still being read elsewhere"
    assert marker(1) in running.search(marker(1), "ours")[0]["text"]
    for job_id in slow:
        assert running.ended(job_id)["status"] == "completed"


@pytest.mark.timeout(180)
def test_a_kill_while_a_remote_job_is_polled_pays_nothing_twice(
    parsing: Running, worker: ReferenceWorker, tmp_path: Path
):
    before = len(worker.requests)
    page = "Many words about otters and their tracks. " * 30_000
    state = {"status": "running", "phase": "ocr", "percent": 20, "current": 1, "total": 5}
    text = f"--- Seite 1 ---\n{page}"
    worker.plan.append(Treatment(asynchronous=True, polls=[state] * 8, text=text))
    accepted = external(parsing, long_pdf(tmp_path / "p.pdf", 5), "polled")
    job_id = accepted["jobId"]
    parsing.wait_until(job_id, lambda job: (job["progress"] or {}).get("pagesTotal") == 5)
    pid = parsing.stack.processes["extractor"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    job = parsing.ended(job_id)
    assert job["status"] == "completed", job["error"]
    log = parsing.http.get(f"/api/jobs/{job_id}/logs").json()["logs"]
    assert any(entry["phase"] == "restarted" for entry in log)
    assert len(worker.requests) == before + 1
    document = parsing.http.get(f"/api/documents/{accepted['documentId']}").json()
    assert (document["metadata"]["parser"], document["metadata"]["source"]) == ("mineru", "ocr")
    assert parsing.http.post("/warmup/mineru").json()["services"]["mineru"]["warm"] is True
