"""What a foreign worker sends, and what the gateway has stored of it."""

from __future__ import annotations

from typing import Any

import msgspec

from shared import frontmatter
from shared.document import Document
from shared.job import Job
from tests.support.gateway import World

TWO_PAGES = "--- Seite 1 ---\nFirst page.\n\n--- Seite 2 ---\nSecond page.\n"


async def started(gateway: World) -> tuple[str, dict[str, Any]]:
    accepted = await gateway.upload()
    return accepted["jobId"], await gateway.claim(accepted["jobId"])


async def final(gateway: World, job_id: str, ticket: dict[str, Any], **data: Any) -> dict[str, Any]:
    body = {"phase": "completed", "message": "done", "process": {"id": ticket["processId"]}, "data": data}
    answer = await gateway.callback(job_id, ticket["token"], body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def delivered(gateway: World, **data: Any) -> tuple[Job, Document]:
    job_id, ticket = await started(gateway)
    assert (await final(gateway, job_id, ticket, **data))["applied"] is True
    return await stored(gateway, job_id)


async def stored(gateway: World, job_id: str) -> tuple[Job, Document]:
    job = await gateway.job(job_id)
    document = await gateway.gateway.documents.get(job.document_id)
    assert document is not None
    return job, document


async def transcript(gateway: World, document: Document) -> tuple[dict[str, Any], str]:
    return frontmatter.parse((await gateway.storage.read(document.artefacts["transcript"].key)).decode())


async def rows(gateway: World, document: Document, role: str) -> list[dict[str, Any]]:
    content = await gateway.storage.read(document.artefacts[role].key)
    return [msgspec.json.decode(line) for line in content.splitlines()]


def warned(job: Job) -> list[str]:
    return [str(warning["code"]) for warning in job.warnings]
