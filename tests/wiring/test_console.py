"""The console's files and what it asks the API for: open files under a strict policy, closed data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from infra import api_keys
from services.gateway import job_listing
from services.gateway.api_keys import KeyRing
from services.gateway.routes.console import FOLDER
from shared.job import Artefact
from tests.support.gateway import World, world
from tests.support.pdfs import encrypted_pdf, long_pdf, text_pdf
from tests.support.records import make_job

OURS = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and "vendor" not in path.parts]
SCRIPTS = [path for path in OURS if path.suffix == ".js"]


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made
        await made.gateway.page_pictures.close()


@pytest.mark.parametrize(
    "path", ["/console/", "/console/js/main.js", "/console/css/base.css", "/console/vendor/preact.js"]
)
async def test_the_files_need_no_key_and_forbid_everything_but_themselves(tmp_path: Path, path: str):
    api_keys.make_own(tmp_path)
    async with world(keys=KeyRing(tmp_path / api_keys.KEYS)) as gateway:
        answer = await gateway.http.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await gateway.http.post(path)).status_code == 401


async def test_the_root_leads_to_the_console_and_files_are_asked_for_again_only_when_they_changed(gateway: World):
    for path in ("/", "/console"):
        answer = await gateway.http.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, "/console/")
    first = await gateway.http.get("/console/")
    assert first.headers["cache-control"] == "no-cache"
    again = await gateway.http.get("/console/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["../app.py", "%2e%2e/app.py", "js/../../app.py", "vendor/SHA256SUMS", "js", "x"])
async def test_nothing_else_is_served(gateway: World, path: str):
    assert (await gateway.http.get(f"/console/{path}")).status_code == 404


def test_the_vendored_parts_are_those_that_were_fetched_and_have_their_licences():
    folder = FOLDER / "vendor"
    rows = [line.split() for line in (folder / "SHA256SUMS").read_text().splitlines()]
    listed = {name: digest for digest, name in rows}
    present = {f"./{path.name}" for path in folder.iterdir() if path.name != "SHA256SUMS"}
    assert set(listed) == present
    for name, wanted in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted, name
    assert {name for name in listed if name.endswith("LICENSE.txt")} == {
        f"./{part}.LICENSE.txt" for part in ("preact", "htm", "dompurify", "marked")
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_no_script_makes_markup_of_texts_and_none_is_long(path: Path):
    text = path.read_text(encoding="utf-8")
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert forbidden not in text
    assert len(text.splitlines()) <= 300
    assert text.startswith("// ")


def test_no_page_of_the_console_loads_anything_from_elsewhere():
    for path in OURS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""(src|href|url\(|from|import)\s*[=(]?\s*["']?https?://""", text), path
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|style=", (FOLDER / "index.html").read_text())


def test_every_module_is_fetched_at_once():
    listed = re.findall(r'rel="modulepreload" href="([^"]+)"', (FOLDER / "index.html").read_text())
    modules = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.js")} - {"js/main.js"}
    assert (set(listed), len(listed)) == (modules, len(modules))


def test_every_text_is_in_both_languages_with_the_same_parts():
    languages = {name: dictionary(FOLDER / "js" / "lang" / f"{name}.js") for name in ("en", "de")}
    english, german = languages["en"], languages["de"]
    assert set(english) <= set(german)
    for name, text in english.items():
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", german[name])), name
    used = {name for path in SCRIPTS for name in re.findall(r'\bt\("([\w.]+)"', path.read_text(encoding="utf-8"))}
    assert used <= set(english), used - set(english)


def dictionary(path: Path) -> dict[str, str]:
    pairs = re.findall(r'"([\w.]+)": "((?:[^"\\]|\\.)*)"', path.read_text(encoding="utf-8"))
    assert len(pairs) == len(dict(pairs)), "a name stands twice"
    return dict(pairs)


async def test_a_key_is_told_what_it_opens(tmp_path: Path):
    api_keys.make_own(tmp_path)
    token = api_keys.make(tmp_path, ["read"], ["one"], "for a test")
    async with world(keys=KeyRing(tmp_path / api_keys.KEYS)) as gateway:
        body = (await gateway.http.get("/api/key", headers=api_keys.headers(token))).json()
    assert (body["scopes"], body["libraries"], body["note"]) == (["read"], ["one"], "for a test")
    assert "hash" not in body


async def test_libraries_are_listed_with_their_jobs_and_only_those_of_the_key(tmp_path: Path):
    api_keys.make_own(tmp_path)
    one, whole = api_keys.make(tmp_path, ["read"], ["one"], ""), api_keys.own(tmp_path)
    async with world(keys=KeyRing(tmp_path / api_keys.KEYS)) as gateway:
        gateway.http.headers.update(api_keys.headers(whole))
        for library in ("one", "two"):
            await gateway.upload(libraryId=library)
        everything = (await gateway.http.get("/api/libraries")).json()["libraries"]
        assert everything == [{"libraryId": name, "jobs": {"queued": 1}} for name in ("one", "two")]
        mine = (await gateway.http.get("/api/libraries", headers=api_keys.headers(one))).json()["libraries"]
        assert [row["libraryId"] for row in mine] == ["one"]


async def listed(gateway: World, **query: Any) -> tuple[list[str], str | None]:
    body = (await gateway.http.get("/api/jobs", params=query)).json()
    return [job["jobId"] for job in body["jobs"]], body["cursor"]


