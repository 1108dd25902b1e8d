"""The job's options govern: images, kept answers, language and lane; on the real routes and phases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.sample import write_sample
from shared.gates import Verdict
from shared.job import Job, StepName
from tests.support.external import Outside, outside
from tests.support.file_server import png, zipped
from tests.support.gateway import PDF
from tests.support.pdfs import long_pdf
from tests.support.reference_worker import Treatment

FORCE = {"policies": {"extract": "force"}}


def verdicts(made: Outside) -> list[Verdict]:
    found: list[Verdict] = made.phases[StepName.EXTRACT].verdicts
    return found


def with_images() -> Treatment:
    data = {"extracted_text": "--- Seite 1 ---\nA", "images_archive_url": "/i.zip", "mistral_ocr_images_url": "/j"}
    return Treatment(finals=[{"phase": "completed", "data": data}])


async def images_stored(made: Outside, job: Job) -> list[str]:
    folder = f"{job.library_id}/{job.document_id}/images"
    return [key async for key in made.gateway.storage.keys(folder)]


async def test_without_images_none_is_fetched_stored_or_kept(tmp_path: Path):
    async with outside(tmp_path, plan=[with_images()]) as made:
        made.worker.files["/i.zip"] = zipped({"1_0.png": png()})
        job = await made.completed(PDF, includeImages=False)
        assert (str(job.status), made.worker.fetched) == ("completed", [])
        assert made.worker.requests[0].fields["includeImages"] == "false"
        assert await images_stored(made, job) == []
        assert "answer" not in (await made.document(job)).artefacts


async def test_without_images_pictures_in_the_text_itself_are_left_out(tmp_path: Path):
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 50
    text = f"--- Seite 1 ---\nBefore ![a map]({picture}) after ![](data:image/gif;base64,R0lGOD)"
    page = [{"page": 1, "content": text, "note": f"![x]({picture})"}]
    final = {"phase": "completed", "data": {"extracted_text": text, "metadata": {"text_contents": page}}}
    async with outside(tmp_path, plan=[Treatment(finals=[final]), Treatment(finals=[final])]) as made:
        job = await made.completed(PDF, includeImages=False)
        assert "Before ![a map](left-out) after ![](left-out)" in (await made.transcript(job))[1]
        assert "base64" not in (await made.gateway.http.get(f"/api/jobs/{job.job_id}?expand=payload")).text
        assert picture in (await made.transcript(await made.completed(PDF)))[1]


async def test_asking_without_images_later_removes_those_that_are_there(tmp_path: Path):
    async with outside(tmp_path, plan=[with_images(), with_images()]) as made:
        made.worker.files["/i.zip"] = zipped({"1_0.png": png()})
        job = await made.completed(PDF)
        assert len(await images_stored(made, job)) == 1
        again = await made.completed(PDF, includeImages=False)
        assert again.document_id == job.document_id
        assert await images_stored(made, again) == []


async def test_a_current_foreign_transcript_is_not_read_again_by_a_requeue(tmp_path: Path):
    async with outside(tmp_path) as made:
        job = await made.completed(PDF)
        again = await made.gateway.http.post(f"/api/jobs/{job.job_id}/requeue", json={"from": "extract"})
        assert again.status_code == 202
        await made.gateway.settle()
        await made.route.run()
        assert str((await made.gateway.job(job.job_id)).status) == "completed"
        assert len(made.worker.requests) == 1
        assert verdicts(made)[-1] == Verdict(False, "shadow_twin_exists", True)


async def test_the_same_upload_is_skipped_with_the_cache_and_read_again_without_it(tmp_path: Path):
    async with outside(tmp_path) as made:
        await made.completed(PDF)
        assert (await made.start(PDF))["status"] == "skipped"
        job = await made.completed(PDF, useCache=False)
        assert str(job.status) == "completed"
        assert verdicts(made)[-1] == Verdict(True, "cache_off", True)
        assert [sent.fields["useCache"] for sent in made.worker.requests] == ["true", "false"]


async def test_a_kept_answer_is_used_again_without_asking_and_with_its_images(tmp_path: Path):
    async with outside(tmp_path, plan=[with_images()]) as made:
        made.worker.files["/i.zip"] = zipped({"1_0.png": png()})
        before = (await made.transcript(await made.completed(PDF)))[1]
        forced = await made.completed(PDF, targetLanguage="de", **FORCE)
        assert str(forced.status) == "completed"
        assert len(made.worker.requests) == 1
        assert (await made.transcript(forced))[1] == before
        assert (await made.document(forced)).artefacts["transcript"].key.endswith("a.de.md")
        assert len(await images_stored(made, forced)) == 1
        assert "kept answer" in " ".join(str(entry["message"]) for entry in await made.log(forced))


async def test_without_the_cache_a_kept_answer_is_neither_used_nor_left_standing(tmp_path: Path):
    plan = [Treatment(text="first answer"), Treatment(text="second answer")]
    async with outside(tmp_path, plan=plan) as made:
        await made.completed(PDF)
        job = await made.completed(PDF, useCache=False)
        assert "second answer" in (await made.transcript(job))[1]
        forced = await made.completed(PDF, **FORCE)
        assert "second answer" in (await made.transcript(forced))[1]
        assert len(made.worker.requests) == 2


async def test_an_answer_is_kept_for_each_method_and_option_and_not_for_other_bytes(tmp_path: Path):
    async with outside(tmp_path) as made:
        for options in ({}, {"method": "mistral_ocr"}, {"includeImages": False}):
            await made.completed(PDF, **options)
        assert len(made.worker.requests) == 3
        await made.completed(PDF, **FORCE)
        assert len(made.worker.requests) == 3
        await made.completed(PDF + b"% other bytes\n", **FORCE)
        assert len(made.worker.requests) == 4


async def test_a_kept_answer_that_was_tampered_with_is_not_used(tmp_path: Path):
    async with outside(tmp_path) as made:
        job = await made.completed(PDF)
        folder = f"{job.library_id}/{job.document_id}/answers"
        [kept] = [key async for key in made.gateway.storage.keys(folder) if key.endswith("a.en.md")]
        content = await made.gateway.storage.read(kept)
        await made.gateway.storage.write(kept, content.replace(b"Read", b"Dear"))
        forced = await made.completed(PDF, **FORCE)
        assert len(made.worker.requests) == 2
        assert "Dear elsewhere" not in (await made.transcript(forced))[1]


async def test_our_own_lane_stores_no_images_without_them_and_reads_again_without_the_cache(tmp_path: Path):
    write_sample(tmp_path / "sample.pdf")
    pdf = (tmp_path / "sample.pdf").read_bytes()
    async with outside(tmp_path) as made:
        assert len(await images_stored(made, await made.completed(pdf, method="fast"))) > 0
        first = await made.completed(pdf, method="fast", includeImages=False)
        assert (str(first.status), await images_stored(made, first)) == ("completed", [])
        again = await made.completed(pdf, method="fast", includeImages=False, useCache=False)
        assert str(again.status) == "completed"
        assert verdicts(made)[-1] == Verdict(True, "cache_off", True)
        assert made.worker.requests == []


async def test_the_language_governs_what_is_generated_and_never_the_transcript(tmp_path: Path):
    pdf = long_pdf(tmp_path / "long.pdf", 2).read_bytes()
    async with outside(tmp_path) as made:
        english = await made.completed(pdf, method="fast", targetLanguage="en")
        before = (await made.transcript(english))[1]
        german = await made.completed(pdf, method="fast", targetLanguage="de")
        assert (await made.transcript(german))[1] == before
        assert str(german.step(StepName.EXTRACT).skipped) == "True"
        made_of = (await made.document(german)).artefacts["transformation"].key
        assert made_of.endswith(".de.md")


async def test_the_method_picks_the_lane_and_another_one_replaces_the_twin(tmp_path: Path):
    pdf = long_pdf(tmp_path / "long.pdf", 2).read_bytes()
    async with outside(tmp_path) as made:
        foreign = await made.completed(pdf, method="mistral_ocr")
        assert (await made.transcript(foreign))[0]["parser"] == "mistral_ocr"
        ours = await made.completed(pdf, method="fast")
        document = await made.document(ours)
        assert "parser" not in (await made.transcript(ours))[0]
        assert "parser" not in document.metadata
        assert "answer" not in document.artefacts
        assert len(made.worker.requests) == 1
        back = await made.completed(pdf, method="mistral_ocr")
        assert (await made.transcript(back))[0]["parser"] == "mistral_ocr"
        assert len(made.worker.requests) == 1, "the answer was kept"


async def test_a_long_text_is_shown_in_full_on_request(tmp_path: Path):
    long = "--- Seite 1 ---\n" + "Grüße aus dem Tal. " * 1000
    async with outside(tmp_path, plan=[Treatment(text=long)]) as made:
        job = await made.completed(PDF)
        http = made.gateway.http
        plain: dict[str, Any] = (await http.get(f"/api/jobs/{job.job_id}")).json()
        assert plain["payload"]["extracted_text"].startswith("storage:")
        full: dict[str, Any] = (await http.get(f"/api/jobs/{job.job_id}", params={"expand": "payload"})).json()
        assert "Grüße aus dem Tal. Grüße" in full["payload"]["extracted_text"]
        assert (await http.get(f"/api/jobs/{job.job_id}", params={"expand": "x"})).status_code == 400


async def test_a_text_that_looks_like_a_reference_opens_no_file(tmp_path: Path):
    async with outside(tmp_path) as made:
        await made.gateway.storage.write("other/secret.md", b"the secret of another library")
        made.worker.plan.append(Treatment(text="storage:other/secret.md"))
        job = await made.completed(PDF)
        shown = await made.gateway.http.get(f"/api/jobs/{job.job_id}", params={"expand": "payload"})
        assert "storage:other/secret.md" in json.dumps(shown.json()["payload"])
        assert "the secret" not in shown.text
