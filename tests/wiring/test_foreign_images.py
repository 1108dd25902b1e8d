"""Image archives that a foreign worker names by URL: fetched late, carefully, and never at the price of the text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from services.extractor.pages import Image
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


async def test_images_of_an_archive_are_stored_with_page_kind_and_size(gateway: World, server: FileServer):
    server.files["/i.zip"] = zipped(
        {"2_0.png": png(), "img-7.jpeg": png(shade=1), "../../evil.png": png(shade=2), "2_1.png": png(), "a.exe": b"MZ"}
    )
    text = "--- Seite 1 ---\n![img-7.jpeg](img-7.jpeg)\n--- Seite 2 ---\ntext\n"
    job, document = await delivered(gateway, extracted_text=text, images_archive_url=server.url("/i.zip"))
    made = [msgspec.convert(row, Image) for row in await rows(gateway, document, "images")]
    assert [(i.name, i.page, i.duplicate_of) for i in made] == [
        ("2_0.png", 2, ""),
        ("img-7.png", 1, ""),
        ("evil.png", 0, ""),
        ("2_1.png", 2, "2_0.png"),
    ]
    home = document.artefacts["transcript"].key.rpartition("/")[0]
    images = {key for key in gateway.storage.objects if key.startswith(f"{home}/images/")}
    assert images == {f"{home}/images/{name}" for name in ("2_0.png", "img-7.png", "evil.png")}
    assert (made[0].width, made[0].height, made[0].size) == (3, 2, len(png()))
    assert (job.counts["images"], job.counts["imagePlacements"]) == (3, 4)
    assert warned(job) == ["images_dropped"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/redirect", "redirect"),
        ("/slow", "timeout"),
        ("/missing", "refused_by_server"),
        ("/big.zip", "too_large"),
        ("/page.html", "not_a_zip"),
        ("/bomb.zip", "unpacks_too_large"),
    ],
)
async def test_an_archive_that_fails_is_a_named_warning_and_never_a_lost_text(
    server: FileServer, path: str, reason: str
):
    server.files |= {
        "/big.zip": b"x" * 200_000,
        "/page.html": b"<html>",
        "/bomb.zip": zipped({f"{n}.png": png() + bytes(500_000) for n in range(9)}),
    }
    limits: dict[str, Any] = {
        "callback_fetch_seconds": 0.5,
        "callback_fetch_bytes": 100_000,
        "callback_unpacked_bytes": 2_000_000,
    }
    async with world(callback_fetch_allow=server.place, **limits) as gateway:
        job, document = await delivered(gateway, extracted_text=TWO_PAGES, images_archive_url=server.url(path))
        assert [(w["code"], w["reason"]) for w in job.warnings] == [("images_archive_failed", reason)]
        assert "images_archive_url" in job.warnings[0]["message"]
        assert (await transcript(gateway, document))[1].count("Second page.") == 1


async def test_an_archive_on_a_private_address_is_not_fetched_unless_it_is_allowed(server: FileServer):
    server.files["/i.zip"] = zipped({"1_0.png": png()})
    async with world() as gateway:
        job, _ = await delivered(gateway, extracted_text=TWO_PAGES, images_archive_url=server.url("/i.zip"))
        assert [w["reason"] for w in job.warnings] == ["address_not_allowed"]
    assert server.asked == []


@pytest.mark.parametrize("how", ["secret", "process", "terminal", "settled"])
async def test_nothing_is_fetched_or_written_for_a_report_that_is_refused(gateway: World, server: FileServer, how: str):
    job_id, ticket = await started(gateway)
    body: dict[str, Any] = {
        "phase": "completed",
        "data": {"extracted_text": "x", "images_archive_url": server.url("/i")},
    }
    token = "wrong" if how == "secret" else ticket["token"]
    if how == "process":
        body["process"] = {"id": "stale"}
    if how == "terminal":
        await gateway.callback(job_id, token, {"phase": "error"})
    if how == "settled":
        await final(gateway, job_id, ticket, extracted_text="x")
    before = set(gateway.storage.objects)
    answer = await gateway.callback(job_id, token, body)
    assert answer.status_code == (401 if how == "secret" else 200)
    assert answer.json().get("applied") is not True
    assert server.asked == []
    assert set(gateway.storage.objects) == before


async def test_a_run_that_is_replaced_while_its_archive_is_fetched_changes_nothing(gateway: World, server: FileServer):
    job_id, ticket = await started(gateway)
    sending = asyncio.create_task(
        final(gateway, job_id, ticket, extracted_text="old", images_archive_url=server.url("/slow"))
    )
    while not server.asked:
        await asyncio.sleep(0.01)
    answer = await gateway.http.post(f"/api/jobs/{job_id}/requeue", json={"force": True})
    assert answer.status_code == 202
    with pytest.raises(AssertionError, match="unauthorized"):
        await sending
    job, document = await stored(gateway, job_id)
    assert "transcript" not in document.artefacts
    assert str(job.step("extract_pdf").status) == "pending"


async def test_the_lease_is_kept_while_an_archive_is_fetched(server: FileServer):
    async with world(callback_fetch_allow=server.place, callback_fetch_seconds=0.6, heartbeat_seconds=0.05) as gateway:
        job_id, ticket = await started(gateway)
        sending = asyncio.create_task(
            final(gateway, job_id, ticket, extracted_text="x", images_archive_url=server.url("/slow"))
        )
        while not server.asked:
            await asyncio.sleep(0.01)
        before = (await gateway.job(job_id)).lease
        await asyncio.sleep(0.3)
        after = (await gateway.job(job_id)).lease
        assert before is not None
        assert after is not None
        assert after.heartbeat_at > before.heartbeat_at
        await sending


async def test_without_images_asked_for_no_archive_is_fetched(gateway: World, server: FileServer):
    job_id = (await gateway.upload(parameters='{"includeImages": false}'))["jobId"]
    ticket = await gateway.claim(job_id)
    await final(gateway, job_id, ticket, extracted_text="x", images_archive_url=server.url("/i.zip"))
    assert server.asked == []
    assert (await gateway.job(job_id)).counts["images"] == 0