async def test_jobs_are_found_by_text_in_pages_that_miss_none(gateway: World):
    for number in range(30):
        await gateway.jobs.create(make_job(f"{number:03}", at=number))
    assert (await listed(gateway, text="ITEM-007"))[0] == ["job-007"]
    assert await listed(gateway, text="nowhere") == ([], None)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page, cursor = await listed(gateway, text="item-01", limit=4, **({"cursor": cursor} if cursor else {}))
        found += page
    assert found == [f"job-{number:03}" for number in range(19, 9, -1)]


async def test_a_search_for_a_rare_text_ends_and_can_be_gone_on_with(gateway: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_listing, "LOOKED_AT", 20)
    monkeypatch.setattr(job_listing, "PAGE", 10)
    for number in range(25):
        await gateway.jobs.create(make_job(f"{number:04}", at=number))
    first, cursor = await listed(gateway, text="item-0001")
    assert (first, cursor is not None) == ([], True)
    assert await listed(gateway, text="item-0001", cursor=cursor) == (["job-0001"], None)


async def stored(gateway: World, content: bytes, **artefacts: bytes) -> str:
    accepted = await gateway.upload(content)
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    made = dict(document.artefacts)
    for role, body in artefacts.items():
        made[role] = await gateway.storage.write(f"default/{document.document_id}/{role}.jsonl", body)
        assert isinstance(made[role], Artefact)
    assert await gateway.documents.put(replace(document, artefacts=made))
    return document.document_id


async def test_a_page_is_drawn_from_the_pdf_once_and_kept(gateway: World, tmp_path: Path):
    identity = await stored(gateway, long_pdf(tmp_path / "long.pdf", 3).read_bytes())
    path = f"/api/documents/{identity}/previews/2"
    first = await gateway.http.get(path)
    assert (first.status_code, first.headers["content-type"], first.content[:2]) == (200, "image/jpeg", b"\xff\xd8")
    assert first.headers["content-security-policy"] == "default-src 'none'; sandbox"
    kept = [key async for key in gateway.storage.keys(f"default/{identity}/drawn")]
    assert len(kept) == 1
    await gateway.storage.write(kept[0], b"\xff\xd8 kept")
    assert (await gateway.http.get(path)).content == b"\xff\xd8 kept"
    for page, status in ((0, 400), (4, 404), (-1, 400)):
        assert (await gateway.http.get(f"/api/documents/{identity}/previews/{page}")).status_code == status


async def test_a_page_that_cannot_be_drawn_says_why(gateway: World, tmp_path: Path):
    locked = await stored(gateway, encrypted_pdf(tmp_path / "locked.pdf").read_bytes())
    answer = await gateway.http.get(f"/api/documents/{locked}/previews/1")
    assert (answer.status_code, answer.json()["code"]) == (422, "pdf_encrypted")
    broken = await stored(gateway, b"%PDF-1.4\nnothing of a PDF behind it")
    answer = await gateway.http.get(f"/api/documents/{broken}/previews/1")
    assert (answer.status_code, answer.json()["code"]) in [(422, "pdf_corrupt"), (404, "not_found")]
    gone = await stored(gateway, text_pdf("gone"))
    await gateway.storage.delete(f"default/{gone}/source.pdf")
    assert (await gateway.http.get(f"/api/documents/{gone}/previews/1")).status_code == 404


async def test_pages_and_chunks_are_listed_by_page_and_in_parts(gateway: World):
    pages = b"".join(b'{"number":%d,"width":595}\n' % number for number in range(1, 6))
    chunks = b"".join(
        b'{"chunk_id":"c%d","scale":"%s","pages":[%d,%d]}\n' % (at, b"small" if at % 2 else b"large", at, at + 1)
        for at in range(1, 6)
    )
    home = f"/api/documents/{await stored(gateway, text_pdf('x'), pages=pages, chunks=chunks)}"
    ask = gateway.http.get
    assert [row["number"] for row in (await ask(f"{home}/pages", params={"page": 3})).json()["pages"]] == [3]
    first = (await ask(f"{home}/pages", params={"limit": 2})).json()
    assert [row["number"] for row in first["pages"]] == [1, 2]
    rest = (await ask(f"{home}/pages", params={"after": first["cursor"]})).json()
    assert ([row["number"] for row in rest["pages"]], rest["cursor"]) == ([3, 4, 5], None)
    on_three = (await ask(f"{home}/chunks", params={"page": 3})).json()["chunks"]
    assert [row["chunk_id"] for row in on_three] == ["c2", "c3"]
    small = (await ask(f"{home}/chunks", params={"page": 3, "scale": "small"})).json()["chunks"]
    assert [row["chunk_id"] for row in small] == ["c3"]


async def test_a_page_drawn_while_its_document_is_deleted_leaves_nothing(gateway: World):
    identity = await stored(gateway, text_pdf("soon gone"))
    write = gateway.storage.write

    async def deleted_first(key: str, content: Any) -> Artefact:
        await gateway.storage.delete_prefix(f"default/{identity}")
        return await write(key, content)

    gateway.storage.write = deleted_first  # type: ignore[method-assign]
    assert (await gateway.http.get(f"/api/documents/{identity}/previews/1")).status_code == 404
    assert [key async for key in gateway.storage.keys(f"default/{identity}")] == []
