"""The console under test: a stack with a model, documents to look at, and a signed-in tab of a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from infra.sample import write_sample
from infra.stack import REPO, Stack
from services.gateway.stores.sqlite_jobs import sqlite_stores
from shared.job import Job, JobError, JobStatus
from tests.e2e.conftest import Running
from tests.support.catalogues import Design, catalogue
from tests.support.console_model import SCHEMA
from tests.support.pdfs import text_pdf
from tests.support.records import make_job

HOSTILE = "<img src=x onerror=alert(1)> & <script>alert(2)</script> ${alert(3)} </textarea>.pdf"


@contextlib.contextmanager
def running_with_model(data_dir: Path, settings: dict[str, str]) -> Iterator[Running]:
    """A stack with a simulated model behind it, so that there are products and records to look at."""
    command = [sys.executable, "-m", "tests.support.model_server", "--port", "0"]
    command += ["--script", "tests.support.console_model:answers"]
    model = subprocess.Popen(command, cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert model.stdin is not None
    assert model.stdout is not None
    settings = {
        **settings,
        "SHADOWTWIN_ANALYZER": "openai",
        "SHADOWTWIN_MODEL_BASE_URL": f"{json.loads(model.stdout.readline())['url']}/v1",
        "SHADOWTWIN_MODEL_NAME": "simulated",
    }
    try:
        with (
            Stack(data_dir, settings=settings) as stack,
            httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
        ):
            made = Running(stack, http)
            made.until_ready()
            yield made
    finally:
        model.stdin.close()
        model.stdout.close()
        model.wait(10)


class Shelf:
    """Documents that tests look at: one with records, one with products, one to fall ill, one that means harm."""

    def __init__(self, running: Running, folder: Path) -> None:
        self.running = running
        assert running.http.put("/api/schemas/towers", params={"library": "coast"}, json=SCHEMA).status_code == 201
        write_sample(folder / "towers.pdf")
        catalogue(folder / "tiles.pdf", Design(products=2))
        (folder / "ward.pdf").write_bytes(text_pdf("The keeper of the ward wrote down who was ill."))
        (folder / "harm.pdf").write_bytes(text_pdf("A document that means no harm by itself."))
        records = json.dumps({"records": {"schema": "towers"}})
        jobs = {
            "towers": running.submit(folder / "towers.pdf", libraryId="coast", parameters=records),
            "tiles": running.submit(folder / "tiles.pdf", libraryId="coast", parameters=json.dumps({"products": True})),
            "ward": running.submit(folder / "ward.pdf", libraryId="ward", batchId="b-ward", batchName="Ward round"),
            "harm": running.submit(folder / "harm.pdf", libraryId="harm", batchId="b-harm", batchName=HOSTILE),
        }
        self.jobs = {name: running.ended(accepted["jobId"]) for name, accepted in jobs.items()}
        assert {job["status"] for job in self.jobs.values()} == {"completed"}
        self.documents = {name: str(job["documentId"]) for name, job in self.jobs.items()}


class Console:
    """One tab, signed in; what it complains of is remembered."""

    def __init__(self, browser: Browser, running: Running, **options: Any) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-GB", **options)
        self.base = f"{running.stack.api_url}/console/"
        token = running.stack.headers["Authorization"].removeprefix("Bearer ")
        self.context.add_init_script(f"sessionStorage.setItem('shadowtwin.key', {json.dumps(token)})")
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._asked)
        self.page.on("console", self._said)

    def _asked(self, dialog: Any) -> None:
        self.complaints.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _said(self, message: Any) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def open(self, place: str) -> Page:
        self.page.goto(self.base + place)
        return self.page


def store(running: Running, jobs: list[Job]) -> None:
    """Put jobs beside those of the stack, in a thread of its own: the browser's driver has a loop in this one."""

    async def write() -> None:
        kept, _ = sqlite_stores(running.stack.data_dir / "shadowtwin.db")
        await kept.open()
        try:
            for job in jobs:
                await kept.create(job)
        finally:
            await kept.close()

    thread = threading.Thread(target=lambda: asyncio.run(write()))
    thread.start()
    thread.join()


def hostile_job() -> Job:
    """A job all of whose texts mean harm, put into the store past everything that cleans names."""
    job = make_job("harm", library="harm", status=JobStatus.FAILED)
    source = replace(job.correlation.source, name=HOSTILE)
    error = JobError(code="internal", category="internal", step="extract_pdf", message=HOSTILE, hint=HOSTILE)
    said = {"seq": 1, "timestamp": "2026-03-01T12:00:00Z", "run": "run-1", "phase": HOSTILE, "message": HOSTILE}
    warnings = [{"code": HOSTILE, "message": HOSTILE, "page": 1}]
    correlation = replace(job.correlation, source=source, batch_id="b-harm", batch_name=HOSTILE)
    return replace(job, correlation=correlation, error=error, logs=[said], log_count=1, warnings=warnings)
