"""Addresses to send lost files to (checklist A0.27): the same bytes, the same document, everything made again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.gateway.uploads import direct_uploads
from tests.support.gateway import world
from tests.support.pdfs import pictured_pdf
from tests.wiring.test_direct_uploads import age
from tests.wiring.test_health import Ward


@pytest.fixture
async def ward() -> AsyncIterator[Ward]:
    async with world() as gateway:
        yield Ward(gateway)


async def lose(ward: Ward, number: int, *, chunks: bool = False) -> Any:
    document = await ward.process(number)
    home = f"lib/{document.document_id}/"
    for key in [key for key in ward.world.storage.objects if key.startswith(home)]:
        del ward.world.storage.objects[key]
    if not chunks:
        ward.world.vectors.rows.clear()
    return document


async def test_a_lost_file_comes_back_through_its_address(ward: Ward) -> None:
    document = await lose(ward, 1)
    plan = await ward.repair(dryRun=True, generateReuploadUrls=True)
    assert [(step["action"], step["status"], step["uploadUrl"]) for step in plan["actions"]] == [
        ("reupload_url", "planned", "")
    ]
    state = await ward.repair(generateReuploadUrls=True)
    (step,) = state["actions"]
    assert (step["status"], step["flag"]) == ("done", "--generate-reupload-urls")
    (entry,) = (await ward.stored(document.document_id)).history
    assert (entry["action"], entry["uploadId"]) == ("reupload_url", step["uploadId"])
    assert "signature" not in str(entry)
    sent = await ward.world.http.put(step["uploadUrl"], content=pictured_pdf(1, 2))
    assert sent.status_code == 200, sent.text
    await ward.world.gateway.direct_sweep.sweep()
    await ward.route.run()
    assert await ward.state(document) == "healthy"
    assert (await ward.stored(document.document_id)).sha256 == document.sha256


async def test_other_bytes_are_not_taken_for_it(ward: Ward) -> None:
    document = await lose(ward, 1)
    (step,) = (await ward.repair(generateReuploadUrls=True))["actions"]
    other = pictured_pdf(2, 2).ljust(document.size, b"\n")[: document.size]
    await ward.world.http.put(step["uploadUrl"], content=other)
    answer = await ward.world.http.post(f"/api/uploads/{step['uploadId']}/complete")
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")
    assert await ward.state(document) == "null_pointer"


async def test_what_is_asked_back_is_not_given_up_in_the_same_run(ward: Ward) -> None:
    document = await lose(ward, 1, chunks=True)
    flags = {"generateReuploadUrls": True, "markDeleted": True, "deleteOrphans": True}
    state = await ward.repair(**flags)
    assert [step["action"] for step in state["actions"]] == ["reupload_url"]
    assert await ward.state(document) == "orphaned_chunks"


async def test_only_lost_files_get_an_address_and_only_when_asked(ward: Ward) -> None:
    well, lost = await ward.process(1), await ward.process(2)
    await ward.world.storage.delete(lost.artefacts["source"].key)
    assert {step["status"] for step in (await ward.repair())["actions"]} == {"not_asked"}
    assert ward.world.gateway.direct._store.stored == {}  # type: ignore[attr-defined]
    state = await ward.repair(generateReuploadUrls=True)
    assert [step["documentId"] for step in state["actions"] if step["uploadUrl"]] == [lost.document_id]
    assert await ward.state(well) == "healthy"


async def test_a_file_of_which_nothing_is_known_gets_none(ward: Ward) -> None:
    document = await lose(ward, 1)
    await ward.put(replace(document, size=0))
    (step,) = (await ward.repair(generateReuploadUrls=True))["actions"]
    assert (step["status"], step["uploadUrl"]) == ("skipped", "")


async def test_a_file_too_large_for_one_call_is_announced_in_parts(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    await lose(ward, 1)
    monkeypatch.setattr(direct_uploads, "ONE_PIECE_MOST", 10)
    (step,) = (await ward.repair(generateReuploadUrls=True))["actions"]
    assert (step["status"], step["uploadUrl"]) == ("done", "")
    more = (await ward.world.http.post(f"/api/uploads/{step['uploadId']}/parts", json={})).json()
    assert len(more["parts"]) == 1


async def test_an_address_that_nobody_used_becomes_a_failed_upload(ward: Ward) -> None:
    await lose(ward, 1)
    (step,) = (await ward.repair(generateReuploadUrls=True))["actions"]
    age(ward.world, step, timedelta(days=2))
    await ward.world.gateway.direct_sweep.sweep()
    rows = (await ward.world.http.get("/api/uploads")).json()["uploads"]
    assert [row["code"] for row in rows] == ["upload_url_expired"]
