"""Conformance table `chapters`: a real ingestion of a twin whose pages have one distinct text each."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingestor.chapters import evidence_found, plan_chapters
from services.ingestor.ingestion import Ingestion
from services.ingestor.settings import IngestorSettings
from shared import frontmatter
from shared.anchors import anchor, page_count, split_pages
from shared.job import Artefact, Parameters, StepName
from shared.phase import Report
from shared.testing.memory import MemoryStorage
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors, WordTokenizer
from shared.ticket import Ticket
from tests.conformance.table import agree, known, rows, rule_of
from tests.support.records import make_document
from tests.unit.transformer.test_stages_of_the_phase import Told


def text_of(page: int) -> str:
    return " ".join(f"word{page}x{n}" for n in range(30))


def body_of(pages: list[int]) -> str:
    if not pages:
        return text_of(1)
    return "\n".join(f"{anchor(page)}\n{text_of(page)}" for page in pages)


async def assemble(given: dict[str, Any]) -> dict[str, Any]:
    """The chapters' plan, and what a real ingestion has stored of it."""
    known(given, "chapters", "frontmatter_pages", "anchor_pages")
    body = body_of(given["anchor_pages"])
    meta = {"title": "T", "pages": given["frontmatter_pages"], "chapters": given["chapters"]}
    pages = split_pages(body)[1]
    most = page_count(body, given["frontmatter_pages"])
    plan = plan_chapters(meta, pages, most)
    vectors, counts = await ingested(meta, body)
    stored = [row for row in vectors if row.kind == "chunk"]
    for page in pages:  # nothing of the text is lost, whatever the chapters say
        assert any(f"word{page.number}x0" in row.text for row in stored)
    summarised = [row.chapter for row in vectors if row.kind == "summary"]
    return {
        "maxAvailablePage": plan.max_page,
        "chapters": [
            {
                "title": chapter.title,
                "startPage": chapter.start_page,
                "endPage": chapter.end_page,
                "text_pages": chapter.text_pages,
                "logs": [n.phase for n in plan.notes if n.chapter == chapter.title],
                "summary_vector": " / ".join(chapter.path) in summarised,
            }
            for chapter in plan.chapters
        ],
        "orphan_pages": plan.orphan_pages,
        "fulltext_fallback": plan.fulltext,
        "chaptersCount": counts["chaptersCount"],
        "chunkCount": counts["chunkCount"],
    }


async def ingested(meta: dict[str, Any], body: str) -> tuple[list[Any], dict[str, Any]]:
    """Every row of the index, and the facts that the phase reports."""
    storage, vectors = MemoryStorage(), MemoryVectors()
    written = await storage.write("lib/doc/a.md", frontmatter.render(meta, body).encode())
    artefact = Artefact(key=written.key, sha256=written.sha256, size=written.size)
    document = make_document(artefacts={"transcript": artefact}, pages=1)
    ticket = Ticket(
        token="",
        job_id="j",
        process_id="p",
        attempt=1,
        step=StepName.INGEST,
        heartbeat_seconds=1,
        deadline_seconds=1,
        document=document,
        parameters=Parameters(),
        output_prefix="lib/doc/runs/p/i-1",
    )
    phase = Ingestion(storage, vectors, HashEmbedder(), WordTokenizer(), IngestorSettings())
    outcome = await phase.work(ticket, Report(Told(), ticket))
    return list(vectors.rows.values()), outcome.facts


def evidence(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "startEvidence", "page_text")
    chapter = {"title": "A", "startPage": 1, "endPage": 1, "startEvidence": given["startEvidence"]}
    body = f"{anchor(1)}\n{given['page_text']}"
    plan = plan_chapters({"chapters": [chapter]}, split_pages(body)[1], 1)
    assert plan.chapters[0].evidence_found == evidence_found(given["startEvidence"], given["page_text"])
    return {"found": plan.chapters[0].evidence_found, "chapter_is_kept": len(plan.chapters) == 1}


async def check(row: dict[str, Any]) -> None:
    """One row."""
    rule = rule_of(row, {"normalise_and_assemble": assemble, "evidence_is_only_a_log": evidence})
    found = rule(row["in"])
    seen = found if isinstance(found, dict) else await found
    want = dict(row["want"])
    if "chunkCount_at_least" in want:
        assert seen["chunkCount"] >= want.pop("chunkCount_at_least")
    agree(seen, want)


@pytest.mark.parametrize("row", rows("chapters"))
async def test_chapters(row: dict[str, Any]):
    await check(row)
