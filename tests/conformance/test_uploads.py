"""Conformance table `uploads`: the real routes from the upload to the deletion; the phases are the workers' own."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from shared import twin
from shared.document import Document
from shared.errors import DocumentError, ShadowtwinError, TransientError
from shared.job import StepName
from shared.phase import Report
from shared.ports import JobQuery
from shared.testing.memory import MemoryStorage
from shared.testing.memory_vectors import MemoryVectors
from shared.ticket import Ticket
from tests.conformance.table import agree, known, rows, rule_of
from tests.contract.conftest import Stores
from tests.support.gateway import World, world
from tests.support.pdfs import long_pdf
from tests.support.phases import Counted, Route, real_phases

Start = Callable[..., contextlib.AbstractAsyncContextManager[World]]

CAUSES: dict[str, ShadowtwinError | None] = {
    "OCR 503": TransientError("unavailable", "The OCR service answered 503."),
    "OCR text empty": DocumentError("empty_text"),
    "cancelled": None,
}
"""What ends a row's run: the phase raises it, or somebody cancels the job."""

FORCED = '{"policies": {"extract": "force", "metadata": "force", "ingest": "force"}}'


class Failing:
    """The extract phase, which ends with that error."""

    step = StepName.EXTRACT

    def __init__(self, real: Counted, error: ShadowtwinError) -> None:
        self.gate, self._error = real.gate, error

    async def work(self, ticket: Ticket, report: Report) -> Any:
        raise self._error


async def post(gateway: World, content: bytes | None, name: str = "a.pdf", **form: str) -> Any:
    files = {} if content is None else {"file": (name, content, "application/pdf")}
    answer = await gateway.http.post("/api/jobs", files=files, data={"libraryId": "lib", **form})
    await gateway.settle()
    return answer


async def document_of(gateway: World, identity: str) -> Document | None:
    found = await gateway.documents.get(identity)
    return found or await gateway.documents.by_hash("lib", identity)


async def jobs_of(gateway: World, document_id: str) -> list[str]:
    return [job.job_id for job in (await gateway.jobs.find(JobQuery(document_id=document_id))).jobs]


async def with_history(gateway: World, content: bytes, status: str | None) -> None:
    """The document of these bytes as an earlier run has left it."""
    if status is None:
        return
    accepted = (await post(gateway, content)).json()
    if status == "processed":
        await Route(gateway).run()
    elif status == "error":
        await gateway.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
        await gateway.settle()
    else:
        await gateway.jobs.delete([accepted["jobId"]])
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    assert document.status == status, "the row's history could not be made"


async def ingest(start: Start, given: dict[str, Any], pdf: bytes) -> dict[str, Any]:
    known(given, "bytes", "file", "existing_status", "name")
    assert given.get("file", "missing") in (None, "missing")
    content = None if "file" in given else pdf if given["bytes"] else b""
    async with start() as gateway:
        await with_history(gateway, pdf, given.get("existing_status"))
        answer = await post(gateway, content, given.get("name", "a.pdf"))
        body = answer.json()
        if answer.status_code >= 400:
            return {"http": answer.status_code}
        document = await gateway.documents.get(body["documentId"])
        open_jobs = [await gateway.job(job_id) for job_id in await jobs_of(gateway, body["documentId"])]
    assert document is not None
    return {
        "http": answer.status_code,
        "status": body["status"],
        "job_id": "uuid" if body["jobId"] and uuid.UUID(body["jobId"]) else None,
        "new_job": any(job.open for job in open_jobs),
        "document_status": document.status,
        "stored_name": body["contentName"].replace(document.sha256, "<sha256>"),
        "display_name_has_no_path": not set("/\\") & set(document.name) and not document.name.startswith("."),
    }


async def left_of(gateway: World, document: Document) -> dict[str, list[str]]:
    """What there is of a document, under the names of the source's tables."""
    home = twin.folder(document.library_id, document.document_id)
    files = [key async for key in gateway.storage.keys(home)]
    jobs = await jobs_of(gateway, document.document_id)
    vectors = [row.row_id for row in gateway.vectors.rows.values() if row.document_id == document.document_id]
    logs = [str(entry["seq"]) for job_id in jobs for entry in await gateway.jobs.logs(job_id)]
    record = await gateway.documents.get(document.document_id)
    return {
        "performance_metrics": logs,
        "embeddings": vectors,
        "chunks": [key for key in files if key.endswith("chunks.jsonl")],
        "extractions": [key for key in files if key.endswith(".md")],
        "jobs": jobs,
        "documents": [] if record is None else [record.document_id, str(record.status), str(record.artefacts)],
        "files": files,
    }


CASCADE = ("performance_metrics", "embeddings", "chunks", "extractions", "jobs")


