"""The job document as the API shows it: every field of the source, by its name."""

from __future__ import annotations

import json

from tests.support.gateway import world

SOURCE_FIELDS = {
    "_id", "jobId", "jobSecretHash", "job_type", "operation", "worker", "status", "libraryId", "userEmail",
    "correlation", "createdAt", "updatedAt", "parameters", "steps", "logs", "processId", "metaHistory",
    "cumulativeMeta", "ingestion", "payload", "result",
}  # fmt: skip


async def test_the_document_has_every_field_of_the_source():
    async with world() as gateway:
        parameters = {"targetLanguage": "de", "includeImages": False, "policies": {"ingest": "ignore"}}
        accepted = await gateway.upload(
            libraryId="lib", itemId="UERG/L2EucGRm", parentId="folder", userEmail="a@example.org",
            batchId="b1", batchName="Batch", parameters=json.dumps(parameters),
        )  # fmt: skip
        job = (await gateway.http.get(f"/api/jobs/{accepted['jobId']}")).json()
    assert set(job) >= SOURCE_FIELDS
    assert (job["_id"], job["job_type"], job["operation"], job["worker"]) == (
        job["jobId"], "pdf", "extract", "secretary",
    )  # fmt: skip
    assert job["correlation"] == {
        "jobId": job["jobId"],
        "libraryId": "lib",
        "source": {
            "mediaType": "pdf",
            "mimeType": "application/pdf",
            "name": "a.pdf",
            "itemId": "UERG/L2EucGRm",
            "parentId": "folder",
        },
        "options": {"targetLanguage": "de", "extractionMethod": "auto", "includeImages": False, "useCache": True},
        "batchId": "b1",
        "batchName": "Batch",
    }
    assert job["parameters"]["phases"] == {"extract": True, "template": True, "ingest": True}
    assert job["parameters"]["policies"] == {"extract": "do", "metadata": "do", "ingest": "ignore"}
    assert job["parameters"]["template"] == "document"


async def test_every_change_moves_updated_at():
    async with world() as gateway:
        job_id = (await gateway.upload())["jobId"]
        created = await gateway.job(job_id)
        ticket = await gateway.claim(job_id)
        await gateway.callback(job_id, ticket["token"], {"phase": "running", "progress": 30})
        changed = await gateway.job(job_id)
    assert changed.updated_at >= created.updated_at == created.created_at
    assert changed.revision > created.revision
