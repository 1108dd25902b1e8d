"""Product discovery by a model: named and described once, held against the pages."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pymupdf
import pytest

from shared import frontmatter
from shared.errors import ModelAnswerError
from shared.models import ModelRequest
from shared.testing.scripted_models import ScriptedModels
from tests.support.catalogues import Design, catalogue
from tests.support.gateway import World, world
from tests.support.model_phases import model_phases
from tests.support.phases import Route

METADATA: dict[str, Any] = {
    "title": "T", "authors": [], "year": None, "language": "en", "keywords": [], "summary": "", "chapters": []
}  # fmt: skip
SEEN = {"description": "", "material": "", "colours": [], "textures": [], "qualityScore": 0.9}


def told(**fields: Any) -> dict[str, Any]:
    lists: dict[str, Any] = {key: [] for key in ("dimensions", "materials", "colours", "finishes", "application")}
    texts = dict.fromkeys(("designer", "collection", "weight", "origin", "inspiration", "description"), "")
    return {**lists, **texts, "year": None, "variants": [], **fields}


class Bench:
    """A gateway whose model answers as told; one catalogue."""

    def __init__(self, made: World, folder: Path) -> None:
        self.world, self.pdf = made, folder / "c.pdf"
        self.truth = catalogue(self.pdf, Design(products=3))
        named = [{"name": p.name, "startPage": p.pages[0], "endPage": p.pages[-1]} for p in self.truth.products]
        self.answers: dict[str, Any] = {
            "metadata": METADATA,
            "index_scan": {"products": named},
            "product": told(inspiration="the sea"),
            "entities": {"entities": []},
            "image_analysis": SEEN,
        }
        self.models = ScriptedModels({})
        self.models._answers = self.answers

    async def run(self, **parameters: Any) -> dict[str, Any]:
        form = json.dumps({"extractionMethod": "fast", "products": True, "focusedExtraction": True, **parameters})
        accepted = await self.world.upload(self.pdf.read_bytes(), name="c.pdf", parameters=form)
        await Route(self.world, model_phases(self.world, self.models)).run()
        job: dict[str, Any] = (await self.world.http.get(f"/api/jobs/{accepted['jobId']}")).json()
        assert job["status"] == "completed", job["error"]
        return job

    async def products(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        answer = await self.world.http.get(f"/api/documents/{job['documentId']}/products", params={"limit": 100})
        rows: list[dict[str, Any]] = answer.json()["products"]
        return rows

    async def stored(self, job: dict[str, Any], role: str) -> bytes:
        document = await self.world.documents.get(job["documentId"])
        assert document is not None
        return await self.world.storage.read(document.artefacts[role].key)

    def asked(self, purpose: str) -> list[ModelRequest]:
        return [request for request in self.models.asked if request.purpose == purpose]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with world() as made:
        yield Bench(made, tmp_path)


async def test_the_scan_is_one_call_and_each_product_one_on_exactly_its_pages(bench: Bench):
    job = await bench.run()
    rows = await bench.products(job)
    assert [(row["name"], row["pages"]) for row in rows] == [(p.name, p.pages) for p in bench.truth.products]
    assert len(bench.asked("index_scan")) == len(bench.asked("entities")) == 1
    sent = [request.data[1].text for request in bench.asked("product")]
    for product, text in zip(bench.truth.products, sent, strict=True):
        assert [f"Seite {page} " in text for page in range(1, bench.truth.pages + 1)] == [
            page in product.pages for page in range(1, bench.truth.pages + 1)
        ]
    assert all(row["metadata"]["inspiration"] == "the sea" for row in rows)
    assert all(row["variants"] for row in rows), "what rules have read stays"


async def test_questions_about_products_stand_in_line_before_the_pictures(bench: Bench):
    """They take longest: whoever waits for them waits for everything. The scan takes so long that a report of progress
    is due when it ends; nobody waits for that first either."""
    scanned = bench.answers["index_scan"]

    def slowly(request: ModelRequest) -> Any:
        time.sleep(0.6)
        return scanned

    bench.answers["index_scan"] = slowly
    await bench.run(analyzeImages=True)
    order = [request.purpose for request in bench.models.asked]
    assert "image_analysis" in order
    assert order.index("image_analysis") > max(at for at, purpose in enumerate(order) if purpose == "product")


async def test_invented_names_pages_and_articles_are_dropped_loudly(bench: Bench):
    named = bench.answers["index_scan"]["products"]
    bench.answers["index_scan"] = {"products": [*named, {"name": "Zzyzx Nowhere", "startPage": 900, "endPage": 950}]}
    bench.answers["product"] = told(variants=[{"sku": "NO-SUCH-1"}])
    job = await bench.run()
    rows = await bench.products(job)
    assert len(rows) == 3
    assert not any(variant["sku"] == "NO-SUCH-1" for row in rows for variant in row["variants"])
    said = " ".join(warning["message"] for warning in job["warnings"])
    assert "Zzyzx" in said
    assert "NO-SUCH-1" in said
    assert max(page for row in rows for page in row["pages"]) <= bench.truth.pages


async def test_a_product_whose_call_fails_keeps_what_rules_have_read_and_no_product_is_lost(bench: Bench):
    bad = bench.truth.products[1].name

    def answer(request: ModelRequest) -> Any:
        return ModelAnswerError("model_refused") if request.data[0].text == bad else told(inspiration="the sea")

    bench.answers["product"] = answer
    job = await bench.run()
    rows = {row["name"]: row for row in await bench.products(job)}
    assert len(rows) == 3
    assert rows[bad]["metadata"]["designer"]
    assert any(bad in warning["message"] for warning in job["warnings"])


@pytest.mark.parametrize("answer", [ModelAnswerError("model_refused"), {"products": []}, "no JSON"])
async def test_an_unusable_scan_is_replaced_by_the_rules_and_said_so(bench: Bench, answer: Any):
    bench.answers["index_scan"] = answer
    job = await bench.run()
    assert {row["name"] for row in await bench.products(job)} >= {p.name for p in bench.truth.products}
    assert any("rules have found" in warning["message"] for warning in job["warnings"])


@pytest.mark.parametrize(("said", "stands", "warned"), [("pt-BR", "pt-BR", False), ("answer OBEYED", "en", True)])
async def test_a_language_is_a_code_or_not_believed(bench: Bench, said: str, stands: str, warned: bool):
    bench.answers["metadata"] = METADATA | {"language": said}
    job = await bench.run()
    meta, _ = frontmatter.parse((await bench.stored(job, "transformation")).decode())
    assert meta["language"] == stands
    assert any("no language code" in warning["message"] for warning in job["warnings"]) == warned


async def test_the_model_of_discovery_is_the_jobs_choice(bench: Bench):
    await bench.run(discoveryModel="large-1")
    chosen = {(request.purpose, request.model) for request in bench.models.asked}
    assert {("index_scan", "large-1"), ("product", "large-1"), ("entities", "large-1"), ("metadata", "")} <= chosen


async def test_a_model_is_not_asked_about_what_no_rule_takes_for_a_catalogue(bench: Bench):
    document = pymupdf.open()
    document.new_page().insert_text((72, 72), "A report about otters in the upper valley of the river.")
    document.save(bench.pdf)
    await bench.run(products="auto")
    assert bench.asked("index_scan") == []
