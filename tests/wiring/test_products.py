"""Products over the whole route: discovered, kept, asked for, focused on, and listed over the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.transformer.discovery.records import PagePlan
from shared.job import Job, StepName, StepStatus
from tests.support.catalogues import Design, catalogue
from tests.support.gateway import World, world
from tests.support.pdfs import long_pdf
from tests.support.phases import Route, real_phases


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def processed(gateway: World, pdf: Path, **parameters: Any) -> tuple[dict[str, Any], Job]:
    """The document record as the API shows it, and the job."""
    form = {"parameters": json.dumps({"extractionMethod": "fast", **parameters})}
    accepted = await gateway.upload(pdf.read_bytes(), name="c.pdf", **form)
    await Route(gateway, real_phases(gateway)).run()
    job = await gateway.jobs.get(accepted["jobId"])
    assert job is not None
    return (await gateway.http.get(f"/api/documents/{accepted['documentId']}")).json(), job


async def test_a_plain_job_discovers_the_products_of_a_catalogue(gateway: World, tmp_path: Path):
    truth = catalogue(tmp_path / "c.pdf", Design())
    document, job = await processed(gateway, tmp_path / "c.pdf")
    assert job.step(StepName.DISCOVER).status == StepStatus.COMPLETED
    marks = [entry for entry in job.logs if entry["phase"] == "PRODUCTS_DETECTED"]
    assert len(marks) == 1
    assert marks[0]["products"] == len(truth.products)
    assert document["counts"]["products"] == len(truth.products)
    assert document["counts"]["variants"] == sum(len(product.articles) for product in truth.products)
    body = (await gateway.http.get(f"/api/documents/{document['documentId']}/products")).json()
    assert [(row["name"], row["pages"]) for row in body["products"]] == [(p.name, p.pages) for p in truth.products]


async def test_the_answer_of_a_run_says_what_it_gave(gateway: World, tmp_path: Path):
    truth = catalogue(tmp_path / "c.pdf", Design())
    accepted = await gateway.upload((tmp_path / "c.pdf").read_bytes())
    await Route(gateway).run()
    summary = (await gateway.http.get(f"/api/jobs/{accepted['jobId']}")).json()["summary"]
    assert summary["document_id"] == accepted["documentId"]
    assert summary["products_discovered"] == len(truth.products)
    assert summary["chunks_created"] > 0
    assert summary["images_processed"] > 0
    assert 0.5 < summary["confidence_score"] <= 1


async def test_products_and_entities_come_in_pages(gateway: World, tmp_path: Path):
    truth = catalogue(tmp_path / "c.pdf", Design())
    document, _ = await processed(gateway, tmp_path / "c.pdf")
    base = f"/api/documents/{document['documentId']}"
    names: list[str] = []
    after: int | None = 0
    while after is not None:
        page = (await gateway.http.get(f"{base}/products", params={"after": after, "limit": 4})).json()
        names, after = names + [row["name"] for row in page["products"]], page["cursor"]
    assert names == [product.name for product in truth.products]
    entities = (await gateway.http.get(f"{base}/entities")).json()["entities"]
    assert {(e["kind"], e["name"], e["page"]) for e in entities} >= truth.entities


async def test_a_report_has_none_and_says_why(gateway: World, tmp_path: Path):
    document, job = await processed(gateway, long_pdf(tmp_path / "r.pdf", 4))
    step = job.step(StepName.DISCOVER)
    assert (step.status, step.skipped, step.reason) == (StepStatus.COMPLETED, True, "no_catalogue")
    assert not any(entry["phase"] == "PRODUCTS_DETECTED" for entry in job.logs)
    assert (await gateway.http.get(f"/api/documents/{document['documentId']}/products")).json()["products"] == []


async def test_products_are_not_looked_for_when_the_job_does_not_want_them(gateway: World, tmp_path: Path):
    catalogue(tmp_path / "c.pdf", Design(products=2))
    document, job = await processed(gateway, tmp_path / "c.pdf", products=False)
    assert all(step.name != StepName.DISCOVER for step in job.steps)
    assert "products" not in document["artefacts"]


async def test_what_was_discovered_is_not_looked_for_again(gateway: World, tmp_path: Path):
    catalogue(tmp_path / "c.pdf", Design(products=2))
    first, _ = await processed(gateway, tmp_path / "c.pdf")
    again, job = await processed(gateway, tmp_path / "c.pdf", products=True, targetLanguage="en", template="document")
    assert "PRODUCTS_DETECTED" in {entry["phase"] for entry in job.logs}  # asked for otherwise, so looked for anew
    third, job = await processed(gateway, tmp_path / "c.pdf", products=True, policies={"ingest": "force"})
    assert "PRODUCTS_DETECTED" not in {entry["phase"] for entry in job.logs}
    assert first["counts"]["products"] == again["counts"]["products"] == third["counts"]["products"] == 2
    assert third["artefacts"]["products"]["sha256"] == again["artefacts"]["products"]["sha256"]


async def test_the_page_plan_is_stored_with_its_reasons(gateway: World, tmp_path: Path):
    truth = catalogue(tmp_path / "c.pdf", Design(products=3))
    document, job = await processed(gateway, tmp_path / "c.pdf", focusedExtraction=True)
    stored = await gateway.storage.read(document["artefacts"]["plan"]["key"])
    plan = msgspec.json.decode(stored, type=PagePlan)
    assert plan.focused
    assert plan.processed == sorted({page for product in truth.products for page in product.pages})
    assert job.counts["pagesSkipped"] == len(plan.skipped) == truth.pages - len(plan.processed)
    assert all(row.reason for row in plan.pages)
