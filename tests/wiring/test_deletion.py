"""Deleting a document: all of it or nothing, whoever else is at it and whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.gateway import deletion
from services.gateway.quality import quality_job
from shared import twin
from shared.document import DocumentStatus
from shared.errors import TransientError
from shared.job import Artefact, StepName
from shared.ports import JobQuery
from shared.testing.memory import MemoryStorage
from shared.testing.memory_vectors import MemoryVectors
from tests.support.gateway import SERVICE_TOKENS, World, bearer, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route

TEXT = "The keeper of the lighthouse wrote the weather down four times a day for thirty-one years."
PAPER = text_pdf(TEXT)
FORCED = '{"policies": {"extract": "force", "metadata": "force", "ingest": "force"}}'


class Killed(BaseException):
    """The process ends here."""


class Parts:
    """Stores that outlive their gateways; what `dies_at` names ends the gateway when it is called."""

    def __init__(self) -> None:
        self.dies_at = ""
        self.storage, self.vectors = MemoryStorage(), MemoryVectors()
        self.given: dict[str, Any] = {"storage": self.storage, "vectors": self.vectors}

    def watch(self, gateway: World) -> None:
        places = {
            "vectors": (gateway.vectors, "delete_document"),
            "files": (gateway.storage, "delete_prefix"),
            "record": (gateway.gateway.deletion._documents, "delete"),
            "jobs": (gateway.jobs, "delete"),
        }
        for name, (part, method) in places.items():
            setattr(part, method, self._dying(name, getattr(part, method)))

    def _dying(self, name: str, call: Any) -> Any:
        async def called(*given: Any) -> Any:
            if name == self.dies_at:
                raise Killed
            result = await call(*given)
            if f"after {name}" == self.dies_at:
                raise Killed
            return result

        return called


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def processed(gateway: World) -> dict[str, Any]:
    accepted = await gateway.upload(PAPER, name="paper.pdf")
    await Route(gateway).run()
    return accepted


async def left_of(gateway: World, document_id: str) -> list[str]:
    """Everything that names the document."""
    files = [key async for key in gateway.storage.keys(f"default/{document_id}")]
    vectors = [row.row_id for row in gateway.vectors.rows.values() if row.document_id == document_id]
    jobs = [job.job_id for job in (await gateway.jobs.find(JobQuery(document_id=document_id))).jobs]
    record = await gateway.documents.get(document_id)
    return [*files, *vectors, *jobs, *([record.document_id] if record else [])]


async def test_a_deleted_document_leaves_nothing_and_is_not_found_a_second_time(gateway: World) -> None:
    accepted = await processed(gateway)
    path = f"/api/documents/{accepted['documentId']}"
    answer = await gateway.http.delete(path)
    assert (answer.status_code, answer.json()["status"]) == (200, "deleted")
    assert await left_of(gateway, accepted["documentId"]) == []
    assert (await gateway.http.delete(path)).status_code == 404
    assert (await gateway.http.get(f"/api/jobs/{accepted['jobId']}")).status_code == 404
    again = await gateway.upload(PAPER, name="paper.pdf")
    assert (again["documentId"], again["status"]) == (accepted["documentId"], "queued")


async def test_an_open_job_keeps_its_document(gateway: World) -> None:
    accepted = await gateway.upload(PAPER)
    before = await left_of(gateway, accepted["documentId"])
    answer = await gateway.http.delete(f"/api/documents/{accepted['documentId']}")
    assert (answer.status_code, answer.json()["jobId"]) == (409, accepted["jobId"])
    assert await left_of(gateway, accepted["documentId"]) == before


async def test_an_open_quality_pass_keeps_its_document_as_it_was(gateway: World) -> None:
    accepted = await processed(gateway)
    child = quality_job(await gateway.job(accepted["jobId"]), await gateway.jobs.now())
    await gateway.jobs.create(child)
    before = await left_of(gateway, accepted["documentId"])
    answer = await gateway.http.delete(f"/api/documents/{accepted['documentId']}")
    assert (answer.status_code, answer.json()["jobId"]) == (409, child.job_id)
    assert await left_of(gateway, accepted["documentId"]) == before
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    assert document.status == DocumentStatus.PROCESSED


@pytest.mark.parametrize("work", ["upload", "again", "retry", "requeue"])
async def test_no_work_begins_while_a_document_is_being_deleted(gateway: World, work: str) -> None:
    accepted = await processed(gateway)
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    now = await gateway.jobs.now()
    held = gateway.gateway.deletion._held(deletion.deletion_job(document, now), now)
    await gateway.jobs.create(held)
    await gateway.gateway.deletion._mark(held)
    answer = {
        "upload": lambda: gateway.http.post("/api/jobs", files={"file": ("b.pdf", PAPER)}),
        "again": lambda: gateway.http.post("/api/jobs", data={"documentId": accepted["documentId"]}),
        "retry": lambda: gateway.http.post(f"/api/ingest/{accepted['sha256']}/retry"),
        "requeue": lambda: gateway.http.post(f"/api/jobs/{accepted['jobId']}/requeue"),
    }[work]()
    said = await answer
    assert said.status_code == 409, said.text
    assert said.json()["code"] in ("document_deleting", "job_open")
    assert (await gateway.http.post(f"/api/jobs/{held.job_id}/cancel")).status_code == 409
    assert (await gateway.http.get("/api/documents")).json()["documents"][0]["status"] == "deleting"


@pytest.mark.parametrize(
    "place", ["vectors", "after vectors", "files", "after files", "record", "after record", "jobs", "after jobs"]
)
async def test_a_gateway_that_dies_in_the_middle_is_followed_by_another(place: str) -> None:
    parts = Parts()
    async with world(**parts.given) as gateway:
        accepted = await processed(gateway)
        parts.dies_at = place
        parts.watch(gateway)
        with pytest.raises(Killed):
            await gateway.http.delete(f"/api/documents/{accepted['documentId']}")
        jobs, documents = gateway.jobs, gateway.gateway.documents._documents
        parts.dies_at = ""
        if place != "after jobs":
            assert await left_of(gateway, accepted["documentId"]) != []
    for name in ("delete_document", "delete_prefix"):
        for part in (parts.vectors, parts.storage):
            part.__dict__.pop(name, None)
    jobs.__dict__.pop("delete", None)
    later = jobs.clock() + deletion.LEASE + timedelta(seconds=10)
    jobs.clock = lambda: later
    async with world(jobs=jobs, documents=documents, **parts.given) as gateway:
        await gateway.sweep()
        assert await left_of(gateway, accepted["documentId"]) == []


async def test_a_store_that_is_away_ends_no_deletion(gateway: World) -> None:
    accepted = await processed(gateway)

    async def away(document_id: str) -> None:
        raise TransientError("unavailable")

    gateway.vectors.delete_document = away  # type: ignore[method-assign]
    answer = await gateway.http.delete(f"/api/documents/{accepted['documentId']}")
    assert (answer.status_code, answer.json()["status"]) == (202, "deleting")
    del gateway.vectors.__dict__["delete_document"]
    later = gateway.jobs.clock() + deletion.LEASE + timedelta(seconds=10)
    gateway.jobs.clock = lambda: later
    await gateway.sweep()
    assert await left_of(gateway, accepted["documentId"]) == []


async def test_a_worker_that_wakes_up_after_the_deletion_leaves_nothing(gateway: World) -> None:
    accepted = await processed(gateway)
    row = next(row for row in gateway.vectors.rows.values() if row.kind == "chunk")
    again = await gateway.upload(PAPER, name="paper.pdf", parameters=FORCED)
    ticket = await gateway.claim(again["jobId"])
    assert (await gateway.http.delete(f"/api/documents/{accepted['documentId']}")).status_code == 409
    await gateway.http.post(f"/api/jobs/{again['jobId']}/cancel")
    await gateway.settle()
    assert (await gateway.http.delete(f"/api/documents/{accepted['documentId']}")).status_code == 200

    await gateway.storage.write(f"{ticket['outputPrefix']}/pages.jsonl", b"late")
    await gateway.vectors.write([replace(row, generation="late")])
    beat = {"processId": ticket["processId"], "attempt": ticket["attempt"]}
    path = f"/api/internal/jobs/{again['jobId']}"
    assert (await gateway.http.post(f"{path}/heartbeat", json=beat, headers=bearer(ticket["token"]))).status_code == 401
    left = {**beat, "step": "extract_pdf", "libraryId": "default", "documentId": accepted["documentId"]}
    service = bearer(SERVICE_TOKENS["extractor"])
    assert (await gateway.http.post(f"{path}/left", json=left, headers=service)).json() == {"removed": True}
    assert await left_of(gateway, accepted["documentId"]) == []


@pytest.mark.parametrize("field", ["libraryId", "documentId", "processId"])
async def test_what_a_worker_says_it_has_left_is_no_path(gateway: World, field: str) -> None:
    kept = await gateway.storage.write("default/kept.txt", b"kept")
    left = {"step": "extract_pdf", "libraryId": "default", "documentId": "doc-1", "processId": "p", "attempt": 1}
    await gateway.http.post(
        "/api/internal/jobs/nobody/left", json={**left, field: "../.."}, headers=bearer(SERVICE_TOKENS["extractor"])
    )
    assert await gateway.storage.read(kept.key) == b"kept"


async def test_a_worker_that_dies_after_a_late_write_is_cleaned_up_after(gateway: World) -> None:
    gateway.gateway.deletion._late = (0.0,)
    accepted = await processed(gateway)
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    await gateway.gateway.deletion.delete(document)
    folder = twin.run_folder("default", document.document_id, "p", StepName.EXTRACT, 1)
    await gateway.storage.write(f"{folder}/pages.jsonl", b"late")
    for _ in range(100):
        if not await left_of(gateway, document.document_id):
            return
        await gateway.settle()
    pytest.fail("late files stay")


async def test_a_job_made_for_a_document_that_has_just_gone_is_removed_when_it_is_claimed(gateway: World) -> None:
    accepted = await gateway.upload(PAPER)
    await gateway.gateway.documents._documents.delete(accepted["documentId"])
    job = await gateway.job(accepted["jobId"])
    body = {"processId": job.process_id, "attempt": 1, "step": "extract_pdf", "owner": "w1"}
    path = f"/api/internal/jobs/{accepted['jobId']}/claim"
    answer = await gateway.http.post(path, json=body, headers=bearer(SERVICE_TOKENS["extractor"]))
    assert answer.status_code == 404
    assert await gateway.jobs.get(accepted["jobId"]) is None


async def test_an_upload_that_loses_against_a_deletion_leaves_no_file(gateway: World) -> None:
    accepted = await processed(gateway)
    document = await gateway.documents.get(accepted["documentId"])
    assert document is not None
    await gateway.storage.delete(document.artefacts["source"].key)
    keep = gateway.gateway.intake._keep

    async def overtaken(*given: Any) -> Artefact:
        kept = await keep(*given)
        marked = await gateway.documents.get(document.document_id)
        assert marked is not None
        await gateway.documents.put(replace(marked, status=DocumentStatus.DELETING))
        return kept

    gateway.gateway.intake._keep = overtaken  # type: ignore[method-assign,assignment]
    answer = await gateway.http.post("/api/jobs", files={"file": ("b.pdf", PAPER)})
    assert (answer.status_code, answer.json()["code"]) == (409, "document_deleting")
    assert await gateway.storage.stat(document.artefacts["source"].key) is None
