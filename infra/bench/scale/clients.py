"""Clients of several gateways: documents are uploaded once, then jobs for all of them are asked for and waited for."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from infra.stack import Stack

PHASES = ("extract", "metadata", "ingest")
EVERY = 0.05
SHARE = 0.02
"""Of the time that has gone by: so exactly the end is seen. Asking more often is work for the measured gateways."""
AT_ONCE = 8


def policies(**verdicts: str) -> dict[str, Any]:
    """Parameters of a job; a phase that is not named is ignored."""
    return {"policies": dict.fromkeys(PHASES, "ignore") | verdicts}


class JobFailed(Exception):
    """A job of the bench did not end well: there is nothing to measure."""


class Clients:
    """`async with Clients(stack)`: one session for each gateway."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._sessions: list[aiohttp.ClientSession] = []

    async def __aenter__(self) -> Clients:
        patience = aiohttp.ClientTimeout(total=120)
        for url in self._stack.gateways.values():
            self._sessions.append(aiohttp.ClientSession(url, headers=self._stack.headers, timeout=patience))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions:
            await session.close()

    async def present(self, workers: Mapping[str, int], seconds: float = 90.0) -> None:
        """Until all gateways are ready and exactly so many workers of each kind answer the roll call."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready = [(await http.get("/ready")).status == 200 for http in self._sessions]
            if all(ready) and await self._roll_call() == dict(workers):
                return
            await asyncio.sleep(EVERY)
        raise TimeoutError(f"not within {seconds:.0f} s: {dict(workers)} workers")

    async def _roll_call(self) -> dict[str, int]:
        async with self._sessions[0].get("/api/system/status") as answer:
            services = (await answer.json())["services"]
        return {row["name"]: len(row["workers"]) for row in services if row["name"] != "gateway"}

    async def upload(self, pdfs: Sequence[bytes], library: str) -> list[str]:
        """The documents' ids, after their first jobs, which do nothing, have ended."""
        batch, limit = str(uuid.uuid4()), asyncio.Semaphore(AT_ONCE)

        async def one(number: int, pdf: bytes) -> str:
            fields = {"libraryId": library, "batchId": batch, "parameters": json.dumps(policies())}
            form = aiohttp.FormData(fields)
            form.add_field("file", pdf, filename=f"{number}.pdf")
            async with limit, self._sessions[number % len(self._sessions)].post("/api/jobs", data=form) as answer:
                return str((await answer.json())["documentId"])

        ids = list(await asyncio.gather(*(one(number, pdf) for number, pdf in enumerate(pdfs))))
        await self._finished(self._sessions[0], batch, len(ids))
        return ids

    async def jobs(self, ids: Sequence[str], library: str, parameters: Mapping[str, Any]) -> float:
        """Seconds from the request for a job of every document, shared among the gateways, to the last one's end."""
        started = time.perf_counter()
        await asyncio.gather(
            *(
                self._batch(http, ids[number :: len(self._sessions)], library, parameters)
                for number, http in enumerate(self._sessions)
            )
        )
        return time.perf_counter() - started

    async def _batch(
        self, http: aiohttp.ClientSession, ids: Sequence[str], library: str, parameters: Mapping[str, Any]
    ) -> None:
        body = {"documentIds": list(ids), "libraryId": library, "parameters": dict(parameters)}
        async with http.post("/api/batches", json=body) as answer:
            batch = (await answer.json())["batchId"]
        await self._finished(http, batch, len(ids))

    async def _finished(self, http: aiohttp.ClientSession, batch: str, count: int) -> None:
        began = time.perf_counter()
        while True:
            async with http.get(f"/api/batches/{batch}") as answer:
                found = await answer.json()
            if found["finished"] and found["total"] == count:
                if found["counts"] != {"completed": count}:
                    raise JobFailed(f"jobs of the bench ended as {found['counts']}")
                return
            await asyncio.sleep(max(EVERY, SHARE * (time.perf_counter() - began)))

    async def revisions(self, ids: Sequence[str]) -> float:
        """Compare-and-swaps of the job document that the last job of a document has taken, on average."""
        total = 0
        for document in ids:
            async with self._sessions[0].get(f"/api/documents/{document}") as answer:
                job = (await answer.json())["lastJobId"]
            async with self._sessions[0].get(f"/api/jobs/{job}") as answer:
                total += int((await answer.json())["revision"])
        return total / len(ids)


def papers(folder: Path, count: int, pages: int) -> list[bytes]:
    """PDFs of dense text, each different."""
    from infra.faults.pdfs import Shelf

    return [pdf.read_bytes() for pdf in Shelf(folder).some(1, count, pages)]
