"""`bench orchestration`: jobs a second and time per hop with no-op work, against the limits of broker and store.

No-op work is the product's own: jobs whose policies ignore every phase still go through upload, admission, three
events, three claims, three gates and three final reports.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp
import nats
from msgspec.structs import replace

from infra.sample import write_sample
from infra.stack import Stack
from services.gateway.creation import JobRequest, new_job
from services.gateway.stores.sqlite_jobs import sqlite_stores
from shared.document import Document
from shared.job import utc_now
from shared.ports import JobStore

IGNORE = json.dumps({"policies": {"extract": "ignore", "metadata": "ignore", "ingest": "ignore"}})
CONCURRENCY = 16
IDLE_JOBS = 40


def run(jobs: int, settings: dict[str, str]) -> dict[str, Any]:
    """All figures; `settings` are environment variables of the services (another store, for example)."""
    with tempfile.TemporaryDirectory(prefix="shadowtwin-bench-") as name:
        folder = Path(name)
        with Stack(folder / "data", settings=settings) as stack:
            measured = asyncio.run(_measure(stack, folder, jobs))
        measured["store"] = settings.get("SHADOWTWIN_STORE", "sqlite")
        measured["limits"]["store_swap_per_second"] = asyncio.run(swaps(folder / "raw.db"))
    return measured


async def _measure(stack: Stack, folder: Path, jobs: int) -> dict[str, Any]:
    write_sample(folder / "sample.pdf")
    pdf = (folder / "sample.pdf").read_bytes()
    patience = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(stack.api_url, headers=stack.headers, timeout=patience) as http:
        while (await http.get("/ready")).status != 200:
            await asyncio.sleep(0.05)
        await _load(http, pdf, 20, "warm")
        idle = [await _one(http, pdf, "idle") for _ in range(IDLE_JOBS)]
        other = asyncio.create_task(_later(http, pdf, 2.0))
        seconds, ended = await _load(http, pdf, jobs, "load")
        single = await other
        at_once = await _batch(http, "load")
        publish = await publishes(f"nats://127.0.0.1:{stack.nats_port}")
    return {
        "jobs": jobs,
        "ended": ended,
        "jobs_per_second": round(jobs / at_once, 1),
        "jobs_per_second_with_upload": round(jobs / seconds, 1),
        "idle_job_ms": {"p50": _ms(statistics.median(idle)), "p99": _ms(sorted(idle)[-1])},
        "other_library_single_job_seconds": round(single, 2),
        "limits": {"publish_ack_per_second": publish},
    }


async def _submit(http: aiohttp.ClientSession, pdf: bytes, library: str, batch: str) -> str:
    form = aiohttp.FormData({"libraryId": library, "batchId": batch, "parameters": IGNORE})
    form.add_field("file", pdf + b"% " + uuid.uuid4().hex.encode(), filename="one.pdf")
    async with http.post("/api/jobs", data=form) as answer:
        body = await answer.json()
    return str(body["jobId"])


async def _load(http: aiohttp.ClientSession, pdf: bytes, jobs: int, library: str) -> tuple[float, dict[str, int]]:
    """Seconds from the first request to the last job's end, and the counts by status."""
    batch, limit = str(uuid.uuid4()), asyncio.Semaphore(CONCURRENCY)

    async def submit() -> None:
        async with limit:
            await _submit(http, pdf, library, batch)

    started = time.perf_counter()
    await asyncio.gather(*(submit() for _ in range(jobs)))
    while True:
        async with http.get(f"/api/batches/{batch}") as answer:
            counts = await answer.json()
        if counts["finished"] and counts["total"] == jobs:
            return time.perf_counter() - started, counts["counts"]
        await asyncio.sleep(0.1)


async def _batch(http: aiohttp.ClientSession, library: str) -> float:
    """Seconds of a job for every document of the library, all asked for at once."""
    ids: list[str] = []
    cursor = ""
    while cursor is not None:
        query = {"library": library, "limit": "200"} | ({"cursor": cursor} if cursor else {})
        async with http.get("/api/documents", params=query) as answer:
            page = await answer.json()
        ids += [document["documentId"] for document in page["documents"]]
        cursor = page["cursor"]
    body = {"documentIds": ids, "libraryId": library, "parameters": json.loads(IGNORE)}
    started = time.perf_counter()
    async with http.post("/api/batches", json=body) as answer:
        batch = (await answer.json())["batchId"]
    while True:
        async with http.get(f"/api/batches/{batch}") as answer:
            counts = await answer.json()
        if counts["finished"] and counts["total"] == len(ids):
            return time.perf_counter() - started
        await asyncio.sleep(0.05)


async def _one(http: aiohttp.ClientSession, pdf: bytes, library: str) -> float:
    """Seconds of one job: by the job document, from its creation to its end."""
    job_id = await _submit(http, pdf, library, str(uuid.uuid4()))
    started = time.perf_counter()
    while True:
        async with http.get(f"/api/jobs/{job_id}/timeline") as answer:
            ended = (await answer.json())["steps"][-1]["status"] == "completed"
        if ended:
            return time.perf_counter() - started
        await asyncio.sleep(0.002)


async def _later(http: aiohttp.ClientSession, pdf: bytes, seconds: float) -> float:
    """A single job of another library, in the middle of the load."""
    await asyncio.sleep(seconds)
    return await _one(http, pdf, "other")


async def publishes(url: str) -> int:
    """JetStream publishes with awaited acknowledgement, 64 at a time: the broker's own limit."""
    connection = await nats.connect(url)
    try:
        stream = connection.jetstream()
        await stream.add_stream(name="BENCH", subjects=["bench.limit"])
        started, many = time.perf_counter(), 3000
        for _ in range(many // 64):
            await asyncio.gather(*(stream.publish("bench.limit", b"x" * 256) for _ in range(64)))
        await stream.delete_stream("BENCH")
        return round(many // 64 * 64 / (time.perf_counter() - started))
    finally:
        await connection.close()


async def swaps(path: Path) -> int:
    """Compare-and-swaps of job documents, 64 at a time: the embedded store's own limit."""
    store, _ = sqlite_stores(path)
    await store.open()
    try:
        jobs = [await _stored(store, number) for number in range(64)]
        started, rounds = time.perf_counter(), 40

        async def swap_all(job: Any) -> None:
            for _ in range(rounds):
                assert await store.swap(job, job)
                job = replace(job, revision=job.revision + 1)

        await asyncio.gather(*(swap_all(job) for job in jobs))
        return round(64 * rounds / (time.perf_counter() - started))
    finally:
        await store.close()


async def _stored(store: JobStore, number: int) -> Any:
    now = utc_now()
    document = Document(
        document_id=f"doc-{number}",
        library_id="bench",
        item_id=str(number),
        sha256="0" * 64,
        name="one.pdf",
        size=1,
        created_at=now,
        updated_at=now,
    )
    job = new_job(document, JobRequest(), now)
    await store.create(job)
    return job


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
