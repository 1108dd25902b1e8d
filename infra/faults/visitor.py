"""What a user of the API does: upload, look, wait. Tries again when a connection breaks, and forgets no job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx

from infra.faults.checker import COMPLETED, Accepted
from infra.faults.snapshot import Json

LIBRARY = "faults"
TERMINAL = ("completed", "failed")
FORCE = {"policies": dict.fromkeys(("extract", "metadata", "ingest"), "force")}


class Violated(Exception):
    """Invariants that do not hold."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(f"{len(faults)} violations: " + "; ".join(faults[:4]))
        self.faults = faults


class Visitor:
    """Over one HTTP client; `patience` is how long it waits for anything."""

    http: httpx.AsyncClient

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.pdfs: dict[str, Path] = {}
        self.patience = 120.0

    async def submit(
        self, pdf: Path, allowed: frozenset[str] = COMPLETED, parameters: Json | None = None, library: str = LIBRARY
    ) -> Accepted:
        """Upload like a client that tries again when the connection breaks; remembers the accepted job."""
        form = {"libraryId": library, "parameters": json.dumps(parameters or {})}
        content = await asyncio.to_thread(pdf.read_bytes)
        end = time.monotonic() + self.patience
        while True:
            with contextlib.suppress(httpx.HTTPError):
                answer = await self.http.post("/api/jobs", files={"file": (pdf.name, content)}, data=form)
                if answer.status_code < 500:
                    return await self._remember(answer, pdf, allowed)
            if time.monotonic() > end:
                raise Violated([f"{pdf.name} could not be uploaded within {self.patience:.0f} s"])
            await asyncio.sleep(0.2)

    async def _remember(self, answer: httpx.Response, pdf: Path, allowed: frozenset[str]) -> Accepted:
        if answer.status_code not in (200, 202):
            raise Violated([f"{pdf.name} was refused: {answer.status_code} {answer.text[:200]}"])
        body = answer.json()
        job_id = body["jobId"] or (await self.document(body["documentId"]))["lastJobId"]
        one = Accepted(job_id, body["documentId"], allowed)
        self.accepted.append(one)
        self.pdfs[one.document_id] = pdf
        return one

    async def load(self, pdfs: Iterable[Path], allowed: frozenset[str] = COMPLETED, at_once: int = 8) -> list[Accepted]:
        """Submit several, some at a time."""
        limit = asyncio.Semaphore(at_once)

        async def one(pdf: Path) -> Accepted:
            async with limit:
                return await self.submit(pdf, allowed)

        return list(await asyncio.gather(*(one(pdf) for pdf in pdfs)))

    async def job(self, job_id: str) -> Json:
        """The job document."""
        answer = await self.http.get(f"/api/jobs/{job_id}")
        answer.raise_for_status()
        body: Json = answer.json()
        return body

    async def log(self, job_id: str) -> list[Json]:
        """Its log, up to 5,000 entries."""
        answer = await self.http.get(f"/api/jobs/{job_id}/logs", params={"limit": 5000})
        answer.raise_for_status()
        entries: list[Json] = answer.json()["logs"]
        return entries

    async def document(self, document_id: str) -> Json:
        """The document record."""
        answer = await self.http.get(f"/api/documents/{document_id}")
        answer.raise_for_status()
        body: Json = answer.json()
        return body

    async def reaches(self, job_id: str, condition: Callable[[Json], bool], seconds: float = 60.0) -> Json:
        """The job document as soon as it fulfils the condition."""
        found: list[Json] = []

        async def looked() -> bool:
            found[:] = [await self.job(job_id)]
            return condition(found[0])

        await self.until(looked, seconds, f"job {job_id}", every=0.01)
        return found[0]

    async def ended(self, *jobs: Accepted, seconds: float | None = None) -> None:
        """Until those jobs (default: all) have ended. Says nothing of how; silent when time is up: the check tells."""
        end = time.monotonic() + (seconds or self.patience)
        waiting = [one.job_id for one in (jobs or self.accepted)]
        while waiting and time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                if (await self.job(waiting[0]))["status"] in TERMINAL:
                    waiting.pop(0)
                    continue
            await asyncio.sleep(0.05)

    async def until(self, condition: Callable[[], Any], seconds: float, what: str, every: float = 0.05) -> None:
        """Wait for a condition (a coroutine function); broken connections count as not yet."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if await condition():
                    return
            if time.monotonic() > end:
                raise Violated([f"not within {seconds:.0f} s: {what}"])
            await asyncio.sleep(every)
