"""Export: a finished job as a bundle, without secrets, for those who may read its library."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from infra import api_keys
from infra.replay.reading import Bundle
from services.gateway.api_keys import KeyRing
from services.gateway.bundles.zip_stream import ZipStream
from services.gateway.masking import without_credentials
from shared.errors import ShadowtwinError
from shared.testing.memory_vectors import HashEmbedder
from tests.support.gateway import World, world
from tests.support.pdfs import pictured_pdf, text_pdf
from tests.support.phases import Route


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def processed(made: World, content: bytes, **form: str) -> dict[str, Any]:
    accepted = await made.upload(content, **form)
    await Route(made).run()
    job = await made.job(accepted["jobId"])
    assert str(job.status) == "completed", job.error
    return accepted


async def exported(made: World, job_id: str, query: str = "") -> zipfile.ZipFile:
    answer = await made.http.get(f"/api/jobs/{job_id}/bundle{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(answer.content))


async def test_a_bundle_holds_job_log_document_twin_and_index_and_passes_its_own_check(gateway: World, tmp_path: Path):
    accepted = await processed(gateway, pictured_pdf(1, 2))
    (tmp_path / "b.zip").write_bytes((await gateway.http.get(f"/api/jobs/{accepted['jobId']}/bundle")).content)
    with Bundle(tmp_path / "b.zip") as opened:
        names = set(opened.names)
        assert {"job.json", "log.jsonl", "document.json", "settings.json", "source.pdf"} <= names
        assert {"templates/document.md", "twin/a.en.md", "twin/a.document.en.md", "twin/chunks.jsonl"} <= names
        assert {"twin/images/1_0.png", "index/chunk.jsonl", "index/images-narrow.jsonl"} <= names
        assert not any(name.startswith(("twin/runs/", "twin/source")) or "record.json" in name for name in names)
        assert opened.read("source.pdf") == pictured_pdf(1, 2)
        log = [json.loads(line) for line in opened.read("log.jsonl").splitlines()]
        assert log == json.loads(msgspec.json.encode(await gateway.jobs.logs(accepted["jobId"])))
        settings = json.loads(opened.read("settings.json"))
        assert settings["extract_pdf"]["libraries"]["pymupdf"]
        assert settings["ingest_rag"]["embedder"]["name"] == HashEmbedder().name
        rows = [json.loads(line) for line in opened.read("index/chunk.jsonl").splitlines()]
        assert [row["row_id"] for row in rows] == sorted(row["row_id"] for row in rows)
        assert len(rows) == json.loads(opened.read("document.json"))["chunkCount"]


async def test_the_same_job_gives_the_same_bytes(gateway: World):
    job_id = (await processed(gateway, text_pdf("Kelp and slate.")))["jobId"]
    first, second = [(await gateway.http.get(f"/api/jobs/{job_id}/bundle")).content for _ in range(2)]
    assert first == second


async def test_the_pdf_can_be_left_out(gateway: World):
    job_id = (await processed(gateway, text_pdf("Kelp and slate.")))["jobId"]
    assert "source.pdf" not in (await exported(gateway, job_id, "?source=false")).namelist()


async def test_no_secret_of_a_job_is_in_its_bundle(gateway: World):
    accepted = await processed(gateway, text_pdf("Kelp and slate."), userEmail="someone@example.org")
    job = await gateway.job(accepted["jobId"])
    told = "fetched https://user:hunter2@files.example.org/a.pdf?X-Signature=abcdef now"
    entry = {**job.logs[-1], "message": told}
    marked = replace(job, job_secret_hash="5ec2e7hash", idempotency_key="1dempotent", logs=[*job.logs[:-1], entry])
    assert await gateway.jobs.swap(job, marked)
    archive = await exported(gateway, accepted["jobId"])
    everything = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (b"5ec2e7hash", b"1dempotent", b"hunter2", b"abcdef", b"someone@example.org"):
        assert secret not in everything
    assert b"fetched https://files.example.org/a.pdf?*** now" in archive.read("log.jsonl")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://h.example/p?token=1#x", "https://h.example/p?***"),
        ("at ftp://me:pw@h/p.", "at ftp://h/p."),
        ("https://h.example/plain/path", "https://h.example/plain/path"),
        ("Bearer abcdefgh1234", "Bearer ***"),
        ("key stw_0011223344556677 used", "key stw_*** used"),
        ("3 of 4 pages: done?", "3 of 4 pages: done?"),
    ],
)
def test_credentials_go_and_words_stay(text: str, left: str):
    assert without_credentials({"a": [text, 1, None]}) == {"a": [left, 1, None]}


async def test_an_open_job_is_not_exported(gateway: World):
    accepted = await gateway.upload(text_pdf("Kelp."))
    answer = await gateway.http.get(f"/api/jobs/{accepted['jobId']}/bundle")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_open")


async def test_a_job_whose_document_was_processed_again_names_the_one_to_export(gateway: World):
    first = await processed(gateway, text_pdf("Kelp."), itemId="k")
    forced = json.dumps({"policies": dict.fromkeys(("extract", "metadata", "ingest"), "force")})
    second = await processed(gateway, text_pdf("Kelp."), itemId="k", parameters=forced)
    answer = await gateway.http.get(f"/api/jobs/{first['jobId']}/bundle")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert second["jobId"] in answer.json()["hint"]
    await exported(gateway, second["jobId"])


async def test_a_document_that_changes_meanwhile_ends_the_export_without_a_directory(gateway: World):
    accepted = await processed(gateway, text_pdf("Kelp."))
    job, document = await gateway.gateway.bundles.ready(accepted["jobId"])
    pieces = gateway.gateway.bundles.stream(job, document)
    content = await anext(pieces)
    assert await gateway.documents.put(replace(document, name="other.pdf"))

    async def rest() -> bytes:
        return b"".join([piece async for piece in pieces])

    with pytest.raises(ShadowtwinError, match="changed while"):
        await rest()
    assert not zipfile.is_zipfile(io.BytesIO(content))


async def test_a_job_of_another_library_is_not_there_to_be_exported(tmp_path: Path):
    api_keys.make_own(tmp_path)
    own, other = api_keys.own(tmp_path), api_keys.make(tmp_path, ["read"], ["other"], "")
    reader = api_keys.make(tmp_path, ["read"], ["default"], "")
    async with world(keys=KeyRing(tmp_path / api_keys.KEYS)) as made:
        made.http.headers.update(api_keys.headers(own))
        accepted = await made.upload(text_pdf("Kelp."))
        await made.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
        await made.settle()
        place = f"/api/jobs/{accepted['jobId']}/bundle"
        codes = {
            name: (await made.http.get(place, headers=api_keys.headers(token))).status_code
            for name, token in {"own": own, "reader": reader, "other": other, "nobody": "stw_00000000_x"}.items()
        }
        assert codes == {"own": 200, "reader": 200, "other": 404, "nobody": 401}


async def test_an_archive_of_any_size_is_written_in_little_memory():
    async def large() -> AsyncIterator[bytes]:
        for at in range(128):
            yield bytes([at]) * (1 << 20)

    archive = ZipStream()
    tracemalloc.start()
    async for _ in archive.member("twin/large.png", large()):
        pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert archive.members[0].size == 128 << 20
    assert most < 16 << 20
