"""The external lane by callback: handed over, reported, settled; and every way in which that goes wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from services.extractor.app import waits_for_others
from shared.anchors import split_pages
from shared.aside import Aside
from shared.events import JobEvent
from shared.job import StepName
from shared.phase import Ack, handle
from tests.support.external import CREDENTIAL, outside
from tests.support.file_server import png, zipped
from tests.support.gateway import PDF
from tests.support.phases import DirectGateway
from tests.support.reference_worker import Treatment


def phases_of(log: list[dict[str, Any]]) -> list[str]:
    return [str(entry["phase"]) for entry in log]


async def test_a_document_is_handed_over_in_the_sources_payload_and_comes_back_as_a_twin(tmp_path: Path):
    async with outside(tmp_path) as made:
        job = await made.extracted(PDF, method="mistral_ocr", targetLanguage="de", name="Größe 2019.pdf")
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        [sent] = made.worker.requests
        assert (sent.path, sent.file, sent.fields["filename"]) == ("/process", PDF, "Größe 2019.pdf")
        assert sent.fields["jobId"] == job.job_id
        assert sent.fields["callback_url"] == f"http://gateway/api/external/jobs/{job.job_id}"
        assert json.loads(sent.fields["process"])["id"] == job.process_id
        assert sent.fields["doc_hash"] == sent.digest
        named = ("extraction_method", "target_language", "includeImages", "useCache", "attempt")
        assert [sent.fields[name] for name in named] == ["mistral_ocr", "de", "true", "true", "1"]
        correlation = json.loads(sent.fields["correlation"])
        assert correlation["jobId"] == job.job_id
        assert correlation["options"]["extractionMethod"] == "mistral_ocr"
        assert correlation["source"]["name"] == "Größe 2019.pdf"
        meta, body = await made.transcript(job)
        assert [page.text for page in split_pages(body)[1]] == [f"Read elsewhere: {sent.digest}", "The second page."]
        assert (meta["source"], meta["parser"]) == ("external", "mistral_ocr")
        document = await made.document(job)
        assert (document.metadata["parser"], document.pages) == ("mistral_ocr", 2)


async def test_the_log_tells_that_it_was_sent_and_accepted_and_what_the_worker_says(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(pause=0.1)]) as made:
        log = await made.log(await made.extracted(PDF))
        seen = phases_of(log)[3:]
        assert seen[:5] == ["initializing", "running", "request_sent", "request_ack", "running"]
        sent, ack = (next(e for e in log[3:] if e["phase"] == name) for name in ("request_sent", "request_ack"))
        assert (ack["status"], sent["target"], sent["callback"]) == (202, made.settings.external_url, sent["callback"])
        assert "reading" in [entry["message"] for entry in log]


async def test_no_secret_is_in_the_job_or_its_log(tmp_path: Path):
    async with outside(tmp_path, path="/process?key=key-in-the-address") as made:
        job = await made.extracted(PDF)
        shown = (await made.gateway.http.get(f"/api/jobs/{job.job_id}")).text + json.dumps(
            await made.log(job), default=str
        )
        assert made.worker.requests[0].fields["callback_token"] not in shown
        assert CREDENTIAL not in shown
        assert "/process" in shown
        assert "key-in-the-address" not in shown


async def test_a_silent_worker_is_asked_again_under_a_new_token_and_the_old_one_is_refused(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(silent=True)]) as made:
        accepted = await made.start(PDF)
        await made.route.run()
        job = await made.gateway.job(accepted["jobId"])
        assert (job.attempt, job.losses, str(job.step(StepName.EXTRACT).status)) == (2, 1, "pending")
        assert "worker_silent" in (await made.log(job))[-1]["message"]
        late = made.worker.requests[0]
        job = await made.next_attempt(job)
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        assert made.worker.requests[1].fields["callback_token"] != late.fields["callback_token"]
        answer = await made.gateway.callback(
            job.job_id, late.fields["callback_token"], {"phase": "completed", "data": {"extracted_text": "late"}}
        )
        assert answer.status_code == 401
        assert "late" not in (await made.transcript(await made.gateway.job(job.job_id)))[1]


async def test_a_worker_that_is_always_silent_ends_in_a_failed_job(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(silent=True)], max_attempts=1) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (str(job.status), job.error.code) == ("failed", "worker_silent")
        assert (await made.document(job)).status == "error"


async def test_a_worker_that_shows_progress_is_waited_for_longer_than_silence_would_be(tmp_path: Path):
    slow = Treatment(progress=[10, 20, 30, 40, 50, 60], pause=0.3)
    async with outside(tmp_path, plan=[slow]) as made:
        job = await made.extracted(PDF)
        assert (job.losses, str(job.step(StepName.EXTRACT).status)) == (0, "completed")


async def test_one_deadline_ends_a_worker_that_only_ever_shows_progress(tmp_path: Path):
    endless = Treatment(progress=[10.0] * 100, pause=0.1)
    async with outside(tmp_path, plan=[endless], external_seconds=0.8) as made:
        accepted = await made.start(PDF)
        await made.route.run()
        job = await made.gateway.job(accepted["jobId"])
        assert job.error is not None
        assert (str(job.status), job.error.code) == ("failed", "step_deadline")


async def test_a_final_that_comes_before_the_acceptance_counts(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(early=True)]) as made:
        job = await made.completed(PDF)
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        assert made.worker.requests[0].applied[-1][1]["applied"] is True


async def test_of_two_finals_the_first_counts(tmp_path: Path):
    twice = [{"phase": "completed", "data": {"extracted_text": text}} for text in ("first", "second")]
    async with outside(tmp_path, plan=[Treatment(finals=twice)]) as made:
        job = await made.extracted(PDF)
        told = [answer for _, answer in made.worker.requests[0].applied if "reason" in answer or "status" in answer]
        assert told[-1] == {"applied": False, "reason": "settled"}
        assert "first" in (await made.transcript(job))[1]


async def test_another_runs_secret_changes_nothing(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(token="secret-of-another-run")], max_attempts=1) as made:
        job = await made.completed(PDF)
        assert {status for status, _ in made.worker.requests[0].applied} == {401}
        assert job.error is not None
        assert job.error.code == "worker_silent"


async def test_a_failure_in_the_workers_words_fails_the_job(tmp_path: Path):
    fault = {"phase": "error", "error": {"code": "ocr_quota", "message": "No pages left.", "details": {"left": 0}}}
    async with outside(tmp_path, plan=[Treatment(finals=[fault])]) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (str(job.status), job.error.code, job.error.message) == ("failed", "ocr_quota", "No pages left.")


@pytest.mark.parametrize("text", ["", "  \n", "--- Seite 1 ---\n"])
async def test_no_text_fails_the_step(tmp_path: Path, text: str):
    async with outside(tmp_path, plan=[Treatment(text=text)]) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert job.error.code == "empty_text"
        assert (await made.document(job)).status == "error"


async def test_a_worker_that_is_away_or_asks_to_wait_is_asked_again(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(answers=[503, 429], retry_after="0.1")]) as made:
        job = await made.extracted(PDF)
        assert str(job.step(StepName.EXTRACT).status) == "completed"
        assert made.worker.refused == [503, 429]
        assert len(made.worker.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(401, "misconfigured"), (404, "misconfigured"), (307, "misconfigured"), (422, "worker_failed")]
)
async def test_a_refusal_that_would_be_repeated_fails_at_once(tmp_path: Path, status: int, code: str):
    async with outside(tmp_path, plan=[Treatment(answers=[status])]) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (str(job.status), job.error.code) == ("failed", code)
        assert made.worker.refused == [status]


async def test_who_is_sent_a_document_and_does_not_answer_is_not_sent_it_twice_in_one_attempt(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(latency=30.0, silent=True)], max_attempts=1) as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (str(job.status), job.error.code) == ("failed", "worker_silent")
        assert len(made.worker.requests) == 1


async def test_a_document_for_which_there_is_no_place_is_given_back_without_a_lost_attempt(tmp_path: Path):
    patient: dict[str, Any] = {"external_concurrency": 1, "external_place_seconds": 0.2, "external_quiet_seconds": 60.0}
    async with outside(tmp_path, plan=[Treatment(silent=True)], **patient) as made:
        first, second = await made.start(PDF), await made.start(PDF + b"% another one\n")
        running = asyncio.create_task(made.route.run())
        while not made.worker.requests:
            await asyncio.sleep(0.01)
        waiting = await made.next_attempt(await made.gateway.job(second["jobId"]))
        assert (waiting.attempt, waiting.losses, str(waiting.step(StepName.EXTRACT).status)) == (2, 0, "pending")
        assert "places are taken" in (await made.log(waiting))[-1]["message"]
        assert str((await made.gateway.job(first["jobId"])).step(StepName.EXTRACT).status) == "running"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_stored_pdf_that_is_not_the_uploaded_one_is_not_handed_over(tmp_path: Path):
    async with outside(tmp_path) as made:
        accepted = await made.start(PDF)
        document = await made.gateway.documents.get(accepted["documentId"])
        assert document is not None
        await made.gateway.storage.write(document.artefacts["source"].key, PDF.replace(b"enough", b"ENOUGH"))
        await made.route.run()
        job = await made.gateway.job(accepted["jobId"])
        assert job.error is not None
        assert (job.error.code, made.worker.requests) == ("artefact_changed", [])


async def test_without_an_address_the_job_says_which_setting_is_missing(tmp_path: Path):
    async with outside(tmp_path, external_url="") as made:
        job = await made.completed(PDF)
        assert job.error is not None
        assert (job.error.code, "SHADOWTWIN_EXTERNAL_URL" in job.error.message) == ("misconfigured", True)


async def test_the_worker_can_fetch_the_document_by_its_token_instead(tmp_path: Path):
    async with outside(tmp_path, external_send="link") as made:
        job = await made.extracted(PDF)
        [sent] = made.worker.requests
        assert sent.file == PDF
        where = sent.fields["file_url"]
        assert (await made.gateway.http.get(where)).status_code == 401
        old = {"Authorization": f"Bearer {sent.fields['callback_token']}"}
        assert (await made.gateway.http.get(where, headers=old)).status_code == 409, "the step is over"
        assert str(job.step(StepName.EXTRACT).status) == "completed"


async def test_images_come_from_the_workers_own_host_by_a_relative_url_with_its_credential(tmp_path: Path):
    data = {"extracted_text": "--- Seite 1 ---\nA", "images_archive_url": "/api/jobs/7/archive"}
    async with outside(tmp_path, plan=[Treatment(finals=[{"phase": "completed", "data": data}])]) as made:
        made.worker.files["/api/jobs/7/archive"] = zipped({"1_0.png": png()})
        job = await made.extracted(PDF)
        assert job.counts["images"] == 1
        assert made.worker.fetched == [("/api/jobs/7/archive", f"Bearer {CREDENTIAL}")]
        answer = await made.gateway.storage.read((await made.document(job)).artefacts["answer"].key)
        assert json.loads(answer) == {"images_archive_url": "/api/jobs/7/archive"}


async def test_an_attempt_that_waits_elsewhere_holds_no_place_and_is_given_back_on_a_stop(tmp_path: Path):
    async with outside(tmp_path, plan=[Treatment(silent=True)], external_quiet_seconds=60.0) as made:
        job = await made.gateway.job((await made.start(PDF))["jobId"])
        aside = Aside(waits_for_others)
        event = JobEvent(job_id=job.job_id, process_id=job.process_id, attempt=1)
        phase, client = made.phases[StepName.EXTRACT], DirectGateway(made.gateway, "extractor")
        assert isinstance(await handle(event, phase, client, "w1", aside), Ack)
        assert isinstance(await handle(event, phase, client, "w1", aside), Ack), "the message comes again"
        job = await made.gateway.job(job.job_id)
        assert str(job.step(StepName.EXTRACT).status) == "running"
        await aside.close()
        assert len(made.worker.requests) <= 1
        job = await made.gateway.job(job.job_id)
        assert (job.attempt, job.losses, str(job.step(StepName.EXTRACT).status)) == (2, 0, "pending")


async def test_the_sources_other_archive_of_pictures_is_taken_where_there_is_no_first_one(tmp_path: Path):
    data = {"extracted_text": "--- Seite 1 ---\nA ![](img-0.png)", "mistral_ocr_images_url": "/pictures"}
    async with outside(tmp_path, plan=[Treatment(finals=[{"phase": "completed", "data": data}])]) as made:
        made.worker.files["/pictures"] = zipped({"img-0.png": png()})
        job = await made.extracted(PDF)
        assert (job.counts["images"], job.warnings) == (1, [])
