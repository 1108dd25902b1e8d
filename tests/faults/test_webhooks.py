"""A receiver that is away, answers badly and comes back, and a gateway that is killed meanwhile: nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from services.gateway.stores.sqlite_jobs import SqliteJobs, sqlite_stores
from services.gateway.stores.sqlite_webhooks import SqliteWebhooks
from services.gateway.webhooks.dispatcher import AT_ONCE
from services.gateway.webhooks.signing import new_secret
from shared.job import Job, JobStatus
from shared.ports import JobQuery
from shared.webhook import Endpoint, Secret
from tests.support.webhook_receiver import Received, Receiver, receiver

JOBS = 4
ROOT = Path(__file__).resolve().parents[2]


async def gateway(folder: Path, library: str) -> asyncio.subprocess.Process:
    command = (sys.executable, "-m", "tests.support.webhook_gateway", str(folder), library, str(JOBS))
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)


def bad_at_first(number: int, message: Received) -> int | None:
    """No answer, then errors, then every ninth one an error."""
    if number < 8:
        return None if number == 2 else 500
    return 503 if number % 9 == 0 else 204


async def subscribed(jobs: SqliteJobs, hook: Receiver) -> SqliteWebhooks:
    webhooks, hook.secret = SqliteWebhooks(jobs.file), new_secret()
    made = Endpoint(
        endpoint_id="ep-1",
        library_id="*",
        url=hook.url,
        event_types=["job.*", "document.*"],
        secrets=[Secret(value=hook.secret)],
        created_at=await jobs.now(),
    )
    assert await webhooks.put_endpoint(made)
    return webhooks


def who_delivers(folder: Path) -> int:
    """The process that has the endpoint's lease."""
    with sqlite3.connect(folder / "shadowtwin.db") as file:
        (owner,) = file.execute("SELECT owner FROM leases WHERE name = 'webhook:ep-1'").fetchone()
    file.close()
    return int(owner.split("~")[1])


async def all_jobs(jobs: SqliteJobs) -> list[Job]:
    return (await jobs.find(JobQuery(limit=1000))).jobs


async def until_all_is_told(jobs: SqliteJobs, webhooks: SqliteWebhooks) -> None:
    while True:
        untold = [job for job in await all_jobs(jobs) if job.outbox and not job.open]
        if not untold and not (await webhooks.backlog(["ep-1"])).pending:
            return
        await asyncio.sleep(0.2)


async def test_everything_arrives_once_verified_and_in_order_whatever_dies(tmp_path: Path):
    jobs, _ = sqlite_stores(tmp_path / "shadowtwin.db")
    await jobs.open()
    async with receiver() as hook:
        webhooks = await subscribed(jobs, hook)
    # The receiver is away now.
    processes = [await gateway(tmp_path, library) for library in ("one", "two")]
    try:
        while (await webhooks.backlog(["ep-1"])).pending < 4:
            await asyncio.sleep(0.1)
        hook.answers = bad_at_first
        async with receiver(hook.port, hook):
            while len(hook.taken) < 5:
                await asyncio.sleep(0.05)
            killed = who_delivers(tmp_path)
            os.kill(killed, signal.SIGKILL)
            (survivor,) = [process for process in processes if process.pid != killed]
            assert survivor.stdout is not None
            assert await survivor.stdout.readline() == b"done\n"
            await until_all_is_told(jobs, webhooks)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()
    found = await all_jobs(jobs)
    log, _ = await webhooks.find("ep-1", None, None, 1000)
    late = sum(attempt.error == "timeout" for row in log for attempt in row.attempts)
    await jobs.close()
    check(found, hook, late)


def check(jobs: list[Job], hook: Receiver, late: int) -> None:
    times = Counter(message.webhook_id for message in hook.taken)
    twice = sum(times.values()) - len(times)
    assert twice <= AT_ONCE + late, "only what the killed gateway had under way, or what was answered too late"
    first = list({message.webhook_id: message for message in hook.taken}.values())
    for job in jobs:
        ended = [run.process_id for run in job.runs if run.status == JobStatus.FAILED]
        if job.status == JobStatus.FAILED:
            ended.append(job.process_id)
        told = [message.data["processId"] for message in first if message.data.get("jobId") == job.job_id
                and message.type == "job.failed"]  # fmt: skip
        assert told == ended
        life = [message.type for message in first if message.data["documentId"] == job.document_id]
        assert life == ["document.uploaded", *["job.failed", "document.failed"] * len(ended)]
    assert len([job for job in jobs if job.status == JobStatus.FAILED]) >= JOBS
