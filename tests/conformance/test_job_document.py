"""Conformance table `job_document`: what a real run through all three phases writes, and where."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from shared import log_phases, route, twin
from shared.job import Job, Payload, StepName
from tests.conformance.jobs import Happenings, WatchedStorage
from tests.conformance.table import agree, known, one_of, rows, rule_of
from tests.contract.conftest import Stores
from tests.support.gateway import World, world
from tests.support.pdfs import long_pdf
from tests.support.phases import Route


class Bench:
    """The world with the three real phases, and a PDF for them."""

    def __init__(self, gateway: World, pdf: bytes) -> None:
        self.world, self.pdf, self.route = gateway, pdf, Route(gateway)

    async def process(self, until: StepName | None = None, **form: str) -> Job:
        """A fresh document's job, as far as `until`."""
        job_id = (await self.world.upload(self.pdf, **form))["jobId"]
        await self.route.run(until)
        return await self.world.job(job_id)

    async def again(self, job: Job, start: str, policies: dict[str, str], until: StepName | None = None) -> Job:
        """The same job in a new run."""
        body = {"from": start, "policies": policies}
        assert (await self.world.http.post(f"/api/jobs/{job.job_id}/requeue", json=body)).status_code == 202
        await self.world.settle()
        await self.route.run(until)
        return await self.world.job(job.job_id)


@pytest.fixture
async def bench(stores: Stores, tmp_path: Path) -> AsyncIterator[Bench]:
    storage = WatchedStorage(Happenings())
    async with world(jobs=stores.jobs, documents=stores.documents, storage=storage) as gateway:
        yield Bench(gateway, long_pdf(tmp_path / "a.pdf", 1).read_bytes())


async def log_phase_owner(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "log_phase")
    return {"belongs_to": log_phases.belongs_to(given["log_phase"])}


async def progress_marks(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given)
    job = await bench.process(until=StepName.TRANSFORM)
    marks: dict[str, list[int]] = {}
    for entry in job.logs:
        if "progress" in entry:
            marks.setdefault(entry["phase"], []).append(entry["progress"])
    return marks


async def created_job(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "do")
    one_of(["create"], given["do"])
    job = await bench.process(until=StepName.EXTRACT)
    token = (await bench.world.claim(job.job_id))["token"]
    claimed = await bench.world.job(job.job_id)
    assert claimed.job_secret_hash
    return {
        "steps": {str(step.name): str(step.status) for step in job.steps},
        "worker": job.worker,
        "operation": job.operation,
        "job_type": job.job_type,
        "status_in": str(job.status),
        "logs_in_order": [entry["phase"] for entry in job.logs],
        "secret_plain_stored": token in msgspec.json.encode(claimed).decode(),
    }


async def counters_never_go_back(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "doc_meta", "then")
    one_of(["template rerun upserts provisional doc meta"], given["then"])
    job = await bench.process()
    row = await bench.world.vectors.get_doc(job.document_id)
    document = await bench.world.documents.get(job.document_id)
    assert row is not None
    assert document is not None
    meta = given["doc_meta"]
    row.extra.update(meta)
    await bench.world.vectors.put_doc(row, insert_only=False)
    counted = replace(document, chunk_count=meta["chunkCount"], chapters_count=meta["chaptersCount"])
    assert await bench.world.documents.put(counted)
    again = await bench.again(job, "template", {"metadata": "force"}, until=StepName.INGEST)
    assert "doc_meta_upsert" in [entry["phase"] for entry in again.logs[len(job.logs) :]]
    after = await bench.world.vectors.get_doc(job.document_id)
    record = await bench.world.documents.get(job.document_id)
    assert after is not None
    assert record is not None
    counters = {"chunkCount": record.chunk_count, "chaptersCount": record.chapters_count}
    return {name: min(value, after.extra[name]) for name, value in counters.items()}


