"""Direct uploads through the real routes: into this gateway's own storage, and into a bucket of an S3 server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from infra import api_keys
from services.gateway.api_keys import KeyRing
from services.gateway.uploads import direct_uploads
from shared.adapters.s3_direct import S3Direct
from shared.direct_upload import FOLDER, DirectStatus
from shared.errors import TransientError
from shared.testing.memory_direct import MemoryDirectUploads
from tests.support.gateway import PDF, World, world
from tests.support.s3_bucket import bucket, served_s3
from tests.support.s3_server import S3Server

MIB = 1 << 20


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    yield from served_s3()


@pytest.fixture(params=["here", "s3"])
async def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "here":
        async with world(upload_grace_seconds=0) as made:
            yield made
        return
    async with (
        bucket(request.getfixturevalue("s3_server"), tmp_path) as storage,
        world(storage=storage, direct_storage=S3Direct(storage), upload_grace_seconds=0) as made,  # type: ignore[arg-type]
    ):
        yield made


@pytest.fixture
async def here() -> AsyncIterator[World]:
    async with world(upload_grace_seconds=0, max_upload_bytes=10 * MIB) as made:
        yield made


async def begin(gateway: World, size: int = len(PDF), name: str = "a.pdf", **more: Any) -> dict[str, Any]:
    answer = await gateway.http.post("/api/uploads", json={"filename": name, "size": size, "libraryId": "lib", **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def put(gateway: World, url: str, content: bytes) -> httpx.Response:
    """As any sender would: nothing but the address."""
    if url.startswith("http://gateway"):
        return await gateway.http.put(url, content=content)
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.put(url, content=content)


async def complete(gateway: World, upload: dict[str, Any]) -> httpx.Response:
    answer = await gateway.http.post(f"/api/uploads/{upload['uploadId']}/complete")
    await gateway.settle()
    return answer


async def show(gateway: World, upload: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = (await gateway.http.get(f"/api/uploads/{upload['uploadId']}")).json()
    return body


async def left(gateway: World) -> list[str]:
    return [key async for key in gateway.storage.keys(FOLDER)]


async def noted(gateway: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await gateway.http.get("/api/uploads", params={"library": "lib"})).json()["uploads"]
    return rows


def records(gateway: World) -> MemoryDirectUploads:
    store = gateway.gateway.direct._store
    assert isinstance(store, MemoryDirectUploads)
    return store


def age(gateway: World, upload: dict[str, Any], by: timedelta) -> None:
    """As if it had been announced earlier."""
    known = records(gateway).stored[upload["uploadId"]]
    records(gateway).stored[known.upload_id] = replace(known, expires_at=known.expires_at - by)


async def test_a_file_sent_to_its_address_becomes_a_verified_document_and_a_job(gateway: World) -> None:
    upload = await begin(gateway, sha256=hashlib.sha256(PDF).hexdigest().upper(), name="../x/Report.pdf", priority=7)
    assert (upload["status"], upload["method"], upload["name"]) == ("open", "PUT", "Report.pdf")
    assert (await put(gateway, upload["url"], PDF)).status_code == 200
    assert (await gateway.http.get("/api/documents", params={"library": "lib"})).json()["documents"] == []
    answer = await complete(gateway, upload)
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert (accepted["status"], accepted["libraryId"], accepted["name"]) == ("queued", "lib", "Report.pdf")
    document = (await gateway.http.get(f"/api/documents/{accepted['documentId']}")).json()
    assert await gateway.storage.read(document["artefacts"]["source"]["key"]) == PDF
    assert (await gateway.job(accepted["jobId"])).priority == 7
    assert gateway.bus.subjects() == ["pdf.requested"]
    assert await left(gateway) == []
    again = await complete(gateway, upload)
    assert (again.status_code, again.json()) == (202, accepted)
    assert (await show(gateway, upload))["documentId"] == accepted["documentId"]
    assert await noted(gateway) == []


async def test_a_large_file_goes_in_parts_and_goes_on_after_a_break(
    gateway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct_uploads, "PART_BYTES", 5 * MIB)
    content = PDF + b"%" * (12 * MIB)
    upload = await begin(gateway, len(content), multipart=True)
    assert [part["size"] for part in upload["parts"]] == [5 * MIB, 5 * MIB, len(content) - 10 * MIB]
    for number in (3, 1):
        piece = content[(number - 1) * 5 * MIB : number * 5 * MIB]
        assert (await put(gateway, upload["parts"][number - 1]["url"], piece)).status_code == 200
    early = await complete(gateway, upload)
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert "2 of 3 parts" in early.json()["detail"]
    more = (await gateway.http.post(f"/api/uploads/{upload['uploadId']}/parts", json={})).json()
    assert (more["stored"], [part["number"] for part in more["parts"]]) == ([1, 3], [2])
    assert (await put(gateway, more["parts"][0]["url"], content[5 * MIB : 10 * MIB])).status_code == 200
    answer = await complete(gateway, upload)
    assert answer.status_code == 202, answer.text
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert await left(gateway) == []


async def test_what_is_not_a_pdf_is_no_document_and_stands_in_the_list_of_failures(gateway: World) -> None:
    page = b"<!DOCTYPE html>" + b" " * 2000
    upload = await begin(gateway, len(page), itemId="item-1")
    await gateway.storage.write(f"{FOLDER}/{upload['uploadId']}", page)
    for _ in range(2):
        answer = await complete(gateway, upload)
        assert (answer.status_code, answer.json()["code"]) == (415, "pdf_not_a_pdf")
    assert (await show(gateway, upload))["status"] == "failed"
    (row,) = await noted(gateway)
    assert (row["code"], row["itemId"], row["uploadId"]) == ("pdf_not_a_pdf", "item-1", upload["uploadId"])
    assert await left(gateway) == []


@pytest.mark.parametrize("announced", [{"sha256": "0" * 64}, {"size": len(PDF) + 1}], ids=["hash", "size"])
async def test_what_is_not_what_was_announced_is_refused(gateway: World, announced: dict[str, Any]) -> None:
    upload = await begin(gateway, **announced)
    await gateway.storage.write(f"{FOLDER}/{upload['uploadId']}", PDF)
    answer = await complete(gateway, upload)
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")
    assert (await gateway.http.get("/api/documents", params={"library": "lib"})).json()["documents"] == []
    assert await left(gateway) == []


async def test_an_expired_upload_is_told_before_anything_is_sent(gateway: World) -> None:
    upload = await begin(gateway, multipart=True, expiresIn=60)
    age(gateway, upload, timedelta(seconds=61))
    answer = await gateway.http.post(f"/api/uploads/{upload['uploadId']}/parts", json={})
    assert (answer.status_code, answer.json()["code"]) == (410, "upload_url_expired")
    answer = await complete(gateway, upload)
    assert (answer.status_code, answer.json()["code"]) == (410, "upload_url_expired")
    assert [row["code"] for row in await noted(gateway)] == ["upload_url_expired"]


async def test_what_arrived_in_time_is_taken_after_the_expiry(gateway: World) -> None:
    upload = await begin(gateway)
    await put(gateway, upload["url"], PDF)
    age(gateway, upload, timedelta(hours=2))
    assert (await complete(gateway, upload)).status_code == 202


async def test_the_sweep_completes_what_is_there_and_fails_what_never_came(gateway: World) -> None:
    there, never, later = await begin(gateway), await begin(gateway, name="never.pdf"), await begin(gateway)
    await put(gateway, there["url"], PDF)
    age(gateway, never, timedelta(hours=2))
    await gateway.gateway.direct_sweep.sweep()
    await gateway.settle()
    statuses = [(await show(gateway, upload))["status"] for upload in (there, never, later)]
    assert statuses == ["completed", "failed", "open"]
    assert len((await gateway.http.get("/api/jobs")).json()["jobs"]) == 1
    assert [(row["code"], row["name"]) for row in await noted(gateway)] == [("upload_url_expired", "never.pdf")]
    assert await gateway.gateway.direct_sweep.sweep() == 1


async def test_an_aborted_upload_leaves_nothing_and_takes_nothing(gateway: World) -> None:
    upload = await begin(gateway, multipart=True)
    await put(gateway, upload["parts"][0]["url"], PDF)
    for _ in range(2):
        answer = await gateway.http.delete(f"/api/uploads/{upload['uploadId']}")
        assert (answer.status_code, answer.json()["status"]) == (200, "aborted")
    assert (await complete(gateway, upload)).status_code == 409
    assert (await put(gateway, upload["parts"][0]["url"], PDF)).status_code >= 400
    assert await left(gateway) == []
    done = await begin(gateway)
    await put(gateway, done["url"], PDF)
    await complete(gateway, done)
    assert (await gateway.http.delete(f"/api/uploads/{done['uploadId']}")).status_code == 409


async def test_what_was_sent_after_the_end_is_removed(gateway: World) -> None:
    upload = await begin(gateway)
    await put(gateway, upload["url"], PDF)
    await complete(gateway, upload)
    still = await begin(gateway)
    await put(gateway, still["url"], PDF)
    for stray in (upload["uploadId"], "nobody"):
        await gateway.storage.write(f"{FOLDER}/{stray}", PDF)
    await gateway.gateway.direct_sweep.tidy()
    assert await left(gateway) == [f"{FOLDER}/{still['uploadId']}"]


async def test_of_many_completions_at_once_one_job_comes(gateway: World) -> None:
    upload = await begin(gateway)
    await put(gateway, upload["url"], PDF)
    answers = await asyncio.gather(*(complete(gateway, upload) for _ in range(8)))
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert len((await gateway.http.get("/api/jobs")).json()["jobs"]) == 1


async def test_a_failed_upload_is_announced_again_with_all_that_was_asked(gateway: World) -> None:
    asked: dict[str, Any] = {
        "sha256": hashlib.sha256(PDF).hexdigest(),
        "itemId": "item-7",
        "priority": 3,
        "expiresIn": 100,
    }
    failed = await begin(gateway, **asked)
    answer = await gateway.http.post(f"/api/uploads/{failed['uploadId']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    age(gateway, failed, timedelta(hours=1))
    assert (await complete(gateway, failed)).json()["code"] == "upload_url_expired"
    records(gateway).stored[failed["uploadId"]] = replace(
        (known := records(gateway).stored[failed["uploadId"]]), expires_at=known.created_at + timedelta(seconds=100)
    )
    answer = await gateway.http.post(f"/api/uploads/{failed['uploadId']}/retry")
    assert answer.status_code == 201, answer.text
    again = answer.json()
    assert again["uploadId"] != failed["uploadId"]
    await put(gateway, again["url"], PDF)
    accepted = (await complete(gateway, again)).json()
    assert accepted["itemId"] == "item-7"
    assert (await gateway.job(accepted["jobId"])).priority == 3


# what ends at any line, and what only the gateway's own addresses promise


async def test_a_gateway_that_dies_after_the_job_was_made_makes_no_second_one(here: World) -> None:
    upload = await begin(here)
    await put(here, upload["url"], PDF)
    swap = records(here).swap

    async def die(*given: Any) -> bool:
        raise TransientError("unavailable")

    records(here).swap = die  # type: ignore[method-assign,assignment]
    assert (await complete(here, upload)).status_code == 503
    records(here).swap = swap  # type: ignore[method-assign]
    assert (await show(here, upload))["status"] == "open"
    await here.gateway.direct_sweep.sweep()
    assert (await show(here, upload))["status"] == "completed"
    assert len((await here.http.get("/api/jobs")).json()["jobs"]) == 1
    assert await left(here) == []


async def test_a_gateway_that_dies_before_it_has_cleared_up_leaves_that_to_the_sweep(here: World) -> None:
    upload = await begin(here)
    await put(here, upload["url"], b"no pdf".ljust(len(PDF)))
    await here.storage.write(f"{FOLDER}/{upload['uploadId']}", b"no pdf".ljust(len(PDF)))
    abandon = here.gateway.direct.direct.abandon

    async def die(*given: Any) -> None:
        raise TransientError("unavailable")

    here.gateway.direct.direct.abandon = die  # type: ignore[method-assign,assignment]
    assert (await complete(here, upload)).status_code == 415
    here.gateway.direct.direct.abandon = abandon  # type: ignore[method-assign]
    assert len(await left(here)) == 1
    await here.gateway.direct_sweep.sweep()
    assert await left(here) == []
    assert len(await noted(here)) == 1
    assert await here.gateway.direct_sweep.sweep() == 0


async def test_a_job_that_still_reads_the_former_bytes_is_waited_for(here: World) -> None:
    await here.upload(itemId="shelf/7", libraryId="lib")
    changed = PDF + b"% changed"
    upload = await begin(here, len(changed), itemId="shelf/7")
    await put(here, upload["url"], changed)
    assert (await complete(here, upload)).json()["code"] == "job_open"
    assert (await show(here, upload))["status"] == "open"
    (job,) = (await here.http.get("/api/jobs")).json()["jobs"]
    await here.http.post(f"/api/jobs/{job['jobId']}/cancel")
    assert (await complete(here, upload)).status_code == 202


async def test_one_upload_that_cannot_be_looked_at_is_not_in_the_way_of_others(here: World) -> None:
    uploads = sorted([await begin(here), await begin(here)], key=lambda upload: str(upload["uploadId"]))
    for upload in uploads:
        await put(here, upload["url"], PDF)
    broken = records(here).stored[uploads[0]["uploadId"]]
    records(here).stored[broken.upload_id] = replace(broken, request={"priority": "of a newer program"})
    await here.gateway.direct_sweep.sweep()
    assert [(await show(here, upload))["status"] for upload in uploads] == ["open", "completed"]


async def test_a_storage_that_is_away_gives_no_upload_up(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, later = sorted([await begin(here), await begin(here)], key=lambda row: str(row["uploadId"]))
    await put(here, upload["url"], PDF)
    await put(here, later["url"], PDF)
    age(here, upload, timedelta(days=9))
    stat = here.storage.stat

    async def away(key: str) -> int | None:
        if key.endswith(upload["uploadId"]):
            raise TransientError("unavailable")
        return await stat(key)

    with monkeypatch.context() as patched:
        patched.setattr(here.storage, "stat", away)
        with pytest.raises(TransientError):
            await here.gateway.direct_sweep.sweep()
        await here.gateway.direct_sweep.sweep()  # that one rests: the others are looked at
    assert [(await show(here, row))["status"] for row in (upload, later)] == ["open", "completed"]
    here.gateway.direct_sweep._rests.clear()
    await here.gateway.direct_sweep.sweep()
    assert (await show(here, upload))["status"] == "completed"


async def test_what_is_being_completed_cannot_be_aborted(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = await begin(here)
    await put(here, upload["url"], PDF)
    go = asyncio.Event()
    copy = here.storage.copy

    async def slow(source: str, target: str) -> None:
        await go.wait()
        await copy(source, target)

    monkeypatch.setattr(here.storage, "copy", slow)
    completing = asyncio.create_task(complete(here, upload))
    while not here.gateway.direct._running:
        await asyncio.sleep(0)
    assert (await here.http.delete(f"/api/uploads/{upload['uploadId']}")).status_code == 409
    go.set()
    assert (await completing).status_code == 202


async def test_what_another_gateway_is_completing_cannot_be_aborted(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await begin(here)
    await put(here, upload["url"], PDF)
    other, take_over = here.gateway.direct, here.gateway.intake.take_over
    refused: list[int] = []

    async def slow(*arguments: Any) -> Any:
        running, other._running = other._running, {}  # as in a gateway that does not know of it
        refused.append((await here.http.delete(f"/api/uploads/{upload['uploadId']}")).status_code)
        other._running = running
        return await take_over(*arguments)

    monkeypatch.setattr(here.gateway.intake, "take_over", slow)
    assert (await complete(here, upload)).status_code == 202
    assert refused == [409]
    assert (await show(here, upload))["status"] == "completed"


async def test_what_waits_is_not_read_at_every_look(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await here.upload(itemId="shelf/7", libraryId="lib")
    changed = PDF + b"% changed"
    upload = await begin(here, len(changed), itemId="shelf/7")
    await put(here, upload["url"], changed)
    read: list[str] = []
    stream = here.storage.stream

    def counted(key: str, chunk: int = MIB) -> AsyncIterator[bytes]:
        read.append(key)
        return stream(key, chunk)

    monkeypatch.setattr(here.storage, "stream", counted)
    for _ in range(3):
        await here.gateway.direct_sweep.sweep()
    assert read == [f"{FOLDER}/{upload['uploadId']}"]
    here.gateway.direct_sweep._rests.clear()  # as a minute later
    await here.gateway.direct_sweep.sweep()
    assert len(read) == 2


async def test_an_address_opens_one_part_of_one_upload_for_a_time(here: World) -> None:
    upload, other = await begin(here), await begin(here)
    url = upload["url"]
    for wrong in (
        url.replace(upload["uploadId"], other["uploadId"]),
        url.replace("part=0", "part=1"),
        url.replace("expires=1", "expires=2"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.partition("?")[0],
    ):
        answer = await put(here, wrong, PDF)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    direct: Any = here.gateway.direct.direct
    (old,) = await direct.addresses(records(here).stored[upload["uploadId"]], [0], -5)
    answer = await put(here, f"http://gateway{old}", PDF)
    assert (answer.status_code, answer.json()["code"]) == (410, "upload_url_expired")
    assert await left(here) == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (PDF + b"x", "upload_mismatch"),
        (PDF[:-1], "upload_mismatch"),
        (b"", "upload_mismatch"),
        (b"<html>".ljust(len(PDF)), "pdf_not_a_pdf"),
    ],
    ids=["longer", "shorter", "empty", "html"],
)
async def test_what_is_sent_wrong_is_refused_whole_and_may_be_sent_again(
    here: World, content: bytes, code: str
) -> None:
    upload = await begin(here)
    answer = await put(here, upload["url"], content)
    assert answer.json()["code"] == code
    assert await left(here) == []
    assert (await put(here, upload["url"], PDF)).status_code == 200
    assert (await complete(here, upload)).status_code == 202


async def test_a_sender_who_goes_away_leaves_nothing(here: World) -> None:
    upload = await begin(here)

    async def breaking() -> AsyncIterator[bytes]:
        yield PDF[:10]
        raise ConnectionResetError

    with contextlib.suppress(ConnectionResetError):
        await here.http.put(upload["url"], content=breaking())
    assert await left(here) == []


@pytest.mark.parametrize(
    ("announced", "code"),
    [
        ({"size": 0}, "pdf_empty"),
        ({"size": 11 * MIB}, "pdf_too_large"),
        ({"size": 1, "sha256": "xyz"}, "bad_request"),
        ({"size": 1, "expiresIn": 90_000}, "bad_request"),
        ({"size": 1, "expiresIn": -1}, "bad_request"),
        ({"size": 1, "colour": "blue"}, "bad_request"),
        ({"size": 1, "libraryId": "../x"}, "bad_request"),
        ({"size": 1, "parameters": {"extractionMethod": "magic"}}, "bad_request"),
        ({"size": 1, "parameters": {"template": "none-of-this-name"}}, "not_found"),
        ({}, "bad_request"),
    ],
)
async def test_what_would_be_refused_is_refused_before_it_is_sent(
    here: World, announced: dict[str, Any], code: str
) -> None:
    answer = await here.http.post("/api/uploads", json=announced)
    assert (400 <= answer.status_code < 500, answer.json()["code"]) == (True, code)
    assert records(here).stored == {}


async def test_a_quota_is_asked_before_and_after(here: World) -> None:
    async with world(max_library_documents=1) as full:
        first, second = await begin(full), await begin(full, len(PDF) + 1)
        await put(full, first["url"], PDF)
        await put(full, second["url"], PDF + b"\n")
        assert (await complete(full, first)).status_code == 202
        answer = await complete(full, second)
        assert (answer.status_code, answer.json()["code"]) == (413, "quota_exceeded")
        assert [row["code"] for row in await noted(full)] == ["quota_exceeded"]
        answer = await full.http.post("/api/uploads", json={"size": 9, "libraryId": "lib"})
        assert (answer.status_code, answer.json()["code"]) == (413, "quota_exceeded")
        await begin(full, sha256=hashlib.sha256(PDF).hexdigest())  # that one is there, and costs nothing


async def test_an_upload_of_another_library_is_not_there(tmp_path: Path) -> None:
    one = api_keys.headers(api_keys.make(tmp_path, ["read", "write"], ["one"], ""))
    two = api_keys.headers(api_keys.make(tmp_path, ["read", "write"], ["two"], ""))
    async with world(keys=KeyRing(tmp_path / api_keys.KEYS)) as gateway:
        body = {"size": len(PDF), "libraryId": "one"}
        assert (await gateway.http.post("/api/uploads", json=body, headers=two)).status_code == 404
        upload = (await gateway.http.post("/api/uploads", json=body, headers=one)).json()
        assert (await gateway.http.put(upload["url"], content=PDF)).status_code == 200, "the address needs no key"
        place = f"/api/uploads/{upload['uploadId']}"
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/complete"), ("POST", "/parts")):
            assert (await gateway.http.request(method, place + path, headers=two, json={})).status_code == 404
        assert (await gateway.http.post(f"{place}/complete", headers=one)).status_code == 202


async def test_a_password_is_not_kept_once_it_is_decided(here: World) -> None:
    upload = await begin(here, password="swordfish")
    known = records(here).stored[upload["uploadId"]]
    assert known.request["parameters"]["sealedPassword"]
    assert "swordfish" not in str(known)
    await put(here, upload["url"], PDF)
    assert (await complete(here, upload)).status_code == 202
    decided = records(here).stored[upload["uploadId"]]
    assert (decided.status, decided.settled) == (DirectStatus.COMPLETED, True)
    assert decided.request["parameters"]["sealedPassword"] == ""


async def test_a_bucket_checks_the_address_itself(s3_server: S3Server, tmp_path: Path) -> None:
    if not s3_server.strict:
        pytest.skip(f"{s3_server.name} checks no signature")
    async with (
        bucket(s3_server, tmp_path) as storage,
        world(storage=storage, direct_storage=S3Direct(storage)) as gateway,  # type: ignore[arg-type]
    ):
        upload = await begin(gateway)
        for url, content in (
            (upload["url"], PDF + b"x"),
            (upload["url"].replace("X-Amz-Expires=", "X-Amz-Expires=9"), PDF),
            (upload["url"].replace(upload["uploadId"], "another"), PDF),
            (upload["url"].partition("?")[0], PDF),
        ):
            assert (await put(gateway, url, content)).status_code in (400, 403)
        short = await begin(gateway, expiresIn=1)
        await asyncio.sleep(2.1)  # the server's clock decides, not ours
        assert (await put(gateway, short["url"], PDF)).status_code in (400, 403)
        assert await left(gateway) == []
        assert (await put(gateway, upload["url"], PDF)).status_code == 200


@pytest.mark.parametrize("ends", [DirectStatus.COMPLETED, DirectStatus.FAILED])
async def test_an_answer_never_stands_for_an_upload_that_another_gateway_has_just_taken(
    here: World, ends: DirectStatus
) -> None:
    upload = await begin(here, sha256="" if ends == DirectStatus.COMPLETED else "0" * 64)
    assert (await put(here, upload["url"], PDF)).status_code == 200
    store = records(here)
    swap = store.swap

    async def later(old: Any, new: Any) -> bool:
        if new.status == ends and not store.stored[old.upload_id].takers > 1:
            known = store.stored[old.upload_id]
            store.stored[old.upload_id] = replace(known, takers=known.takers + 2, revision=known.revision + 1)
        return await swap(old, new)

    store.swap = later  # type: ignore[method-assign]
    answer = await complete(here, upload)
    if ends == DirectStatus.COMPLETED:
        assert (answer.status_code, (await show(here, upload))["status"]) == (202, "completed")
        assert answer.json()["documentId"]
    else:
        assert (answer.json()["code"], (await show(here, upload))["status"]) == ("upload_mismatch", "open")


async def test_an_upload_that_another_gateway_is_making_a_document_of_does_not_fail(here: World) -> None:
    upload = await begin(here, sha256="0" * 64)
    assert (await put(here, upload["url"], PDF)).status_code == 200
    store = records(here)
    store.stored[upload["uploadId"]] = replace(store.stored[upload["uploadId"]], takers=1)
    assert (await complete(here, upload)).status_code >= 400
    assert (await show(here, upload))["status"] == "open"
