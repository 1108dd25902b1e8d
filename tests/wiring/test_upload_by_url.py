"""Uploads by URL: fetched only from addresses that were checked, received like any other, and tried again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.errors import ShadowtwinError
from tests.support.file_server import FileServer, file_server
from tests.support.gateway import PDF, World, world


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as made:
        made.files["/papers/A%20report.pdf"] = made.files["/papers/A report.pdf"] = PDF
        made.files["/page.html"] = b"<html>" + b" " * 2000
        yield made


@pytest.fixture
async def gateway(server: FileServer) -> AsyncIterator[World]:
    async with world(source_allow=[server.place], max_upload_bytes=100_000) as made:
        yield made


async def send(gateway: World, url: str, **form: str) -> httpx.Response:
    answer = await gateway.http.post("/api/jobs", data={"sourceUrl": url, "libraryId": "lib", **form})
    await gateway.settle()
    return answer


async def noted(gateway: World) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await gateway.http.get("/api/uploads", params={"library": "lib"})).json()["uploads"]
    return rows


async def test_a_file_is_fetched_and_becomes_a_document_like_any_upload(gateway: World, server: FileServer):
    answer = await send(gateway, server.url("/papers/A%20report.pdf?x=1"), itemId="item-1")
    body = answer.json()
    assert (answer.status_code, body["name"], body["itemId"]) == (202, "A report.pdf", "item-1")
    assert body["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert await gateway.storage.read(f"lib/{body['documentId']}/source.pdf") == PDF
    assert not [key for key in gateway.storage.objects if key.startswith("uploads/")]
    again = await send(gateway, server.url("/papers/A%20report.pdf"), itemId="item-1")
    assert (again.json()["status"], again.json()["jobId"]) == ("running", body["jobId"])


async def test_a_plan_keeps_nothing(gateway: World, server: FileServer):
    form = {"sourceUrl": server.url("/papers/A%20report.pdf")}
    answer = await gateway.http.post("/api/jobs", params={"plan": True}, data=form)
    assert (answer.status_code, answer.json()["name"]) == (200, "A report.pdf")
    assert gateway.storage.objects == {}


@pytest.mark.parametrize(
    "url",
    """http://127.0.0.1:1/a http://localhost/a http://[::1]/a http://169.254.169.254/latest/meta-data http://10.0.0.1/
    http://0x7f000001/ http://[::ffff:10.0.0.1]/ ftp://127.0.0.1/a file:///etc/passwd http://u:p@127.0.0.1/a nonsense
    http://""".split(),
)
async def test_what_is_not_public_is_not_fetched(gateway: World, url: str):
    answer = await send(gateway, url)
    assert (answer.status_code, answer.json()["code"]) in ((400, "source_refused"), (422, "source_unreachable"))
    assert answer.json()["hint"]
    assert gateway.storage.objects == {}


async def test_redirects_are_followed_and_each_is_checked_again(gateway: World, server: FileServer):
    server.redirects = {
        "/one": "/two",
        "/two": "/papers/A%20report.pdf",
        "/inside": f"http://127.0.0.2:{server.port}/papers/A%20report.pdf",
        "/file": "file:///etc/passwd",
        "/round": "/round",
    }
    assert (await send(gateway, server.url("/one"))).status_code == 202
    before = len(server.asked)
    answers = [await send(gateway, server.url(path)) for path in ("/inside", "/file", "/round")]
    codes = [answer.json()["code"] for answer in answers]
    assert codes == ["source_refused", "source_refused", "source_unreachable"]
    assert len(server.asked) - before == 1 + 1 + 6
    assert {host for host, _ in server.asked} == {server.place}


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/page.html", 415, "pdf_not_a_pdf"),
        ("/endless", 415, "pdf_not_a_pdf"),
        ("/large.pdf", 413, "pdf_too_large"),
        ("/nothing", 422, "source_unreachable"),
    ],
)
async def test_what_cannot_be_taken_is_refused_and_noted(
    gateway: World, server: FileServer, path: str, status: int, code: str
):
    server.files["/large.pdf"] = PDF * 5000
    answer = await send(gateway, server.url(path))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [row["code"] for row in await noted(gateway)] == [code]
    assert gateway.storage.objects == {}


async def test_what_takes_too_long_is_given_up(server: FileServer):
    async with world(source_allow=[server.place], source_seconds=0.5) as gateway:
        answer = await send(gateway, server.url("/slow"))
        assert (answer.status_code, answer.json()["code"]) == (422, "source_unreachable")
        assert gateway.storage.objects == {}


async def test_a_failed_one_is_noted_without_its_secrets_and_tried_again(gateway: World, server: FileServer):
    parameters = json.dumps({"extractionMethod": "fast", "password": "pw"})
    answer = await send(gateway, server.url("/later.pdf?token=secret"), itemId="it", parameters=parameters)
    assert answer.json()["code"] == "source_unreachable"
    (row,) = await noted(gateway)
    assert (row["code"], row["sourceUrl"]) == ("source_unreachable", server.url("/later.pdf?***"))
    assert "secret" not in json.dumps(row)
    stored = await gateway.gateway.upload_log.one(row["uploadId"])
    assert "pw" not in json.dumps(stored.fields)
    failed = await gateway.http.post(f"/api/uploads/{row['uploadId']}/retry")
    assert failed.json()["code"] == "source_unreachable"
    server.files["/later.pdf"] = PDF
    retried = await gateway.http.post(f"/api/uploads/{row['uploadId']}/retry")
    await gateway.settle()
    assert (retried.status_code, retried.json()["itemId"]) == (202, "it")
    job = await gateway.job(retried.json()["jobId"])
    assert (job.parameters.extraction_method, job.library_id) == ("fast", "lib")
    assert row["uploadId"] not in [each["uploadId"] for each in await noted(gateway)]
    assert (await gateway.http.post(f"/api/uploads/{row['uploadId']}/retry")).status_code == 404


async def test_one_that_could_not_be_stored_is_noted_and_tried_again(gateway: World, server: FileServer):
    copy = gateway.storage.copy

    async def full(*given: Any) -> None:
        raise ShadowtwinError("storage_write_failed")

    gateway.storage.copy = full  # type: ignore[method-assign,assignment]
    assert (await send(gateway, server.url("/papers/A%20report.pdf"))).status_code == 507
    gateway.storage.copy = copy  # type: ignore[method-assign]
    (row,) = await noted(gateway)
    assert row["size"] == len(PDF)
    assert (await gateway.http.post(f"/api/uploads/{row['uploadId']}/retry")).status_code == 202


async def test_of_a_form_upload_the_bytes_are_gone(gateway: World):
    await gateway.http.post("/api/jobs", data={"libraryId": "lib"}, files={"file": ("a.pdf", b"")})
    (row,) = await noted(gateway)
    answer = await gateway.http.post(f"/api/uploads/{row['uploadId']}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_bytes_gone")


async def test_empty_fields_are_fields_that_are_not_given(gateway: World, server: FileServer):
    empty = {"parameters": "", "itemId": "", "batchId": ""}
    assert (await send(gateway, server.url("/papers/A%20report.pdf"), **empty)).status_code == 202


async def test_a_file_and_an_address_together_are_refused(gateway: World, server: FileServer):
    data = {"sourceUrl": server.url("/papers/A%20report.pdf")}
    answer = await gateway.http.post("/api/jobs", data=data, files={"file": ("a.pdf", PDF)})
    assert answer.json()["code"] == "bad_request"
    answer = await gateway.http.post("/api/jobs", data={**data, "documentId": "doc-1"})
    assert answer.json()["code"] == "bad_request"
    assert server.asked == []
