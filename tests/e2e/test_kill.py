"""kill -9 of each worker in the middle of its phase: the job completes, with the chunk ids of an undisturbed run."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from shared import frontmatter
from tests.e2e.conftest import Running
from tests.support.pdfs import long_pdf, marker

PAGES = 400


@pytest.fixture(scope="module")
def undisturbed(running: Running, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pdf = long_pdf(tmp_path_factory.mktemp("long") / "long.pdf", PAGES)
    accepted = running.submit(pdf, libraryId="kill")
    job = running.ended(accepted["jobId"])
    assert job["status"] == "completed"
    document_id = accepted["documentId"]
    ids = running.chunk_ids(document_id)
    assert len(ids) == len(set(ids)) > PAGES
    return {
        "pdf": pdf,
        "documentId": document_id,
        "ids": ids,
        "vectors": job["ingestion"]["vectorsUpserted"],
        "text": transcript(running, document_id),
    }


def transcript(running: Running, document_id: str) -> str:
    return frontmatter.parse(running.twin_file(document_id, "transcript").read_text(encoding="utf-8"))[1]


def in_the_middle(step: str, percent: float) -> Any:
    def reached(job: dict[str, Any]) -> bool:
        row = next(row for row in job["steps"] if row["name"] == step)
        assert row["status"] != "completed", "the phase was over before it could be disturbed"
        return bool(row["status"] == "running" and (job["progress"] or {"percent": 0})["percent"] >= percent)

    return reached


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("worker", "step", "percent"),
    [("extractor", "extract_pdf", 10), ("transformer", "transform_template", 0), ("ingestor", "ingest_rag", 70)],
)
def test_a_killed_worker_loses_nothing(
    running: Running, undisturbed: dict[str, Any], worker: str, step: str, percent: float
):
    killed = 0
    for _ in range(3):
        job_id = running.submit(undisturbed["pdf"], force=True, libraryId="kill")["jobId"]
        running.wait_until(job_id, in_the_middle(step, percent))
        reported = running.job(job_id)["progress"]["pagesDone"]
        pid = running.stack.processes[worker].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        killed += 1
        assert running.search(marker(7), "kill")[0]["pages"][:1], (
            "what was searchable stays so while the job is repeated"
        )
        job = running.ended(job_id, 60)
        assert job["status"] == "completed", job["error"]
        log = running.http.get(f"/api/jobs/{job_id}/logs", params={"limit": 5000}).json()["logs"]
        assert any(entry["phase"] == "restarted" and entry["step"] == step for entry in log)
        if worker == "extractor":
            resumed = [entry["resumedAfter"] for entry in log if "resumedAfter" in entry]
            assert resumed, "the next attempt goes on from the checkpoint"
            assert resumed[0] >= reported, "no page that was reported is read again"
        assert transcript(running, undisturbed["documentId"]) == undisturbed["text"]
        assert running.chunk_ids(undisturbed["documentId"]) == undisturbed["ids"]
        assert job["ingestion"]["vectorsUpserted"] == undisturbed["vectors"]
    assert killed == 3
