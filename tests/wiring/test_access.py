"""API keys: no route without one, no more than its scopes allow, and of other libraries nothing."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from infra import api_keys
from infra.cli.specs import openapi
from services.gateway import api_keys as ring
from services.gateway.access import EXTERNAL, OPEN, scope_of
from services.gateway.api_keys import KeyRing
from shared.errors import ConfigurationError
from tests.support.gateway import PDF, World, world
from tests.support.pdfs import pictured_pdf, text_pdf
from tests.support.phases import Route

OPERATIONS = [
    (method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods if path not in OPEN
]
TEXT = "The keeper of the lighthouse wrote the weather down four times a day for thirty-one years."


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    api_keys.make_own(tmp_path)
    return tmp_path


@pytest.fixture
async def gateway(keys: Path) -> AsyncIterator[World]:
    async with world(keys=KeyRing(keys / api_keys.KEYS)) as made:
        yield made


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "LOOK_SECONDS", -1.0)


def shown(token: str) -> dict[str, str]:
    return api_keys.headers(token)


async def post(gateway: World, token: str, library: str, content: bytes = PDF) -> Any:
    answer = await gateway.http.post(
        "/api/jobs", files={"file": ("a.pdf", content)}, data={"libraryId": library}, headers=shown(token)
    )
    await gateway.settle()
    return answer


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(each) for each in OPERATIONS])
async def test_every_route_without_a_key_is_a_401(gateway: World, keys: Path, method: str, path: str):
    accepted = (await post(gateway, api_keys.own(keys), "default")).json()
    before = await gateway.job(accepted["jobId"])
    place = path.format_map(Names(jobId=accepted["jobId"], documentId=accepted["documentId"], page="1"))
    for headers in ({}, {"Authorization": "Bearer stw_00000000_wrong"}, {"X-API-Key": "wrong"}):
        answer = await gateway.http.request(method, place, headers=headers, json={})
        assert answer.status_code == 401, (headers, answer.text)
        assert answer.headers.get("www-authenticate") == "Bearer" or path.startswith("/api/internal/")
    assert await gateway.job(accepted["jobId"]) == before


class Names(dict[str, str]):
    """What paths are filled with."""

    def __missing__(self, name: str) -> str:
        return "something"


@pytest.mark.parametrize("path", ["/live", "/ready", "/openapi.json"])
async def test_signs_of_life_and_the_description_need_no_key(gateway: World, path: str):
    assert (await gateway.http.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/consoles", "/api/nothing", "/api/documents/../jobs", "//api/jobs", "/live/x"])
async def test_what_is_no_route_needs_a_key_as_well(gateway: World, path: str):
    assert (await gateway.http.get(path)).status_code == 401


async def test_a_key_is_taken_as_bearer_and_by_its_own_header(gateway: World, keys: Path):
    token = api_keys.own(keys)
    for headers in (shown(token), {"X-API-Key": token}):
        assert (await gateway.http.get("/api/jobs", headers=headers)).status_code == 200
    assert (await gateway.http.get("/api/jobs", headers=shown(token[:-1]))).status_code == 401


@pytest.mark.parametrize(
    ("scope", "allowed"), [("read", (200, 403, 403)), ("write", (403, 202, 403)), ("operate", (403, 403, 200))]
)
async def test_a_scope_opens_what_it_says_and_no_more(
    keys: Path, gateway: World, at_once: None, scope: str, allowed: tuple[int, ...]
):
    token = api_keys.make(keys, [scope], [api_keys.ALL], "")
    answers = [
        await gateway.http.get("/api/jobs", headers=shown(token)),
        await post(gateway, token, "default"),
        await gateway.http.post("/api/system/rebuild-broker", headers=shown(token)),
    ]
    assert tuple(answer.status_code for answer in answers) == allowed
    assert {answer.json()["code"] for answer in answers if answer.status_code == 403} == {"forbidden"}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/api/search", "read"),
        ("DELETE", "/api/documents/x", "write"),
        ("PATCH", "/api/records/x", "write"),
        ("POST", "/api/jobs/requeue", "operate"),
        ("POST", "/api/jobs/1/requeue", "write"),
        ("POST", "/warmup/mineru", "operate"),
        ("PUT", "/api/anything/new", "write"),
    ],
)
def test_a_route_needs_a_scope_by_what_it_does(method: str, path: str, scope: str):
    assert scope_of(method, path) == scope


async def test_a_revoked_key_opens_nothing_and_a_broken_file_changes_nothing(keys: Path, gateway: World, at_once: None):
    token = api_keys.make(keys, ["read"], ["one"], "")
    assert (await gateway.http.get("/api/jobs", headers=shown(token))).status_code == 200
    assert api_keys.revoke(keys, token.split("_")[1])
    assert (await gateway.http.get("/api/jobs", headers=shown(token))).status_code == 401
    (keys / api_keys.KEYS).write_text("{")
    assert (await gateway.http.get("/api/jobs", headers=shown(api_keys.own(keys)))).status_code == 200


def test_only_hashes_are_stored(keys: Path):
    token = api_keys.make(keys, ["read"], ["one"], "a note")
    stored = (keys / api_keys.KEYS).read_text()
    assert token not in stored
    assert token.split("_", 2)[2] not in stored
    assert (keys / api_keys.KEYS).stat().st_mode & 0o077 == 0
    assert "hash" not in json.dumps(api_keys.listed(keys))


@pytest.mark.parametrize("content", [None, "{", '{"keys": [{"id": 1}]}', '{"keys": [{"id": "a", "scopes": ["all"]}]}'])
def test_a_gateway_without_readable_keys_does_not_start(tmp_path: Path, content: str | None):
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match="API_KEYS_FILE"):
        KeyRing(path)
    with pytest.raises(ConfigurationError, match="API_KEYS_FILE"):
        KeyRing(None)


class Two:
    """A world with a processed document in each of two libraries, and a key of the first."""

    def __init__(self, gateway: World, token: str, mine: dict[str, Any], other: dict[str, Any]) -> None:
        self.gateway, self.headers, self.mine, self.other = gateway, shown(token), mine, other

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.gateway.http.request(method, path, headers=self.headers, **more)
        await self.gateway.settle()
        return answer


@pytest.fixture
async def two(gateway: World, keys: Path, at_once: None) -> Two:
    token = api_keys.make(keys, ["read", "write", "operate"], ["mine"], "")
    whole, pdf = api_keys.own(keys), text_pdf(TEXT)
    mine = (await post(gateway, token, "mine", pdf)).json()
    other = (await post(gateway, whole, "other", pdf)).json()
    await Route(gateway).run()
    return Two(gateway, token, mine, other)


FOREIGN = [
    (method, path)
    for method, path in OPERATIONS
    if any(
        name in path
        for name in ("{jobId}", "{documentId}", "{docHash}", "{batchId}", "{recordId}", "{uploadId}", "{alertId}")
    )
    and not path.startswith((EXTERNAL, "/api/internal/"))
    and not path.endswith("/content")  # asks for a signature instead: tests/wiring/test_direct_uploads.py
]


@pytest.mark.parametrize(("method", "path"), FOREIGN, ids=[" ".join(each) for each in FOREIGN])
async def test_what_belongs_to_another_library_is_not_there(two: Two, method: str, path: str):
    job = await two.gateway.job(two.other["jobId"])
    place = path.format_map(
        Names(jobId=job.job_id, documentId=job.document_id, page="1", recordId=f"rec-{job.document_id}-1")
    )
    answer = await two.ask(method, place, json={"values": {"a": 1}} if method == "PATCH" else {})
    assert answer.status_code == 404, answer.text
    by_hash = path.format_map(Names(documentId=two.other["sha256"], docHash=two.other["sha256"], jobId=job.job_id))
    assert (await two.ask(method, by_hash, params={"library": "other"}, json={})).status_code == 404
    assert await two.gateway.job(two.other["jobId"]) == job
    assert await two.gateway.documents.get(job.document_id) is not None


async def test_lists_and_searches_show_the_keys_library_only(two: Two):
    jobs = (await two.ask("GET", "/api/jobs")).json()["jobs"]
    assert [job["jobId"] for job in jobs] == [two.mine["jobId"]]
    documents = (await two.ask("GET", "/api/documents")).json()["documents"]
    assert [document["libraryId"] for document in documents] == ["mine"]
    hits = (await two.ask("POST", "/api/search", json={"query": "lighthouse weather"})).json()["hits"]
    assert {hit["libraryId"] for hit in hits} == {"mine"}
    narrowed = {"query": "lighthouse", "documentId": two.other["documentId"]}
    assert (await two.ask("POST", "/api/search", json=narrowed)).json()["hits"] == []


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/api/jobs", {"params": {"library": "other"}}),
        ("GET", "/api/documents", {"params": {"library": "other"}}),
        ("GET", "/api/templates", {"params": {"library": "other"}}),
        ("GET", "/api/documents", {"params": [("library", "other"), ("library", "mine")]}),
        ("PUT", "/api/templates/x", {"params": {"library": "other"}, "json": {"text": "{{a|b}}"}}),
        ("GET", "/api/file-status", {"params": {"library": "other", "itemId": "x"}}),
        ("POST", "/api/search", {"json": {"query": "x", "libraryId": "other"}}),
        ("POST", "/api/batches", {"json": {"documentIds": ["x"], "libraryId": "other"}}),
        ("POST", "/api/system/rebuild", {"json": {"libraryId": "other"}}),
        ("POST", "/api/jobs/requeue", {"json": {"library": "other"}}),
        ("POST", "/api/jobs", {"files": {"file": ("a.pdf", PDF)}, "data": {"libraryId": "other"}}),
        ("POST", "/api/jobs", {"params": {"plan": "1"}, "files": {"file": ("a.pdf", PDF)}, "data": {"libraryId": "o"}}),
    ],
)
async def test_another_library_is_not_there(two: Two, method: str, path: str, more: dict[str, Any]):
    assert (await two.ask(method, path, **more)).status_code == 404


async def test_documents_of_another_library_are_no_part_of_a_batch(two: Two):
    body = {"documentIds": [two.mine["documentId"], two.other["documentId"]], "libraryId": "mine"}
    rows = (await two.ask("POST", "/api/batches", json=body)).json()["documents"]
    assert [row.get("code") for row in rows] == [None, "not_found"]
    stolen = {"documentId": two.other["documentId"], "libraryId": "mine"}
    assert (await two.ask("POST", "/api/jobs", data=stolen)).status_code == 404


async def test_a_key_of_one_library_means_that_one(two: Two):
    found = await two.ask("GET", f"/api/documents/{two.mine['sha256']}")
    assert (found.status_code, found.json()["libraryId"]) == (200, "mine")
    assert (await two.ask("POST", f"/api/ingest/{two.mine['sha256']}/retry")).status_code == 202
    counted = (await two.ask("POST", "/api/jobs/requeue", json={"status": "completed", "dryRun": True})).json()
    assert counted["found"] == 1
    assert (await two.ask("POST", "/api/system/rebuild", json={})).status_code == 202


async def test_a_key_of_several_libraries_sees_them_together_and_names_one_to_change_all(
    two: Two, keys: Path, at_once: None
):
    headers = shown(api_keys.make(keys, ["read", "operate"], ["mine", "third"], ""))
    listed = await two.gateway.http.get("/api/jobs", headers=headers)
    assert [job["jobId"] for job in listed.json()["jobs"]] == [two.mine["jobId"]]
    answer = await two.gateway.http.post("/api/system/rebuild", json={}, headers=headers)
    assert answer.status_code == 400


def test_a_client_finds_the_key_of_a_stack_on_this_machine(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(api_keys, "STACKS", tmp_path / "stacks")
    data = tmp_path / "data"
    api_keys.make_own(data / "secrets")
    api_keys.note_stack("http://127.0.0.1:1234", data)
    assert api_keys.key_for("http://127.0.0.1:1234/") == api_keys.own(data / "secrets")
    assert api_keys.key_for("http://elsewhere:1234") == ""
    monkeypatch.setitem(os.environ, "SHADOWTWIN_API_KEY", "given")
    assert api_keys.key_for("http://elsewhere:1234") == "given"
    monkeypatch.delitem(os.environ, "SHADOWTWIN_API_KEY")
    api_keys.forget_stack("http://127.0.0.1:1234")
    assert api_keys.key_for("http://127.0.0.1:1234") == ""


async def test_what_language_models_read_needs_no_key_and_names_every_call(gateway: World):
    answer = await gateway.http.get("/llms.txt")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text.startswith("# Shadowtwin\n\n> ")
    assert "- `POST /api/search` (read): Search chunks" in answer.text
    assert "/api/internal/" not in answer.text


async def test_a_listed_picture_opens_without_a_key_until_its_address_is_changed(gateway: World, keys: Path):
    document = (await post(gateway, api_keys.own(keys), "default", pictured_pdf(1))).json()["documentId"]
    await Route(gateway).run()
    listed = await gateway.http.get(f"/api/documents/{document}/images", headers=shown(api_keys.own(keys)))
    url = listed.json()["images"][0]["url"]
    assert (await gateway.http.get(url)).status_code == 200
    bare = url.partition("?")[0]
    assert [(await gateway.http.get(path)).status_code for path in (bare, url[:-1], f"{bare}?signature=")] == [401] * 3
    assert (await gateway.http.put(url, content=b"x")).status_code == 401
