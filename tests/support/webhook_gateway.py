"""`python -m tests.support.webhook_gateway FOLDER LIBRARY JOBS`: a gateway over a SQLite file that others use as well.

It runs the dispatcher and the sweeper until it is ended, and meanwhile has documents fail, be requeued and fail again;
`done` on standard output says that all have. The schedule of webhooks is a short one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from services.gateway.stores.sqlite_alerts import SqliteAlerts
from services.gateway.stores.sqlite_jobs import sqlite_stores
from services.gateway.stores.sqlite_webhooks import SqliteWebhooks
from services.gateway.webhooks.schedule import Schedule
from shared.adapters.folder_storage import FolderStorage
from shared.job import StepName
from tests.support.gateway import PDF, World, world

SHORT = Schedule(
    waits=(0.05, 0.1, 0.2, *(0.3,) * 60), attempt=3.0, lease=4.5, poll=0.2, outage=0.2, proof=0.5
)  # fmt: skip
ALLOWED = ["127.0.0.1"]


async def main(folder: Path, library: str, count: int) -> None:
    """Until the process is ended."""
    jobs, documents = sqlite_stores(folder / "shadowtwin.db")
    await jobs.open()
    made: dict[str, Any] = {
        "jobs": jobs,
        "documents": documents,
        "storage": FolderStorage(folder / "twins"),
        "webhooks": SqliteWebhooks(jobs.file),
        "alerts": SqliteAlerts(jobs.file),
    }
    async with world(**made, schedule=SHORT, webhook_allow=ALLOWED, sweep_seconds=0.2, outbox_seconds=0.5) as gateway:
        running = [
            asyncio.create_task(each()) for each in (gateway.gateway.dispatcher.run, gateway.gateway.sweeper.run)
        ]
        for number in range(count):
            await work(gateway, library, number)
        print("done", flush=True)
        await asyncio.gather(*running)


async def work(made: World, library: str, number: int) -> None:
    """One document that fails twice."""
    accepted = await made.upload(PDF + f"{library} {number}".encode(), libraryId=library)
    job_id = accepted["jobId"]
    await fail(made, job_id)
    answer = await made.http.post(f"/api/jobs/{job_id}/requeue", json={})
    assert answer.status_code == 202, answer.text
    await made.settle()
    await fail(made, job_id)


async def fail(made: World, job_id: str) -> None:
    """As a worker that cannot read the document."""
    ticket, job = await made.claim(job_id, StepName.EXTRACT), await made.job(job_id)
    fault = {"code": "pdf_corrupt", "category": "document", "message": "broken", "retryable": False}
    body = {"phase": "failed", "process": {"id": job.process_id}, "attempt": job.attempt, "error": fault}
    answer = await made.callback(job_id, ticket["token"], body)
    assert answer.json()["applied"], answer.text


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
