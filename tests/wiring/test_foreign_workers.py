"""A foreign worker that only knows the source's payload: the gateway stores the twin itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.extractor.pages import DocumentInfo, Image, Page
from services.transformer.reading import read
from shared import frontmatter
from shared.anchors import split_pages
from shared.job import StepName
from tests.support.file_server import FileServer, file_server, png, zipped
from tests.support.foreign import TWO_PAGES, delivered, final, rows, started, stored, transcript, warned
from tests.support.gateway import World, world


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as made:
        yield made


@pytest.fixture
async def gateway(server: FileServer) -> AsyncIterator[World]:
    async with world(callback_fetch_allow=server.place, callback_fetch_seconds=2.0) as made:
        yield made


async def test_a_worker_that_knows_only_the_sources_payload_gets_its_text_stored_and_the_next_phase_told(
    gateway: World,
):
    job_id, ticket = await started(gateway)
    run = {"id": ticket["processId"]}
    progress = {"phase": "running", "progress": 60, "message": "OCR", "process": run}
    assert (await gateway.callback(job_id, ticket["token"], progress)).json()["applied"] is True
    metadata = {"text_contents": [{"page": 1, "content": "First page."}], "model": "m"}
    assert (await final(gateway, job_id, ticket, extracted_text=TWO_PAGES, metadata=metadata))["applied"] is True
    job, document = await stored(gateway, job_id)
    assert [str(s.status) for s in job.steps] == ["completed", "completed", "pending", "pending"]
    assert gateway.bus.subjects() == ["pdf.requested", "pdf.extracted"]
    meta, body = await transcript(gateway, document)
    assert (meta["type"], meta["source_file"], meta["pages"]) == ("transcript", "a.pdf", 2)
    assert [(p.number, p.text) for p in split_pages(body)[1]] == [(1, "First page."), (2, "Second page.")]
    assert job.payload is not None
    assert job.payload.extracted_text == TWO_PAGES
    assert job.payload.metadata == metadata
    assert (document.pages, document.counts["pages"], document.chunk_count) == (2, 2, 0)
    assert (await gateway.gateway.vectors.get_doc(document.document_id)) is not None


async def test_the_files_have_the_form_that_the_extractors_have(gateway: World, server: FileServer):
    server.files["/i.zip"] = zipped({"1_0.png": png()})
    _job, document = await delivered(gateway, extracted_text=TWO_PAGES, images_archive_url=server.url("/i.zip"))
    info = await gateway.storage.read(document.artefacts["info"].key)
    assert msgspec.json.decode(info, type=DocumentInfo, strict=True).pages == 2
    made = [msgspec.convert({**row, "markdown": ""}, Page) for row in await rows(gateway, document, "pages")]
    assert [page.number for page in made] == [1, 2]
    assert msgspec.convert((await rows(gateway, document, "images"))[0], Image).name == "1_0.png"
    _, body = await transcript(gateway, document)
    assert read(body, msgspec.json.decode(info), await rows(gateway, document, "pages")).pages == 2


async def test_pages_come_from_text_contents_where_the_text_has_no_anchors(gateway: World):
    contents = [{"page": 1, "content": "One."}, {"page": 3, "content": "Three.\n--- Seite 9 ---\nmore"}]
    job, document = await delivered(
        gateway, extracted_text="One.\nThree.\n-- Seite 9 --\nmore", metadata={"text_contents": contents}
    )
    _, body = await transcript(gateway, document)
    assert [page.number for page in split_pages(body)[1]] == [1, 2, 3]
    assert "\\--- Seite 9 ---" in body
    assert warned(job) == ["pages_missing"]


@pytest.mark.parametrize("contents", [None, [], "x", [1], [{"page": "x", "content": "y"}], [{"content": "less"}], {}])
async def test_without_usable_pages_the_text_is_one_page(gateway: World, contents: Any):
    _job, document = await delivered(
        gateway, extracted_text="A long text of one page.", metadata={"text_contents": contents}
    )
    _, body = await transcript(gateway, document)
    assert [(p.number, p.text) for p in split_pages(body)[1]] == [(1, "A long text of one page.")]


@pytest.mark.parametrize(
    "text", [None, "", "  \n\t ", "\x00\x07", "--- Seite 1 ---\n", "---\ntitle: x\n---\n", "\u202e\ufeff"]
)
async def test_no_text_fails_the_job_with_empty_text(gateway: World, text: str | None):
    job_id, ticket = await started(gateway)
    await final(gateway, job_id, ticket, **({} if text is None else {"extracted_text": text}))
    job, document = await stored(gateway, job_id)
    assert job.error is not None
    assert (job.status, job.error.code, str(job.step("extract_pdf").status)) == ("failed", "empty_text", "failed")
    assert "transcript" not in document.artefacts
    assert gateway.bus.subjects() == ["pdf.requested", "job.failed"]


async def test_hostile_text_is_cleaned_and_only_whole_lines_are_anchors(gateway: World):
    text = (
        "---\nevil: 1\n---\n--- Seite 1 ---\r\na\x00b\x1b[31m \u202e c\rsee --- Seite 7 --- here\n    --- Seite 8 ---\n"
    )
    _job, document = await delivered(gateway, extracted_text=text)
    meta, body = await transcript(gateway, document)
    assert "evil" not in meta
    [page] = split_pages(body)[1]
    assert page.text == "ab[31m  c\nsee --- Seite 7 --- here\n    --- Seite 8 ---"


@pytest.mark.parametrize("numbers", [[3, 1, 2], [1, 1, 1], [0, 1, 2], [1, 2, 999999999]])
async def test_page_numbers_that_cannot_be_are_counted_anew_and_no_text_is_lost(gateway: World, numbers: list[int]):
    text = "".join(f"--- Seite {number} ---\ntext {at}\n" for at, number in enumerate(numbers, 1))
    job, document = await delivered(gateway, extracted_text=text)
    _, body = await transcript(gateway, document)
    assert [(p.number, p.text) for p in split_pages(body)[1]] == [(1, "text 1"), (2, "text 2"), (3, "text 3")]
    assert warned(job) == ["pages_renumbered"]
    assert document.pages == 3


async def test_text_before_the_first_anchor_is_kept(gateway: World):
    _job, document = await delivered(gateway, extracted_text="Preface\n--- Seite 1 ---\nOne")
    _, body = await transcript(gateway, document)
    assert split_pages(body)[0].strip() == "Preface"


async def test_a_payload_over_8_kb_is_a_storage_reference(gateway: World):
    long = "Grüße " * 3000
    job, document = await delivered(
        gateway, extracted_text=long, metadata={"model": "m", "text_contents": [{"page": 1, "content": long}]}
    )
    assert job.payload is not None
    assert job.payload.extracted_text == f"storage:{document.artefacts['transcript'].key}"
    assert job.payload.metadata == {"model": "m"}
    assert len(msgspec.json.encode(job)) < 16_000


async def test_a_text_over_the_size_limit_is_413_and_changes_nothing():
    async with world(max_callback_bytes=10_000) as gateway:
        job_id, ticket = await started(gateway)
        before = await gateway.job(job_id)
        body = {"phase": "completed", "data": {"extracted_text": "x" * 20_000}}
        assert (await gateway.callback(job_id, ticket["token"], body)).status_code == 413
        assert await gateway.job(job_id) == before


async def test_the_same_final_report_again_is_settled_and_makes_no_second_twin(gateway: World):
    job_id, ticket = await started(gateway)
    await final(gateway, job_id, ticket, extracted_text=TWO_PAGES)
    before, writes = await gateway.job(job_id), set(gateway.storage.objects)
    for _ in range(3):
        said = await final(gateway, job_id, ticket, extracted_text=TWO_PAGES)
        assert said == {"applied": False, "reason": "settled"}
    assert await gateway.job(job_id) == before
    assert set(gateway.storage.objects) == writes
    assert gateway.bus.subjects() == ["pdf.requested", "pdf.extracted"]


async def test_equal_final_reports_at_once_are_applied_once_and_spoil_nothing(gateway: World):
    job_id, ticket = await started(gateway)
    said = await asyncio.gather(*[final(gateway, job_id, ticket, extracted_text=TWO_PAGES) for _ in range(8)])
    assert sum(answer["applied"] for answer in said) == 1
    job, document = await stored(gateway, job_id)
    assert job.error is None
    assert (await transcript(gateway, document))[1].count("First page.") == 1


async def test_different_final_reports_at_once_leave_one_whole_twin(gateway: World):
    job_id, ticket = await started(gateway)
    texts = [f"--- Seite 1 ---\nversion {n}" for n in range(4)]
    said = await asyncio.gather(*[final(gateway, job_id, ticket, extracted_text=text) for text in texts])
    job, document = await stored(gateway, job_id)
    assert (job.error, job.payload and job.payload.extracted_text) == (
        None,
        texts[[a["applied"] for a in said].index(True)],
    )
    assert job.payload is not None
    assert (await transcript(gateway, document))[1].strip().endswith(str(job.payload.extracted_text)[-9:])


async def test_a_late_failure_does_not_undo_a_stored_text(gateway: World):
    job_id, ticket = await started(gateway)
    await final(gateway, job_id, ticket, extracted_text=TWO_PAGES)
    late = {"phase": "error", "error": {"code": "x", "message": "late"}}
    assert (await gateway.callback(job_id, ticket["token"], late)).json() == {"applied": False, "reason": "settled"}
    assert (await gateway.job(job_id)).status == "running"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"phase": "error", "error": {"code": "ocr_quota", "message": "Quota", "details": {"n": 1}}},
            "ocr_quota",
            "Quota",
        ),
        ({"phase": "error", "message": "Broken"}, "worker_failed", "Broken"),
        ({"status": "error", "phase": "running", "error": {"message": "M"}}, "worker_failed", "M"),
        ({"phase": "error", "error": "just text", "data": None}, "worker_failed", "just text"),
        ({"phase": "failed"}, "worker_failed", "The worker reported a failure."),
        ({"phase": "error", "error": {"code": ["\x00"], "message": 3}}, "worker_failed", "3"),
    ],
)
async def test_an_error_in_the_sources_words_fails_the_job(
    gateway: World, body: dict[str, Any], code: str, message: str
):
    job_id, ticket = await started(gateway)
    assert (await gateway.callback(job_id, ticket["token"], body)).json()["applied"] is True
    job = await gateway.job(job_id)
    assert job.error is not None
    assert (job.status, job.error.code, job.error.message) == ("failed", code, message)
    if "details" in str(body):
        assert any(entry.get("details") == {"n": 1} for entry in job.logs)


async def test_a_progress_report_counts_as_a_sign_of_life(gateway: World):
    job_id, ticket = await started(gateway)
    job = await gateway.job(job_id)
    assert job.lease is not None
    later = gateway.jobs.clock()
    gateway.jobs.clock = lambda: later.replace(year=later.year + 1)
    await gateway.callback(job_id, ticket["token"], {"phase": "running", "progress": 30})
    after = await gateway.job(job_id)
    assert after.lease is not None
    assert after.lease.heartbeat_at > job.lease.heartbeat_at


async def test_a_foreign_transform_gives_its_metadata_and_the_gateway_merges_the_twin(gateway: World):
    job_id, ticket = await started(gateway)
    await final(gateway, job_id, ticket, extracted_text=TWO_PAGES)
    ticket = await gateway.claim(job_id, StepName.TRANSFORM)
    await final(gateway, job_id, ticket, metadata={"title": "Otters\x00", "year": 2019, "pages": 99, "type": "x"})
    _job, document = await stored(gateway, job_id)
    content = (await gateway.storage.read(document.artefacts["transformation"].key)).decode()
    meta, body = frontmatter.parse(content)
    assert (meta["title"], meta["year"], meta["pages"], meta["type"]) == ("Otters", 2019, 2, "transformation")
    assert [page.text for page in split_pages(body)[1]] == ["First page.", "Second page."]
    assert gateway.bus.subjects()[-1] == "template.done"
    assert document.metadata["title"] == "Otters"


async def test_an_ingest_report_without_a_manifest_is_a_400_and_changes_nothing(gateway: World):
    job_id, ticket = await started(gateway)
    await final(gateway, job_id, ticket, extracted_text=TWO_PAGES)
    job = await gateway.job(job_id)
    steps = [replace(s, status="completed" if s.name != "ingest_rag" else "running") for s in job.steps]
    assert await gateway.jobs.swap(job, replace(job, steps=steps))
    gateway.gateway.orchestrator.look_again(job_id)
    before = await gateway.job(job_id)
    answer = await gateway.callback(
        job_id, ticket["token"], {"phase": "completed", "data": {"extracted_text": "inline"}}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await gateway.job(job_id) == before
