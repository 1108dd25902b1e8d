"""Uploads: what is accepted becomes a document and a job, what is refused leaves nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.gateway.routes.options import FIELDS
from shared.adapters.folder_storage import FolderStorage
from tests.support.gateway import PDF, World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world(max_upload_bytes=10_000) as made:
        yield made


async def refused(gateway: World, content: bytes, name: str = "a.pdf") -> tuple[int, str]:
    answer = await gateway.http.post("/api/jobs", files={"file": (name, content)})
    problem = answer.json()
    assert problem["hint"]
    assert [key async for key in gateway.storage.keys("uploads")] == []
    assert (await gateway.http.get("/api/documents")).json()["documents"] == []
    return answer.status_code, problem["code"]


async def test_an_upload_becomes_a_verified_document_and_a_queued_job(gateway: World):
    accepted = await gateway.upload(name="../../Etc/Report.PDF")
    assert (accepted["status"], accepted["name"]) == ("queued", "Report.PDF")
    document = (await gateway.http.get(f"/api/documents/{accepted['documentId']}")).json()
    assert document["status"] == "pending"
    assert await gateway.storage.read(document["artefacts"]["source"]["key"]) == PDF
    assert gateway.bus.subjects() == ["pdf.requested"]


async def test_an_empty_upload_is_refused(gateway: World):
    assert await refused(gateway, b"") == (400, "pdf_empty")


async def test_an_html_page_is_refused_by_what_it_is(gateway: World):
    answer = await gateway.http.post("/api/jobs", files={"file": ("x.pdf", b"<!DOCTYPE html><p>sign in")})
    assert answer.status_code == 415
    assert "HTML" in answer.json()["detail"]
    assert await refused(gateway, b"<!DOCTYPE html>" + b"x" * 5000) == (415, "pdf_not_a_pdf")


async def test_a_file_over_the_limit_is_refused(gateway: World):
    assert await refused(gateway, PDF + b"x" * 20_000) == (413, "pdf_too_large")


async def test_a_request_without_a_file_is_a_400(gateway: World):
    assert (await gateway.http.post("/api/jobs", data={"libraryId": "x"})).status_code == 400


@pytest.mark.parametrize("library", ["../x", "a/b", "", " ", "x" * 200, "a\nb"])
async def test_a_library_that_is_no_folder_name_is_refused(gateway: World, library: str):
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data={"libraryId": library})
    # an empty form field counts as not given
    assert answer.status_code == (202 if library == "" else 400)


@pytest.mark.parametrize("parameters", ["[]", "{", '{"policies": {"extract": "maybe"}}', '{"colour": 1}'])
async def test_wrong_parameters_are_refused(gateway: World, parameters: str):
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data={"parameters": parameters})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("extractionMethod", "ocr", "ocr"),
        ("useCache", "false", False),
        ("products", "true", True),
        ("products", "auto", "auto"),
        ("budgetUsd", "0.5", 0.5),
        ("escalationSeconds", "12", 12.0),
        ("template", "", "document"),
        ("phases", '{"ingest": false}', {"extract": True, "template": True, "ingest": False}),
    ],
)
async def test_an_option_may_be_a_form_field_of_its_own(gateway: World, name: str, value: str, taken: object):
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data={name: value})
    shown = (await gateway.http.get(f"/api/jobs/{answer.json()['jobId']}")).json()
    assert shown["parameters"][name] == taken


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"extractionmethod": "ocr"}, "extractionMethod"),
        ({"colour": "blue"}, "colour"),
        ({"sealedPassword": "x"}, "sealedPassword"),
        ({"useCache": "maybe"}, "useCache"),
        ({"extractionMethod": "magic"}, "extractionMethod"),
        ({"useCache": ["true", "false"]}, "useCache"),
        ({"policies": '{"extract": "maybe"}'}, "policies"),
        ({"extractionMethod": "ocr", "parameters": '{"extractionMethod": "fast"}'}, "extractionMethod"),
    ],
)
async def test_form_fields_that_mean_nothing_are_refused(gateway: World, form: dict[str, str], word: str):
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data=form)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert word in answer.json()["detail"]
    assert (await gateway.http.get("/api/documents")).json()["documents"] == []


async def test_a_file_in_a_field_that_is_not_there_is_refused(gateway: World):
    answer = await gateway.http.post("/api/jobs", files={"pdf": ("a.pdf", PDF)})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert "in its field 'file'" in answer.json()["detail"]


async def test_the_fields_that_are_known_are_those_of_the_description(gateway: World):
    described = (await gateway.http.get("/openapi.json")).json()["components"]["schemas"]
    (form,) = [schema for name, schema in described.items() if name.startswith("Body_create_api_jobs")]
    assert set(form["properties"]) == FIELDS


async def test_the_same_bytes_under_another_name_are_an_alias_with_one_open_job(gateway: World):
    first = await gateway.upload()
    second = await gateway.upload(name="b.pdf")
    assert second["documentId"] == first["documentId"]
    assert (second["status"], second["jobId"], second["existing"]) == ("running", first["jobId"], True)
    document = (await gateway.http.get(f"/api/documents/{first['documentId']}")).json()
    assert document["aliases"] == ["b.pdf"]


async def test_other_bytes_under_the_same_item_id_wait_for_the_open_job(gateway: World):
    await gateway.upload(itemId="shelf/7")
    answer = await gateway.http.post(
        "/api/jobs", files={"file": ("a.pdf", b"%PDF-1.4 changed")}, data={"itemId": "shelf/7"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "job_open")


async def test_libraries_do_not_share_documents(gateway: World):
    first, second = await gateway.upload(libraryId="one"), await gateway.upload(libraryId="two")
    assert first["documentId"] != second["documentId"]
    assert first["jobId"] != second["jobId"]


async def test_the_first_event_waits_for_the_broker(gateway: World):
    gateway.bus.down = True
    accepted = await gateway.upload()
    assert [entry.subject for entry in (await gateway.job(accepted["jobId"])).outbox] == ["pdf.requested"]
    gateway.bus.down = False
    gateway.gateway.orchestrator.wake(accepted["jobId"])
    await gateway.settle()
    assert gateway.bus.subjects() == ["pdf.requested"]


HOSTILE = json.loads((Path(__file__).parents[1] / "fixtures" / "upload_names.json").read_text(encoding="utf-8"))


def raw_form(name: bytes) -> tuple[bytes, dict[str, str]]:
    """A form as a client would send it that does not care what a header may hold."""
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n--b--\r\n' % (name, PDF)
    return part, {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize("escaped", [False, True], ids=["raw", "escaped"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_name_is_a_text_to_show_and_never_a_path(tmp_path: Path, name: str, escaped: bool):
    data = tmp_path / "data"
    sent = name.encode("utf-8", "surrogatepass")
    if escaped:  # as browsers do
        sent = sent.replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")
    async with world(storage=FolderStorage(data)) as gateway:  # type: ignore[arg-type]
        content, headers = raw_form(sent)
        answer = await gateway.http.post("/api/jobs", content=content, headers=headers)
        await gateway.settle()
        assert 200 <= answer.status_code < 500, answer.text
        outside = [path for path in tmp_path.rglob("*") if path.is_file() and data not in path.parents]
        assert outside == []
        if answer.status_code == 202:
            shown = answer.json()["name"]
            assert shown
            assert not set(shown) & set("/\\\0\r\n\u202e")
            keys = [key async for key in gateway.storage.keys("default")]
            assert {key.rsplit("/", 1)[1] for key in keys} == {"source.pdf", "document-record.json"}
            assert (await gateway.http.get(f"/api/documents/{answer.json()['documentId']}")).json()["name"] == shown


@pytest.mark.parametrize(
    "content",
    [b"", b"--b", b"--b\r\n\r\n", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", PDF],
)
async def test_a_broken_form_is_the_callers_fault(gateway: World, content: bytes):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await gateway.http.post("/api/jobs", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_a_second_file_is_refused_and_leaves_nothing(gateway: World):
    files = [("file", ("a.pdf", PDF)), ("other", ("b.pdf", PDF))]
    answer = await gateway.http.post("/api/jobs", files=files)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert gateway.storage.objects == {}


async def test_a_file_that_was_received_for_a_plan_is_not_kept(gateway: World):
    answer = await gateway.http.post("/api/jobs", params={"plan": "true"}, files={"file": ("a.pdf", PDF)})
    assert answer.status_code == 200
    assert gateway.storage.objects == {}


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
async def test_every_byte_arrives_wherever_the_pieces_end(size: int):
    async with world() as gateway:
        accepted = await gateway.upload(PDF + b"%" * (size - len(PDF)))
        assert (await gateway.documents.get(accepted["documentId"])).size == size  # type: ignore[union-attr]


async def test_what_a_killed_gateway_has_received_goes_with_its_unrecorded_copies(gateway: World):
    kept = await gateway.upload(PDF + b"kept")
    storage, place = gateway.storage, "elsewhere~1~1"
    lost = PDF + b"lost"
    digest = hashlib.sha256(lost).hexdigest()
    await storage.write(f"uploads/{place}/1", lost)
    orphans = ["default/doc-orphan/source.pdf", f"default/{kept['documentId']}/source-{digest[:12]}.pdf"]
    for key in orphans:
        await storage.write(key, lost)
    await storage.write(f"uploads/{place}/2", PDF + b"kept")
    await gateway.gateway.intake.sweep_uploads()
    assert [key for key in storage.objects if key in orphans or key.startswith("uploads/")] == []
    assert await storage.read(f"default/{kept['documentId']}/source.pdf") == PDF + b"kept"


async def test_what_is_not_stored_as_it_was_sent_becomes_no_document(gateway: World):
    copy = gateway.storage.copy

    async def damaged(source: str, target: str) -> None:
        await copy(source, target)
        gateway.storage.objects[target] = gateway.storage.objects[target][:-1] + b"?"

    gateway.storage.copy = damaged  # type: ignore[method-assign]
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)})
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_write_failed")
    assert (await gateway.http.get("/api/documents")).json()["documents"] == []
    assert gateway.storage.objects == {}
