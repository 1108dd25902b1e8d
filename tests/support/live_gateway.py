"""The gateway's application over embedded stores (a SQLite file, a folder), served over HTTP from a thread of its own,
with documents that the real phases have processed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import uvicorn

from infra import api_keys
from services.gateway.api_keys import KeyRing
from services.gateway.app import create_app
from services.gateway.stores.sqlite_jobs import sqlite_stores
from shared.adapters.folder_storage import FolderStorage
from tests.support.catalogues import Design, catalogue
from tests.support.gateway import World, world
from tests.support.phases import Route

SCHEMA = {
    "type": "object",
    "properties": {
        "records": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}, "x-unique-fields": ["name"]},
        }
    },
}


class Live(NamedTuple):
    """Where it listens, the key that opens it, and real ids by the names of path parameters and queries."""

    url: str
    key: str
    known: dict[str, list[str]]


@contextlib.contextmanager
def live_gateway(folder: Path) -> Iterator[Live]:
    """Until the block ends."""
    api_keys.make_own(folder)
    started, ended = threading.Event(), threading.Event()
    found: list[Live] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            jobs, documents = sqlite_stores(folder / "shadowtwin.db")
            await jobs.open()
            storage: Any = FolderStorage(folder / "twins")
            async with world(jobs=jobs, documents=documents, storage=storage, webhook_allow=["127.0.0.1"]) as made:
                known = await _filled(made, folder)
                made.gateway.keys = KeyRing(folder / api_keys.KEYS)
                config = uvicorn.Config(create_app(made.gateway), log_config=None, lifespan="off")
                server = uvicorn.Server(config)
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
                found.append(Live(url, api_keys.own(folder), known))
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                started.set()
                await asyncio.to_thread(ended.wait)
                server.should_exit = server.force_exit = True
                await serving
            await jobs.close()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
            started.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        started.wait()
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]


async def _filled(made: World, folder: Path) -> dict[str, list[str]]:
    """A processed catalogue with records and previews, and a job that waits; the ids of what is there."""
    catalogue(folder / "a.pdf", Design(products=3, swatches=1), seed=1)
    await made.http.put("/api/schemas/things", content=msgspec.json.encode(SCHEMA))
    await made.http.put(
        "/api/templates/own", content=b"---\ntitle: {{title|What is it called?}}\n---\n\n{{body|Text}}\n"
    )
    wanted = '{"previews": true, "records": {"schema": "things"}}'
    done = await made.upload((folder / "a.pdf").read_bytes(), itemId="item-1", batchId="batch-1", parameters=wanted)
    await Route(made).run()
    job = await made.job(done["jobId"])
    assert str(job.status) == "completed", job.error
    waiting = await made.upload(itemId="item-2")
    await made.http.post("/api/jobs", files={"file": ("no.pdf", b"no PDF at all" * 200)})
    document = done["documentId"]
    images = (await made.http.get(f"/api/documents/{document}/images")).json()["images"]
    records = (await made.http.get(f"/api/documents/{document}/records")).json()["records"]
    handle = (await made.http.post("/api/repairs", json={"dryRun": True})).json()["handle"]
    requeue = (await made.http.post("/api/jobs/requeue", json={"dryRun": True})).json()["handle"]
    rebuild = (await made.http.post("/api/system/rebuild", json={"libraryId": "nobody"})).json()["handle"]
    hook = (await made.http.post("/api/webhooks", json={"url": "http://127.0.0.1:9/"})).json()["endpointId"]
    ping = (await made.http.post(f"/api/webhooks/{hook}/test")).json()["deliveryId"]
    documents = [document, waiting["documentId"], done["sha256"]]
    return {
        "jobId": [done["jobId"], waiting["jobId"]],
        "events": [done["jobId"]],
        "documentId": documents,
        "docHash": [done["sha256"], waiting["sha256"]],
        "document": documents,
        "itemId": ["item-1", "item-2"],
        "batchId": ["batch-1"],
        "batch": ["batch-1"],
        "handle": [handle, requeue, rebuild],
        "recordId": [row["recordId"] for row in records][:3],
        "name": ["things", "own", "document", *[row["name"] for row in images][:2]],
        "page": ["1", "2"],
        "library": ["default", "nobody"],
        "libraryId": ["default"],
        "endpointId": [hook],
        "deliveryId": [ping],
    }
