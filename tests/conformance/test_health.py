"""Conformance table `health`: the pure rules asked directly, everything else through the routes of a real gateway.

A row's object keys are names in the document's folder; `uploaded` is our `pending`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.extractor.assembly import picture_name
from services.gateway.health import rules
from shared import object_keys, twin
from shared.document import Document, DocumentStatus
from shared.job import Artefact
from shared.ports import VectorRow
from tests.conformance.table import agree, known, one_of, rows, rule_of
from tests.support.gateway import PDF, World, world

STATUSES = {
    "failed": DocumentStatus.ERROR,
    "uploaded": DocumentStatus.PENDING,
    "processed": DocumentStatus.PROCESSED,
}
FLAGS = {"--fix": "fix", "--mark-deleted": "markDeleted"}
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def document(number: int = 0, library: str = "lib", key: str = "source.pdf", **fields: Any) -> Document:
    """A record whose file may or may not be stored."""
    document_id = fields.pop("document_id", f"doc-{number:024x}")
    source = Artefact(
        key=f"{twin.folder(library, document_id)}/{key}", sha256=hashlib.sha256(PDF).hexdigest(), size=len(PDF)
    )
    at = CREATED - timedelta(minutes=number)
    given: dict[str, Any] = {
        "document_id": document_id, "library_id": library, "item_id": document_id, "sha256": source.sha256,
        "name": "a.pdf", "size": source.size, "created_at": at, "updated_at": at, "artefacts": {"source": source},
    }  # fmt: skip
    return Document(**(given | fields))


def chunk(of: Document, number: int) -> VectorRow:
    return VectorRow(
        row_id=f"c{number}", kind="chunk", library_id=of.library_id, document_id=of.document_id, file_id=of.item_id,
        generation=of.generation, vector=[1.0] + [0.0] * 15,
    )  # fmt: skip


async def state(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "object_in_store", "chunk_count", "ocr_image_chunks", "image_chunks_without_key")
    judged = rules.judge(rules.Facts(**given))
    return {"state": judged.state, "action": judged.action}


async def variants(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "object_key")
    found = object_keys.key_variants(given["object_key"])
    return {
        "candidates_include": found,
        "first": found[0],
        "slash_never_encoded": not any("%2f" in key.lower() for key in found),
    }


async def repaired(gateway: World, given: dict[str, Any], **more: bool) -> dict[str, Any]:
    flags = {FLAGS[one_of(FLAGS, flag)]: True for flag in given["flags"]}
    answer = await gateway.http.post("/api/repairs", json={"status": "any", **flags, **more})
    assert answer.status_code in (200, 202), answer.text
    body: dict[str, Any] = answer.json()
    while not body["finished"]:
        await gateway.settle()
        body = (await gateway.http.get(f"/api/repairs/{body['handle']}")).json()
    assert not body["error"]
    return body


async def fix_flag(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "stored_key", "object_in_store", "flags")
    async with world() as gateway:
        doc = document(key=given["stored_key"])
        assert await gateway.documents.put(doc)
        home = twin.folder(doc.library_id, doc.document_id)
        if given["object_in_store"]:
            await gateway.storage.write(f"{home}/{given['object_in_store']}", PDF)
        before = (await gateway.documents.get(doc.document_id), dict(gateway.storage.objects))
        await repaired(gateway, given, dryRun=True)
        unchanged = before == (await gateway.documents.get(doc.document_id), dict(gateway.storage.objects))
        await repaired(gateway, given)
        after = await gateway.documents.get(doc.document_id)
        assert after is not None
        key = after.artefacts["source"].key
        there = await gateway.storage.stat(key) is not None
        if key != doc.artefacts["source"].key:
            assert key == f"{home}/{given['object_in_store']}"
            assert after.history[-1]["action"] == "fix_key"
            result = "set_object_key"
        else:
            result = "none" if there else "no_match"
        return {"result": result, "dry_run_changes_nothing": unchanged}


async def mark_deleted(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "object_in_store", "chunk_count", "flags")
    async with world() as gateway:
        doc = document(status=DocumentStatus.ERROR, generation="g1", chunk_count=given["chunk_count"])
        assert await gateway.documents.put(doc)
        if given["object_in_store"]:
            await gateway.storage.write(doc.artefacts["source"].key, PDF)
        await gateway.vectors.write([chunk(doc, number) for number in range(given["chunk_count"])])
        await repaired(gateway, given)
        after = await gateway.documents.get(doc.document_id)
        assert after is not None
        assert await gateway.vectors.count(doc.document_id, "g1") == given["chunk_count"]
        return {"document_status": "unchanged" if after.status == doc.status else str(after.status)}


async def image_key(given: dict[str, Any]) -> dict[str, Any]:
    """The key that repairs use, which must be the one under which the extractor's pictures are published."""
    known(given, "dataset_id", "document_id", "page", "index", "ext")
    library, document_id = given["dataset_id"], given["document_id"]
    key = object_keys.image_key(library, document_id, given["page"], given["index"], given["ext"])
    name = picture_name({"image": {"name": f"{given['page']}_{given['index']}.{given['ext']}"}})
    assert key == f"{twin.folder(library, document_id)}/{name}"
    return {"key": key}


