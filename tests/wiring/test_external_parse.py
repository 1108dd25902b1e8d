"""The OCR contract of seed 004: the text at once, or a job that is polled; recorded under the parser's key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.anchors import split_pages
from shared.job import StepName
from tests.support.external import outside
from tests.support.gateway import PDF
from tests.support.reference_worker import Treatment

PROGRESS = {"phase": "ocr", "stage": "layout", "percent": 40, "current": 2, "total": 5}


async def test_the_file_and_its_hash_are_sent_and_the_text_is_recorded_under_the_parser_key(tmp_path: Path):
    async with outside(tmp_path, "parse") as made:
        job = await made.completed(PDF, method="mineru")
        assert str(job.status) == "completed"
        [sent] = made.worker.requests
        assert (sent.path, sent.file, sent.fields["doc_hash"]) == ("/parse", PDF, sent.digest)
        assert "callback_token" not in sent.fields, "this contract knows no callbacks"
        meta, body = await made.transcript(job)
        assert [page.text for page in split_pages(body)[1]] == [f"Read elsewhere: {sent.digest}", "The second page."]
        assert (meta["source"], meta["parser"]) == ("ocr", "mineru")
        document = await made.document(job)
        assert (document.metadata["parser"], document.metadata["source"]) == ("mineru", "ocr")
        info = json.loads(await made.gateway.storage.read(document.artefacts["info"].key))
        assert (info["parser"], info["source"], info["pages"]) == ("mineru", "ocr", 2)
        assert document.chunk_count >= 1


async def test_pages_of_the_answer_become_pages_of_the_transcript(tmp_path: Path):
    body = {"text": "One.\n\nTwo.", "pages": [{"page": 1, "text": "One."}, {"page": 2, "text": "Two."}]}
    async with outside(tmp_path, "parse", [Treatment(body=json.dumps(body).encode())]) as made:
        job = await made.extracted(PDF)
        _, text = await made.transcript(job)
        assert [page.text for page in split_pages(text)[1]] == ["One.", "Two."]


async def test_a_job_is_polled_and_its_progress_shown_over_failures_that_pass(tmp_path: Path):
    polls: list[dict[str, Any] | int] = [503, {"status": "running", **PROGRESS}, 500]
    async with outside(
        tmp_path, "parse", [Treatment(asynchronous=True, polls=polls)], external_quiet_seconds=5
    ) as made:
        job = await made.extracted(PDF)
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        assert made.worker.polled == ["r-1"] * 4
        log = await made.log(job)
        [shown] = [entry for entry in log if entry.get("stage")]
        assert (shown["stage"], shown["percent"], shown["current"], shown["total"]) == ("ocr / layout", 40.0, 2, 5)
        acks = [entry["status"] for entry in log[3:] if entry["phase"] == "request_ack"]
        assert acks == [202]


async def test_an_empty_text_beside_a_job_is_no_answer_yet_and_the_result_may_be_wrapped(tmp_path: Path):
    body = json.dumps({"status": "done", "result": {"text": "Wrapped."}}).encode()
    plan = [Treatment(asynchronous=True, beside={"text": ""}, polls=[{"status": "queued"}], body=body)]
    async with outside(tmp_path, "parse", plan) as made:
        job = await made.extracted(PDF)
        assert "Wrapped." in (await made.transcript(job))[1]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", "worker_failed"),
        (b"no json", "worker_failed"),
        (b"[1]", "worker_failed"),
        (b'{"text": 7}', "worker_failed"),
        (b'{"job_id": "../../admin"}', "worker_failed"),
        (b'{"job_id": {"a": 1}}', "worker_failed"),
        (b'{"text": ""}', "empty_text"),
        (b'{"text": null}', "empty_text"),
        (b'{"text": " \\n "}', "empty_text"),
        (b'{"text": "--- Seite 1 ---"}', "empty_text"),
        (b'{"text": "' + b"x" * 5000 + b'"}', "worker_failed"),
    ],
)
async def test_an_answer_without_text_fails_the_step_and_the_document_is_in_error(
    tmp_path: Path, body: bytes, code: str
):
    async with outside(tmp_path, "parse", [Treatment(body=body)], external_answer_bytes=4096) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (str(job.status), job.error.code) == ("failed", code)
        document = await made.document(job)
        assert (str(document.status), "transcript" in document.artefacts) == ("error", False)
        assert len(made.worker.requests) == 1, "the same answer would come again"


async def test_a_failed_job_of_the_worker_fails_the_step_with_its_reason(tmp_path: Path):
    polls: list[dict[str, Any] | int] = [{"status": "failed", "error": "page 3 is upside down"}]
    async with outside(tmp_path, "parse", [Treatment(asynchronous=True, polls=polls)]) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert job.error.code == "worker_failed"
        assert "page 3 is upside down" in job.error.message


async def test_a_worker_that_is_away_for_too_long_is_asked_again_by_the_next_attempt(tmp_path: Path):
    polls: list[dict[str, Any] | int] = [503] * 10
    async with outside(tmp_path, "parse", [Treatment(asynchronous=True, polls=polls)]) as made:
        accepted = await made.start(PDF)
        await made.route.run()
        job = await made.gateway.job(accepted["jobId"])
        assert (job.losses, str(job.step(StepName.EXTRACT).status)) == (1, "pending")


async def test_the_next_attempt_goes_on_with_the_workers_job_and_pays_nothing_twice(tmp_path: Path):
    polls: list[dict[str, Any] | int] = [503] * 3
    async with outside(tmp_path, "parse", [Treatment(asynchronous=True, polls=polls)]) as made:
        job_id = (await made.start(PDF))["jobId"]
        await made.route.run()
        job = await made.gateway.job(job_id)
        assert job.attempt == 2
        job = await made.next_attempt(job)
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        assert len(made.worker.requests) == 1


async def test_a_job_that_the_worker_has_forgotten_is_started_anew(tmp_path: Path):
    lost = Treatment(asynchronous=True, polls=[503, 503, 503], forget=3)
    async with outside(tmp_path, "parse", [lost]) as made:
        job_id = (await made.start(PDF))["jobId"]
        await made.route.run()
        job = await made.next_attempt(await made.gateway.job(job_id))
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        assert made.worker.polled == ["r-1"] * 3
        assert len(made.worker.requests) == 2
        assert "lost its job" in " ".join(str(entry["message"]) for entry in await made.log(job))


async def test_the_ocr_service_is_warmed_through_the_gateway(tmp_path: Path):
    async with outside(tmp_path, "parse") as made:
        for path in ("/warmup", "/warmup/mineru"):
            answer = await made.gateway.http.post(path)
            assert (answer.status_code, answer.json()["services"]["mineru"]["warm"]) == (200, True)
        assert made.worker.warmups == 2


async def test_without_an_ocr_service_there_is_nothing_to_warm(tmp_path: Path):
    async with outside(tmp_path) as made:
        assert (await made.gateway.http.post("/warmup")).json() == {"status": "ok", "services": {}}
        assert (await made.gateway.http.post("/warmup/mineru")).status_code == 404
