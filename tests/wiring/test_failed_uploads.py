"""Uploads that fail are written down apart from what fails in processing, and quotas hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.errors import ShadowtwinError
from tests.support.gateway import PDF, World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(max_upload_bytes=10_000) as made:
        yield made


async def send(gateway: World, content: bytes, name: str = "a.pdf", library: str = "lib") -> int:
    form = {"libraryId": library, "itemId": "item-1"}
    answer = await gateway.http.post("/api/jobs", data=form, files={"file": (name, content)})
    await gateway.settle()
    return answer.status_code


async def noted(gateway: World, library: str = "lib") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await gateway.http.get("/api/uploads", params={"library": library})).json()["uploads"]
    return rows


@pytest.mark.parametrize(
    ("content", "code", "size"),
    [(b"", "pdf_empty", 0), (b"<html>" + b" " * 2000, "pdf_not_a_pdf", 2006), (PDF * 400, "pdf_too_large", 0)],
    ids=["empty", "html", "large"],
)
async def test_what_is_refused_is_noted_with_its_reason(gateway: World, content: bytes, code: str, size: int) -> None:
    assert await send(gateway, content, "../x/Report.pdf") >= 400
    (row,) = await noted(gateway)
    assert (row["code"], row["name"], row["itemId"], row["status"]) == (code, "Report.pdf", "item-1", "failed")
    assert row["message"]
    assert row["hint"]
    assert row["size"] >= size
    assert await noted(gateway, "other") == []
    assert (await gateway.http.get("/api/jobs")).json()["jobs"] == []


async def test_a_file_that_could_not_be_stored_is_noted(gateway: World) -> None:
    async def full(*given: Any) -> None:
        raise ShadowtwinError("storage_write_failed")

    gateway.storage.copy = full  # type: ignore[method-assign,assignment]
    assert await send(gateway, PDF) == 507
    assert [row["code"] for row in await noted(gateway)] == ["storage_write_failed"]


async def test_a_sender_who_goes_away_is_noted(gateway: World) -> None:
    sent = [
        b'--b\r\nContent-Disposition: form-data; name="libraryId"\r\n\r\nlib\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="half.pdf"\r\n\r\n' + PDF,
    ]
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in sent]
    messages.append({"type": "http.disconnect"})

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def answer(message: Any) -> None:
        pass

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    scope = {"type": "http", "method": "POST", "path": "/api/jobs", "query_string": b"", "headers": headers}
    app = gateway.http._transport.app  # type: ignore[attr-defined]
    await app(scope, receive, answer)
    (row,) = await noted(gateway)
    assert (row["code"], row["name"]) == ("upload_aborted", "half.pdf")
    assert gateway.storage.objects == {}


async def test_a_form_without_a_file_and_a_failed_job_are_no_failed_uploads(gateway: World) -> None:
    assert (await gateway.http.post("/api/jobs", data={"libraryId": "lib"})).status_code == 400
    accepted = await gateway.upload(libraryId="lib")
    await gateway.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
    assert await noted(gateway) == []


@pytest.mark.parametrize(
    ("limit", "answers"),
    [({"max_library_documents": 2}, [202, 202, 413]), ({"max_library_bytes": len(PDF) + 5}, [202, 413, 413])],
)
async def test_a_library_holds_no_more_than_its_quota(limit: dict[str, Any], answers: list[int]) -> None:
    async with world(**limit) as gateway:
        ids = [await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF + bytes([65 + n]))}) for n in range(3)]
        assert [answer.status_code for answer in ids] == answers
        assert ids[2].json()["code"] == "quota_exceeded"
        assert {row["code"] for row in await noted(gateway, "default")} == {"quota_exceeded"}
        assert [key for key in gateway.storage.objects if key.startswith("uploads/")] == []
        other = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF + b"A")}, data={"libraryId": "other"})
        assert other.status_code == 202
        await gateway.http.post(f"/api/jobs/{ids[0].json()['jobId']}/cancel")
        await gateway.settle()
        assert (await gateway.http.delete(f"/api/documents/{ids[0].json()['documentId']}")).status_code == 200
        again = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF + b"Z")})
        assert again.status_code == 202


async def test_the_same_file_again_costs_no_quota() -> None:
    async with world(max_library_documents=1) as gateway:
        await gateway.upload()
        await gateway.upload(name="b.pdf")
