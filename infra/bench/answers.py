"""`bench answers`: what the embedded defaults find in a catalogue, held against its truth through the API.

The truth is a JSON object: `products` [{name, pages, variants: [{sku}]}], `entities` [{name, page}], `images` (see
infra/bench/pictures.py) and `qa` [{q, pages}]; a question without pages has no answer.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from infra.bench.pictures import measure
from infra.stack import Stack

TOP = 5
MOST_SECONDS = 600.0


def run(pdf: Path, truth: dict[str, Any]) -> dict[str, Any]:
    """Everything that was counted, over a stack of its own without any account."""
    with (
        tempfile.TemporaryDirectory(prefix="shadowtwin-bench-") as name,
        Stack(Path(name) / "data", settings={"SHADOWTWIN_ANALYZER": "offline"}) as stack,
    ):
        return asyncio.run(_measured(stack, pdf, truth))


async def _measured(stack: Stack, pdf: Path, truth: dict[str, Any]) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http:
        document_id, job = await _processed(http, pdf)
        if job["status"] != "completed":
            return {"status": job["status"], "error": job["error"]}
        products = (await http.get(f"/api/documents/{document_id}/products")).json()["products"]
        entities = (await http.get(f"/api/documents/{document_id}/entities")).json()["entities"]
        return {
            "status": job["status"],
            "products": _products(products, truth["products"], job["counts"]["pages"]),
            "entities": _entities(entities, truth["entities"]),
            "questions": await _questions(http, document_id, truth["qa"]),
            "pictures": await measure(http, document_id, truth["images"]),
        }


async def _processed(http: httpx.AsyncClient, pdf: Path) -> tuple[str, dict[str, Any]]:
    end = time.monotonic() + MOST_SECONDS
    while (await http.get("/ready")).status_code != 200:
        await asyncio.sleep(0.1)
    files = {"file": (pdf.name, await asyncio.to_thread(pdf.read_bytes))}
    data = {"parameters": json.dumps({"products": True})}
    accepted = (await http.post("/api/jobs", files=files, data=data)).raise_for_status().json()
    while True:
        job: dict[str, Any] = (await http.get(f"/api/jobs/{accepted['jobId']}")).json()
        if job["status"] in ("completed", "failed") or time.monotonic() > end:
            return accepted["documentId"], job
        await asyncio.sleep(0.1)


def _products(found: list[dict[str, Any]], wanted: list[dict[str, Any]], pages: int) -> dict[str, Any]:
    by_name = {row["name"].casefold(): row for row in found}
    same = [(row, by_name[row["name"].casefold()]) for row in wanted if row["name"].casefold() in by_name]
    skus = {variant["sku"] for row in found for variant in row["variants"]}
    articles = [variant["sku"] for row in wanted for variant in row["variants"]]
    return {
        "wanted": len(wanted),
        "listed": len(found),
        "found": len(same),
        "pagesExact": sum(theirs["pages"] == ours["pages"] for theirs, ours in same),
        "skus": len(articles),
        "skusFound": sum(sku in skus for sku in articles),
        "pagesThatDoNotExist": sum(not 1 <= page <= pages for row in found for page in row["pages"]),
    }


def _entities(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> dict[str, int]:
    there = {(row["name"].casefold(), row["page"]) for row in found}
    return {"wanted": len(wanted), "found": sum((row["name"].casefold(), row["page"]) in there for row in wanted)}


async def _questions(http: httpx.AsyncClient, document_id: str, asked: list[dict[str, Any]]) -> dict[str, Any]:
    """How often a page that answers is cited first, among the first TOP hits, and by a confident first hit."""
    first = among = confident = 0
    missed: list[str] = []
    without: list[dict[str, Any]] = []
    for entry in asked:
        body = {"query": entry["q"], "documentId": document_id, "top": TOP}
        hits = (await http.post("/api/search", json=body)).raise_for_status().json()["hits"]
        right = [bool(set(hit["pages"]) & set(entry["pages"])) for hit in hits]
        if not entry["pages"]:
            without.append({"q": entry["q"], "confidence": max((hit["confidence"] for hit in hits), default=0.0)})
            without[-1]["confident"] = any(hit["confident"] for hit in hits)
            continue
        first += right[:1] == [True]
        among += any(right)
        confident += bool(hits) and hits[0]["confident"]
        if not any(right):
            missed.append(entry["q"])
    asked_with = sum(bool(entry["pages"]) for entry in asked)
    return {
        "asked": asked_with, "first": first, "among": among, "firstConfident": confident, "missed": missed,
        "withoutAnswer": without,
    }  # fmt: skip


def lines(found: dict[str, Any]) -> list[str]:
    """The figures, a line for each subject."""
    if found["status"] != "completed":
        return [json.dumps(found)]
    p, e, q, i = (found[name] for name in ("products", "entities", "questions", "pictures"))
    return [
        f"products      {p['found']} of {p['wanted']} found ({p['listed']} listed), {p['pagesExact']} with exact "
        f"pages, {p['skusFound']} of {p['skus']} articles, {p['pagesThatDoNotExist']} pages that do not exist",
        f"entities      {e['found']} of {e['wanted']} found",
        f"questions     {q['asked']}: right page first {q['first']}, among {TOP} {q['among']}, "
        f"first hit confident {q['firstConfident']}",
        *(f"no answer     confidence {row['confidence']}, confident {row['confident']}: {row['q']}"
          for row in q["withoutAnswer"]),
        f"links         precision {i['precision']:.3f}, recall {i['recall']:.3f} of {i['pictures']} pictures; "
        f"{len(i['stray'])} links of pictures without a product in {i['furniturePlaces']} places",
        f"captions      {i['captions']}: own picture among {TOP} {i['captionFindsItsPicture']:.3f}, "
        f"one of its product {i['captionFindsItsProduct']:.3f}",
    ]  # fmt: skip
