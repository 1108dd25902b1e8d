"""Batches, bulk requeues, retries, live events, and the broker's rebuilding."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from shared.document import DocumentStatus
from tests.support.gateway import PDF, World, world


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


async def stored(gateway: World, number: int) -> str:
    """A document whose job has ended."""
    accepted = await gateway.upload(PDF + str(number).encode())
    await gateway.http.post(f"/api/jobs/{accepted['jobId']}/cancel")
    await gateway.settle()
    return str(accepted["documentId"])


async def batch(gateway: World, **body: Any) -> Any:
    answer = await gateway.http.post("/api/batches", json=body)
    await gateway.settle()
    return answer


async def test_a_batch_makes_a_job_for_each_document_and_counts_them(gateway: World):
    ids = [await stored(gateway, number) for number in range(3)]
    made = (await batch(gateway, documentIds=[*ids, "doc-unknown"], name="again")).json()
    assert [row["status"] for row in made["documents"]] == ["queued"] * 3 + ["refused"]
    counts = (await gateway.http.get(f"/api/batches/{made['batchId']}")).json()
    assert (counts["counts"], counts["total"], counts["finished"]) == ({"queued": 3}, 3, False)
    job = await gateway.job(made["documents"][0]["jobId"])
    assert job.correlation.batch_name == "again"


async def test_force_parameters_name_all_or_single_documents(gateway: World):
    ids = [await stored(gateway, number) for number in range(2)]
    made = (await batch(gateway, documentIds=ids, force_reprocess_ocr=[ids[0]], force_reprocess_metadata=True)).json()
    policies = [(await gateway.job(row["jobId"])).parameters.policies for row in made["documents"]]
    assert [(p.extract, p.metadata, p.ingest) for p in policies] == [("force", "force", "do"), ("do", "force", "do")]


@pytest.mark.parametrize(
    "body",
    [
        {"documentIds": []},
        {"documentIds": ["a"], "force_reprocess_ocr": "yes"},
        {"documentIds": ["a"], "run_refinement": True},
        {"documentIds": ["a"], "colour": 1},
        {},
    ],
)
async def test_a_wrong_batch_is_a_400(gateway: World, body: dict[str, Any]):
    assert (await batch(gateway, **body)).status_code == 400


async def test_an_unknown_batch_is_404(gateway: World):
    assert (await gateway.http.get("/api/batches/none")).status_code == 404


async def test_a_bulk_requeue_takes_what_the_filter_finds_and_a_dry_run_changes_nothing(gateway: World):
    for number in range(3):
        await stored(gateway, number)
    dry = await gateway.http.post("/api/jobs/requeue", json={"errorCode": "cancelled", "dryRun": True})
    assert (dry.status_code, dry.json()["found"], dry.json()["done"]) == (200, 3, 0)
    assert (await gateway.http.get("/api/jobs", params={"status": "queued"})).json()["jobs"] == []
    none = await gateway.http.post("/api/jobs/requeue", json={"errorCode": "pdf_corrupt", "dryRun": True})
    assert none.json()["found"] == 0
    handle = (await gateway.http.post("/api/jobs/requeue", json={})).json()["handle"]
    state: dict[str, Any] = {}
    while not state.get("finished"):
        await gateway.settle()
        state = (await gateway.http.get(f"/api/jobs/requeue/{handle}")).json()
    assert (state["found"], state["done"], state["refused"]) == (3, 3, {})
    assert len((await gateway.http.get("/api/jobs", params={"status": "queued"})).json()["jobs"]) == 3


async def test_a_retry_by_hash_queues_the_stored_file(gateway: World):
    document_id = await stored(gateway, 1)
    document = (await gateway.http.get(f"/api/documents/{document_id}")).json()
    answer = await gateway.http.post(f"/api/ingest/{document['sha256']}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["retry"]) == (202, "queued", True)
    await gateway.storage.delete(document["artefacts"]["source"]["key"])
    assert (await gateway.http.post(f"/api/ingest/{document['sha256']}/retry")).status_code == 404
    assert (await gateway.http.post("/api/ingest/" + "0" * 64 + "/retry")).status_code == 404


async def test_a_finished_document_is_queued_again_by_a_retry(gateway: World):
    document_id = await stored(gateway, 1)
    record = await gateway.gateway.documents.get(document_id)
    assert record is not None
    await gateway.gateway.documents.put(replace(record, status=DocumentStatus.PROCESSED, chunk_count=3))
    assert (await gateway.http.post(f"/api/ingest/{record.sha256}/retry")).json()["status"] == "queued"


async def test_live_events_go_on_behind_the_last_id_and_end_with_the_job(gateway: World):
    job_id = (await gateway.upload())["jobId"]
    await gateway.http.post(f"/api/jobs/{job_id}/cancel")
    text = (await gateway.http.get(f"/api/jobs/{job_id}/events", headers={"Last-Event-ID": "2"})).text
    events = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    assert [event.get("id") for event in events] == ["3", "4", None]
    assert json.loads(events[1]["data"])["phase"] == "failed"
    assert (events[-1]["event"], json.loads(events[-1]["data"])) == ("end", {"status": "failed"})
    whole = (await gateway.http.get(f"/api/jobs/{job_id}/events")).text
    for odd in ("\xb2", "9" * 5000, "9" * 30, "-1"):
        given = {b"Last-Event-ID": odd.encode("latin-1")}
        answer = await gateway.http.get(f"/api/jobs/{job_id}/events", headers=given)
        assert (answer.status_code, answer.text) == (200, whole)


async def test_rebuilding_the_broker_tells_every_waiting_event_again(gateway: World):
    job_id = (await gateway.upload())["jobId"]
    gateway.bus.told.clear()
    assert (await gateway.http.post("/api/system/rebuild-broker")).json() == {"told": 1}
    await gateway.settle()
    assert [event.job_id for _, event, _ in gateway.bus.told] == [job_id]


async def test_the_log_can_be_filtered_by_phase_and_run(gateway: World):
    job_id = (await gateway.upload())["jobId"]
    job = await gateway.job(job_id)
    found = (await gateway.http.get(f"/api/jobs/{job_id}/logs", params={"phase": "request_ack"})).json()["logs"]
    assert [entry["status"] for entry in found] == [202]
    params = {"run": job.process_id}
    assert len((await gateway.http.get(f"/api/jobs/{job_id}/logs", params=params)).json()["logs"]) == 3
    assert (await gateway.http.get(f"/api/jobs/{job_id}/logs", params={"run": "x"})).json()["logs"] == []
