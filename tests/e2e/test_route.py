"""The route on real processes: one PDF in, a twin, vectors and a finished job document out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared import frontmatter
from shared.anchors import split_pages
from shared.commands import MARKS
from tests.e2e.conftest import Running
from tests.support.pdfs import encrypted_pdf, truncated_pdf


def test_a_pdf_becomes_a_twin_with_vectors_and_a_finished_job(running: Running, sample: Path):
    accepted = running.submit(sample, libraryId="route")
    job = running.ended(accepted["jobId"])
    assert job["status"] == "completed"
    assert {step["name"]: step["status"] for step in job["steps"]} == {
        "extract_pdf": "completed",
        "store_shadow_twin": "completed",
        "transform_template": "completed",
        "discover_products": "completed",
        "ingest_rag": "completed",
    }
    discovery = next(step for step in job["steps"] if step["name"] == "discover_products")
    assert (discovery["skipped"], discovery["reason"]) == (True, "no_catalogue")
    transformation = running.twin_file(accepted["documentId"], "transformation")
    meta, body = frontmatter.parse(transformation.read_text(encoding="utf-8"))
    assert meta["title"] == "Lighthouses of the Northern Coast"
    assert (meta["year"], meta["language"], meta["pages"]) == (2019, "en", 5)
    assert [page.number for page in split_pages(body)[1]] == [1, 2, 3, 4, 5]
    assert len(list((transformation.parent / "images").iterdir())) == 2
    assert job["result"]["savedItemId"].endswith("/sample.document.en.md")
    assert any(item.endswith("/sample.en.md") for item in job["result"]["savedItems"])
    kinds = ("chunksSmall", "summaries", "imageVectors")
    assert job["counts"]["imageVectors"] == 10
    assert job["ingestion"]["vectorsUpserted"] == sum(job["counts"][kind] for kind in kinds) + 1
    assert running.wait_until(job["jobId"], lambda now: not now["outbox"])["status"] == "completed"


def test_the_log_tells_the_phases_in_the_source_order(running: Running, sample: Path):
    job = running.process(sample, library="log-order")
    entries = running.http.get(f"/api/jobs/{job['jobId']}/logs").json()["logs"]
    phases = [entry["phase"] for entry in entries]
    wanted = [
        "request_sent", "extract_gate_plan", "request_ack", "initializing", "running", "postprocessing",
        "stored_path", "doc_meta_upsert", "transform_gate_plan", "transform_meta", "stored_local", "doc_meta_upsert",
        "ingest_gate_plan", "ingest_rag", "ingest_start", "ingest_chunking_done", "ingest_pinecone_upserted",
        "indextidy", "ingest_rag", "completed",
    ]  # fmt: skip
    rest = iter(phases)
    assert all(phase in rest for phase in wanted), phases
    assert [
        entry["progress"] for entry in entries if entry["phase"] == "running" and entry.get("progress") in MARKS
    ] == [10, 30, 60, 75, 85, 90]
    assert [entry["timestamp"] for entry in entries] == sorted(entry["timestamp"] for entry in entries)


def test_search_finds_the_page(running: Running, sample: Path):
    running.process(sample, library="search")
    for question, page in (
        ("how often did a keeper trim the wicks", 3),
        ("who wrote the weather down for thirty-one years", 4),
        ("when was the last tower automated", 5),
        ("height of Kvitholmen tower", 3),
    ):
        hits = running.search(question, "search")
        assert page in hits[0]["pages"], (question, [hit["pages"] for hit in hits])
        assert "--- Seite" not in hits[0]["text"]


def test_the_same_bytes_again_are_skipped_with_the_stored_metadata(running: Running, sample: Path):
    first = running.submit(sample, libraryId="again")
    running.ended(first["jobId"])
    second = running.submit(sample, libraryId="again")
    assert (second["status"], second["jobId"], second["documentId"]) == ("skipped", None, first["documentId"])
    assert second["metadata"]["title"] == "Lighthouses of the Northern Coast"


def test_bad_pdfs_fail_with_a_code_and_a_hint_and_the_workers_live_on(running: Running, sample: Path, tmp_path: Path):
    before = {name: process.pid for name, process in running.stack.processes.items()}
    for make, codes in ((encrypted_pdf, {"pdf_encrypted"}), (truncated_pdf, {"pdf_corrupt", "pdf_no_pages"})):
        job = running.process(make(tmp_path / f"{make.__name__}.pdf"), library="bad")
        assert job["status"] == "failed"
        assert job["error"]["code"] in codes
        assert job["error"]["hint"]
        assert job["steps"][0]["status"] == "failed"
        running.wait_until(job["jobId"], lambda now: not now["outbox"])
        document = running.http.get(f"/api/documents/{job['documentId']}").json()
        assert document["status"] == "error"
    assert running.process(sample, library="after-bad")["status"] == "completed"
    assert {name: process.pid for name, process in running.stack.processes.items()} == before


def test_no_secret_is_anywhere_but_in_its_own_file(running: Running, sample: Path):
    job = running.process(sample, library="secrets")
    folder = running.stack.data_dir / "secrets"
    tokens = [path.read_text().strip() for path in folder.glob("*.token")]
    assert len(tokens) == 4  # three workers and the stack's own client
    shown = json.dumps(job) + running.http.get(f"/api/jobs/{job['jobId']}/logs").text
    commands = "".join(
        Path(f"/proc/{entry.name}/cmdline").read_text(errors="replace")
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and (entry / "cmdline").exists()
    )
    for token in tokens:
        assert token not in shown
        assert token not in commands
        for path in running.stack.data_dir.rglob("*"):
            if path.is_file() and path.parent != folder:
                assert token.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("name", ["extractor", "transformer", "ingestor", "gateway"])
def test_each_service_writes_json_lines_that_carry_the_job(running: Running, sample: Path, name: str):
    job = running.process(sample, library=f"logs-{name}")
    lines = (running.stack.data_dir / "logs" / f"{name}.log").read_text().splitlines()
    parsed = [json.loads(line) for line in lines]
    assert any(line.get("job") == job["jobId"] and line.get("run") == job["processId"] for line in parsed)