async def reads_storage_only(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "twin_in_storage", "inline_text_in_callback")
    job = await bench.process(until=StepName.TRANSFORM)
    document = await bench.world.documents.get(job.document_id)
    assert document is not None
    texts = {"twin_in_storage": given["twin_in_storage"], "inline": given["inline_text_in_callback"]}
    content = f"--- Seite 1 ---\n{texts['twin_in_storage']}\n".encode()
    stored = await bench.world.storage.write(document.artefacts["transcript"].key, content)
    kept = replace(document, artefacts={**document.artefacts, "transcript": stored})
    assert await bench.world.documents.put(kept)
    assert await bench.world.jobs.swap(job, replace(job, payload=Payload(extracted_text=texts["inline"])))
    await bench.route.run()
    done = await bench.world.job(job.job_id)
    assert done.payload == Payload(extracted_text=texts["inline"])
    chunks = [row.text for row in bench.world.vectors.rows.values() if row.kind == "chunk"]
    found = [text for text in texts.values() if any(text in chunk for chunk in chunks)]
    return {"chunks_from": found[0] if len(found) == 1 else found}


async def phase_order(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "store_shadow_twin")
    one_of(["write fails"], given["store_shadow_twin"])
    storage = bench.world.storage
    assert isinstance(storage, WatchedStorage)
    storage.broken = ".md"
    job = await bench.process()
    started = job.step(StepName.TRANSFORM).started_at is not None
    return {
        "transform_template_started": started or route.PDF_EXTRACTED in bench.world.bus.subjects(),
        "status": str(job.status),
    }


async def canonical_file_id(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "correlation.source.itemId", "shadow_twin_id")
    job = await bench.process(itemId=given["correlation.source.itemId"])
    assert job.result is not None
    assert job.result.saved_item_id.startswith(twin.folder(job.library_id, job.document_id))
    rows = list(bench.world.vectors.rows.values())
    assert {row.kind for row in rows} >= {"doc", "chunk"}
    found = sorted({row.file_id for row in rows})
    return {"vector_fileId": found[0] if len(found) == 1 else found}


async def meta_history(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "events")
    assert given["events"] == ["template_pick", "template_transform"], "no run of ours has other events"
    job = await bench.process(until=StepName.INGEST)
    last = job.meta_history[-1].meta
    return {
        "metaHistory_sources": [entry.source for entry in job.meta_history],
        "cumulativeMeta_equals": "last entry" if job.cumulative_meta == last else job.cumulative_meta,
    }


async def all_skipped(bench: Bench, given: dict[str, Any]) -> dict[str, Any]:
    known(given, "gates", "policies")
    assert given["gates"] == {"extract": True, "template": True, "ingest": True}
    first = await bench.process()
    calls = sum(phase.works for phase in bench.route.phases.values())
    words = given["policies"].split(",")
    again = await bench.again(first, "extract", dict(zip(("extract", "metadata", "ingest"), words, strict=True)))
    seen = {(str(step.status), step.skipped) for step in again.steps}
    status, skipped = seen.pop() if len(seen) == 1 else (seen, seen)
    return {
        "status": str(again.status),
        "steps_all": {"status": status, "skipped": skipped},
        "work_calls": sum(phase.works for phase in bench.route.phases.values()) - calls,
    }


RULES: dict[str, Callable[[Bench, dict[str, Any]], Awaitable[dict[str, Any]]]] = {
    "log_phase_owner": log_phase_owner,
    "progress_marks": progress_marks,
    "created_job": created_job,
    "counters_never_go_back": counters_never_go_back,
    "ingestion_reads_storage_only": reads_storage_only,
    "phase_order": phase_order,
    "canonical_file_id": canonical_file_id,
    "meta_history": meta_history,
    "all_skipped_completes": all_skipped,
}


@pytest.mark.parametrize("row", rows("job_document"))
async def test_job_document(row: dict[str, Any], bench: Bench):
    agree(await rule_of(row, RULES)(bench, row["in"]), row["want"])


async def test_every_log_phase_of_a_run_is_in_the_reference(bench: Bench):
    job = await bench.process()
    assert {entry["phase"] for entry in job.logs} <= set(log_phases.LOG_PHASES)