async def selection(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "options", "documents")
    known(given["options"], "status", "error_filter", "limit")
    names = {"error_filter": "errorFilter"}
    async with world() as gateway:
        for number, each in enumerate(given["documents"]):
            known(each, "id", "status", "error")
            doc = document(number, document_id=each["id"], error=each["error"], status=STATUSES[each["status"]])
            assert await gateway.documents.put(doc)
        query = {names.get(name, name): value for name, value in given["options"].items()}
        answer = await gateway.http.get("/api/diagnosis", params=query)
        assert answer.status_code == 200, answer.text
        return {"checked": [row["documentId"] for row in answer.json()["documents"]]}


async def fix_strategy(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "scenario")
    asked: dict[str, tuple[rules.Place | None, bool]] = {
        "object under another key": (rules.Place.OTHER_KEY, False),
        "no object anywhere, source gone": (None, False),
        "no object anywhere, source available": (None, True),
    }
    found, available = asked[given["scenario"]]
    return {"advice": str(rules.strategy(found, source_available=available))}


async def systematic(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "documents")
    async with world() as gateway:
        for number, each in enumerate(given["documents"]):
            known(each, "dataset", "status", "error")
            status = STATUSES[each["status"]]
            doc = document(number, library=each["dataset"], error=each["error"], status=status)
            assert await gateway.documents.put(doc)
        answer = (await gateway.http.get("/api/diagnosis")).json()
        hints = {pattern["pattern"]: pattern for pattern in answer["patterns"]}
        return {"hint_dataset": hints["one_library"]["library"], "objects_found": hints["one_library"]["objectsFound"]}


async def derived(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "new_object_key")
    return {"starts_a_job": object_keys.may_start_a_job(given["new_object_key"])}


RULES: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    "state": state,
    "object_key_variants": variants,
    "fix_flag": fix_flag,
    "mark_deleted_only_null_pointer": mark_deleted,
    "image_key": image_key,
    "selection": selection,
    "fix_strategy": fix_strategy,
    "systematic_failure_hint": systematic,
    "derived_objects_are_no_uploads": derived,
}


async def check(row: dict[str, Any]) -> None:
    """One row."""
    seen, want = await rule_of(row, RULES)(row["in"]), dict(row["want"])
    for key in want.pop("candidates_include", []):
        assert key in seen["candidates_include"], f"{key!r} is not among {seen['candidates_include']}"
    agree(seen, want)


@pytest.mark.parametrize("row", rows("health"))
async def test_health(row: dict[str, Any]):
    await check(row)