async def delete_document(start: Start, given: dict[str, Any], pdf: bytes) -> dict[str, Any]:
    known(given, "jobs_of_document")
    wanted: list[str] = given["jobs_of_document"]
    assert set(wanted) <= {"queued", "running", "done"}
    async with start() as gateway:
        await with_history(gateway, pdf, "processed")
        found, _ = await gateway.documents.find("lib", None, 5)
        document = found[0]
        done = await jobs_of(gateway, document.document_id)
        if set(wanted) - {"done"}:
            again = (await gateway.http.post(f"/api/ingest/{document.sha256}/retry?library=lib")).json()
            await gateway.settle()
            if "running" in wanted:
                await gateway.claim(again["jobId"])
        if "done" not in wanted:
            await gateway.jobs.delete(done)
        before = await left_of(gateway, document)
        assert all(before[kind] for kind in ("embeddings", "chunks", "extractions", "files"))
        answer = await gateway.http.delete(f"/api/documents/{document.sha256}?library=lib")
        after = await left_of(gateway, document)
    return {
        "http": answer.status_code,
        "nothing_deleted": after == before,
        "rows_left": sum(map(len, after.values())),
        "cascades": [kind for kind in CASCADE if not after[kind]],
    }


async def delete_unknown(start: Start, given: dict[str, Any], pdf: bytes) -> dict[str, Any]:
    known(given, "hash")
    async with start() as gateway:
        return {"http": (await gateway.http.delete(f"/api/documents/{given['hash']}")).status_code}


async def retry(start: Start, given: dict[str, Any], pdf: bytes) -> dict[str, Any]:
    known(given, "document", "binary")
    async with start() as gateway:
        sha256 = "0" * 64
        if given["document"]:
            await with_history(gateway, pdf, "error")
            found, _ = await gateway.documents.find("lib", None, 5)
            sha256 = found[0].sha256
            if not given["binary"]:
                await gateway.storage.delete(found[0].artefacts["source"].key)
        answer = await gateway.http.post(f"/api/ingest/{sha256}/retry?library=lib")
    body = answer.json()
    return {"http": answer.status_code, "status": body.get("status"), "retry": body.get("retry")}


async def worker_failure(start: Start, given: dict[str, Any], pdf: bytes) -> dict[str, Any]:
    known(given, "cause", "earlier_success")
    assert given["cause"] in CAUSES
    error = CAUSES[given["cause"]]
    async with start(max_attempts=1) as gateway:
        await with_history(gateway, pdf, "processed" if given["earlier_success"] else None)
        found, _ = await gateway.documents.find("lib", None, 5)
        before = await left_of(gateway, found[0])
        job_id = (await post(gateway, pdf, parameters=FORCED)).json()["jobId"]
        phases: dict[StepName, Any] = dict(real_phases(gateway))
        if error is None:
            await gateway.claim(job_id)
            await gateway.http.post(f"/api/jobs/{job_id}/cancel")
            await gateway.settle()
        else:
            phases[StepName.EXTRACT] = Failing(phases[StepName.EXTRACT], error)
            route = Route(gateway, phases)
            await route.run()
        document = await gateway.documents.get(found[0].document_id)
        status = (await gateway.http.get(f"/api/status/{job_id}")).json()["status"]
        job, after = await gateway.job(job_id), await left_of(gateway, found[0])
    assert document is not None
    assert job.error is not None
    kept = all(after[kind] == before[kind] for kind in ("embeddings", "chunks", "extractions"))
    word = {"failed": "error"}[str(job.status)]
    return {
        "document_status": document.status,
        "job_status": status,
        "job_status_starts_with": status,
        "job_error_starts_with": f"{word}: {job.error.code}",
        "chunks_of_earlier_success_kept": kept and document.generation == found[0].generation,
    }


async def restart(start: Start, given: dict[str, Any], pdf: bytes) -> dict[str, Any]:
    known(given, "queued", "running", "then")
    assert given["then"] == "backend restart"
    parts: dict[str, Any] = {"storage": MemoryStorage(), "vectors": MemoryVectors()}
    async with start(**parts) as gateway:
        made = [
            (await post(gateway, pdf + b"\n%" + bytes([65 + n]))).json()["jobId"]
            for n in range(given["queued"] + given["running"])
        ]
        for job_id in made[: given["running"]]:
            await gateway.claim(job_id, owner="a worker that is gone as well")
    async with start(**parts, lease_seconds=0.001, outbox_seconds=0) as gateway:
        for _ in range(1000):
            await gateway.sweep()
            if not [job_id for job_id in made if (await gateway.job(job_id)).lease]:
                break
        await Route(gateway).run()
        ends = {(await gateway.http.get(f"/api/status/{job_id}")).json().get("status") for job_id in made}
        lost = [job_id for job_id in made if await gateway.jobs.get(job_id) is None]
    return {"lost_jobs": len(lost), "each_ends_in": ends.pop() if len(ends) == 1 else sorted(map(str, ends))}


RULES: dict[str, Callable[[Start, dict[str, Any], bytes], Awaitable[dict[str, Any]]]] = {
    "ingest": ingest,
    "delete_document": delete_document,
    "delete_unknown": delete_unknown,
    "retry": retry,
    "worker_failure": worker_failure,
    "restart": restart,
}


def starting(stores: Stores) -> Start:
    @contextlib.asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[World]:
        async with world(jobs=stores.jobs, documents=stores.documents, **settings) as gateway:
            yield gateway

    return start


async def check(row: dict[str, Any], stores: Stores, folder: Path) -> None:
    """One row against a fresh world on these stores."""
    pdf = long_pdf(folder / "a.pdf", 1).read_bytes()
    agree(await rule_of(row, RULES)(starting(stores), row["in"], pdf), row["want"])


@pytest.mark.parametrize("row", rows("uploads"))
async def test_uploads(row: dict[str, Any], stores: Stores, tmp_path: Path):
    await check(row, stores, tmp_path)
