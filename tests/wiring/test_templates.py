"""Templates over the API: a library's own ones, validation before anything is stored, and jobs that name them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.gateway import PDF, World, world

REPORT = "---\ntitle: {{title|The title}}\nkind: otter\n---\n# {{title}}\n\n--- systemprompt\nBe exact.\n"


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def put(gateway: World, name: str, text: str, library: str = "default") -> Any:
    headers = {"content-type": "text/markdown"}
    return await gateway.http.put(f"/api/templates/{name}?library={library}", content=text.encode(), headers=headers)


async def names(gateway: World, library: str = "default") -> dict[str, str]:
    found = (await gateway.http.get(f"/api/templates?library={library}")).json()["templates"]
    return {template["name"]: template["origin"] for template in found}


async def test_the_projects_templates_are_there_for_every_library(gateway: World):
    there = await names(gateway, "anything")
    wanted = {"document", "document-de", "field-report", "product-catalogue", "invoice", "scientific-paper"}
    assert wanted <= set(there)
    assert set(there.values()) == {"project"}
    shown = (await gateway.http.get("/api/templates/invoice")).json()
    assert "{{" in shown["text"]
    assert shown["asked"]
    assert shown["systemprompt"]


async def test_a_library_stores_shows_and_removes_its_own(gateway: World):
    assert (await put(gateway, "otters", REPORT, "a")).status_code == 201
    assert (await put(gateway, "otters", REPORT.replace("otter", "seal"), "a")).status_code == 200
    shown = (await gateway.http.get("/api/templates/otters?library=a")).json()
    assert (shown["origin"], shown["fixed"], shown["asked"]) == ("library", {"kind": "seal"}, {"title": "The title"})
    assert "otters" not in await names(gateway, "b")
    assert (await gateway.http.get("/api/templates/otters?library=b")).status_code == 404
    assert (await gateway.http.delete("/api/templates/otters?library=a")).status_code == 204
    assert (await gateway.http.delete("/api/templates/otters?library=a")).status_code == 404


async def test_a_librarys_template_replaces_the_projects_until_it_is_removed(gateway: World):
    before = (await gateway.http.get("/api/templates/document")).json()["hash"]
    await put(gateway, "document", REPORT)
    assert (await names(gateway))["document"] == "library"
    await gateway.http.delete("/api/templates/document")
    assert (await gateway.http.get("/api/templates/document")).json()["hash"] == before


@pytest.mark.parametrize(
    ("text", "said"),
    [("no questions", "asks for nothing"), ("{{a|q}} {{b|open", "malformed"), ("{{a|}}", "empty question")],
)
async def test_a_template_that_cannot_be_used_is_refused_with_what_is_wrong(gateway: World, text: str, said: str):
    answer = await put(gateway, "bad", text)
    assert (answer.status_code, answer.json()["code"]) == (422, "template_invalid")
    assert said in answer.json()["detail"]
    checked = await gateway.http.post("/api/templates/validate", json={"text": text})
    assert checked.json()["valid"] is False
    assert "bad" not in await names(gateway)


@pytest.mark.parametrize("name", ["a.b", "x" * 65, "%2e%2e", "a%2Fb", "a%00b"])
async def test_a_name_that_is_none_stores_nothing(gateway: World, name: str):
    assert (await put(gateway, name, REPORT)).status_code in (400, 404, 405)
    assert [key async for key in gateway.storage.keys("_templates")] == []


async def test_a_template_larger_than_allowed_is_refused(gateway: World):
    assert (await put(gateway, "big", "{{a|q}}" + "x" * 900_000)).status_code == 413


async def test_a_job_that_names_an_unknown_template_is_refused_before_anything_is_stored(gateway: World):
    form = {"parameters": '{"template": "nothing"}'}
    answer = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data=form)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "document" in answer.json()["detail"]
    assert (await gateway.http.get("/api/documents")).json()["documents"] == []
    await put(gateway, "nothing", REPORT)
    assert (await gateway.http.post("/api/jobs", files={"file": ("a.pdf", PDF)}, data=form)).status_code == 202
