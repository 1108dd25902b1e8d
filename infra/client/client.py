"""Typed calls of the gateway's API over httpx. Every call raises ClientError for what is refused or out of reach."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

import httpx

from infra.api_keys import headers
from infra.client import shapes
from infra.client.failure import ClientError
from shared import frontmatter
from shared.anchors import split_pages

T = TypeVar("T")

STREAM_SECONDS = 300.0
"""How long a stream may be silent."""
ENDED = ("completed", "failed")
AWAY_SECONDS = 60.0
"""How long a gateway may be away before a question to it fails."""


class Client:
    """Typed calls over an httpx client."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ready(self) -> bool:
        """Whether the gateway answers that it can take work."""
        try:
            return (await self._http.get("/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    async def submit(self, pdf: Path, form: dict[str, str]) -> shapes.Accepted:
        """Upload a PDF and start its job."""
        with pdf.open("rb") as file:
            files = {"file": (pdf.name, file, "application/pdf")}
            return await self._call(shapes.Accepted, "POST", "/api/jobs", files=files, data=form, timeout=600)

    async def plan(self, pdf: Path, form: dict[str, str]) -> shapes.Plan:
        """What a job would do with a PDF."""
        with pdf.open("rb") as file:
            files = {"file": (pdf.name, file, "application/pdf")}
            return await self._call(
                shapes.Plan, "POST", "/api/jobs", params={"plan": "true"}, files=files, data=form, timeout=600
            )

    async def job(self, job_id: str) -> shapes.Job:
        """The job document."""
        return await self._call(shapes.Job, "GET", f"/api/jobs/{_id(job_id)}")

    async def why(self, job_id: str) -> shapes.WhyNot:
        """Why a job does not move."""
        return await self._call(shapes.WhyNot, "GET", f"/api/jobs/{_id(job_id)}/diagnosis")

    async def requeue(self, job_id: str, body: dict[str, Any]) -> shapes.Job:
        """Start a new run."""
        return await self._call(shapes.Job, "POST", f"/api/jobs/{_id(job_id)}/requeue", json=body)

    async def cancel(self, job_id: str) -> shapes.Job:
        """Cancel a job."""
        return await self._call(shapes.Job, "POST", f"/api/jobs/{_id(job_id)}/cancel")

    async def rebuild_broker(self) -> shapes.Told:
        """Tell all pending work again."""
        return await self._call(shapes.Told, "POST", "/api/system/rebuild-broker", timeout=120)

    async def rebuild(self, what: str, library: str | None) -> shapes.Rebuild:
        """Start a `rebuild` or `reembed`."""
        return await self._call(shapes.Rebuild, "POST", f"/api/system/{what}", json={"libraryId": library})

    async def rebuild_state(self, handle: str) -> shapes.Rebuild:
        """How far it is."""
        return await self._call(shapes.Rebuild, "GET", f"/api/system/rebuild/{_id(handle)}")

    async def batch(self, batch_id: str) -> shapes.BatchCounts:
        """Counts of a batch's jobs by status."""
        return await self._call(shapes.BatchCounts, "GET", f"/api/batches/{_id(batch_id)}")

    async def jobs(self, **query: Any) -> shapes.JobPage:
        """One page of jobs."""
        return await self._call(
            shapes.JobPage, "GET", "/api/jobs", params={k: v for k, v in query.items() if v is not None}
        )

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> shapes.LogPage:
        """Log entries after a sequence number."""
        return await self._call(
            shapes.LogPage, "GET", f"/api/jobs/{_id(job_id)}/logs", params={"after": after, "limit": limit}
        )

    async def document(self, document_id: str, library: str | None = None) -> shapes.Document:
        """The document record, by id, or by SHA-256 within a library."""
        return await self._call(
            shapes.Document, "GET", f"/api/documents/{_id(document_id)}", params={"library": library} if library else {}
        )

    async def diagnosis(self, path: str = "/api/diagnosis", **query: Any) -> AsyncIterator[dict[str, Any]]:
        """Rows of documents as they come, then what the whole run says."""
        params = {name: str(value) for name, value in query.items() if value not in (None, "", False)}
        lines = {"Accept": "application/x-ndjson"}
        try:
            async with self._http.stream("GET", path, params=params, headers=lines, timeout=STREAM_SECONDS) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise _refused(answer)
                async for line in answer.aiter_lines():
                    row = json.loads(line)
                    if "error" in row and "documentId" not in row:
                        raise ClientError(row["error"]["code"], row["error"]["message"], row["error"]["hint"])
                    yield row
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def repair(self, body: dict[str, Any]) -> shapes.RepairState:
        """Plan and start repairs; the answer of a plan comes when it is complete."""
        return await self._call(shapes.RepairState, "POST", "/api/repairs", json=body, timeout=None)

    async def repair_state(self, handle: str) -> shapes.RepairState:
        """How far it is."""
        return await self._call(shapes.RepairState, "GET", f"/api/repairs/{_id(handle)}")

    async def missing_images(self, document_id: str) -> shapes.MissingImages:
        """Pictures that a document lists and storage does not have."""
        return await self._call(shapes.MissingImages, "GET", f"/api/documents/{_id(document_id)}/missing-images")

    async def put_image(self, document_id: str, name: str, content: bytes) -> shapes.PutImage:
        """Put a picture back."""
        return await self._call(
            shapes.PutImage, "PUT", f"/api/documents/{_id(document_id)}/images/{_id(name)}", content=content
        )

    async def fetch_source(self, document_id: str, target: Path) -> None:
        """The document's PDF into a file."""
        await self._fetch(f"/api/documents/{_id(document_id)}/source", {}, target)

    async def fetch_bundle(self, job_id: str, target: Path, *, with_source: bool) -> None:
        """A job's bundle into a file."""
        await self._fetch(f"/api/jobs/{_id(job_id)}/bundle", {"source": str(with_source).lower()}, target)

    async def _fetch(self, path: str, query: dict[str, str], target: Path) -> None:
        try:
            async with self._http.stream("GET", path, params=query, timeout=600) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise _refused(answer)
                with target.open("wb") as file:
                    async for piece in answer.aiter_bytes():
                        file.write(piece)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def products(self, document_id: str) -> list[dict[str, Any]]:
        """All products of a document."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = await self._call(
                dict[str, Any], "GET", f"/api/documents/{_id(document_id)}/products", params={"after": after}
            )
            found, after = found + page["products"], page["cursor"]
        return found

    async def page_text(self, document_id: str, page: int, library: str | None = None) -> str:
        """A page's Markdown, from the transcript."""
        params = {"kind": "transcript"} | ({"library": library} if library else {})
        answer = await self._request("GET", f"/api/documents/{_id(document_id)}/twin", params=params)
        if answer.status_code >= 400:
            raise _refused(answer)
        for found in split_pages(frontmatter.parse(answer.text)[1])[1]:
            if found.number == page:
                return found.text
        raise ClientError("not_found", f"The document has no page {page}.", "Pages are counted from 1.", 2)

    async def system_status(self) -> shapes.Fleet:
        """Services, queues, and how long the oldest job waits."""
        return await self._call(shapes.Fleet, "GET", "/api/system/status")

    async def webhooks(self, method: str, path: str = "", **options: Any) -> dict[str, Any]:
        """A call of `/api/webhooks`; `path` begins with a slash."""
        return await self._call(dict[str, Any], method, f"/api/webhooks{path}", **options)

    async def search(
        self, query: str, top: int, library: str | None = None, document: str | None = None
    ) -> shapes.Hits:
        """Chunk hits."""
        body = {"query": query, "top": top, "libraryId": library, "documentId": document}
        return await self._call(shapes.Hits, "POST", "/api/search", json=body, timeout=60)

    async def ended(self, job_id: str, every: float = 0.5) -> shapes.Job:
        """The job document once the job is completed or failed, looked at every so many seconds."""
        while True:
            job = await self.job(job_id)
            if job["status"] in ENDED:
                return job
            await asyncio.sleep(every)

    async def _call(self, shape: type[T], method: str, path: str, **options: Any) -> T:
        """The answer's JSON, which has this shape by the API's description."""
        answer = await self._request(method, path, **options)
        if answer.status_code >= 400:
            raise _refused(answer)
        return cast(T, _body(answer))

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Questions are asked again while the gateway is away for a moment; what changes something is sent once."""
        end = time.monotonic() + (AWAY_SECONDS if method == "GET" else 0)
        while True:
            try:
                answer = await self._http.request(method, path, **options)
                if method != "GET" or answer.status_code != 503 or time.monotonic() > end:
                    return answer
            except httpx.HTTPError as error:
                if time.monotonic() > end:
                    raise _unreachable(error) from error
            await asyncio.sleep(0.3)


def _id(text: str) -> str:
    """An id as one segment of a path, whatever it holds: it never names another route."""
    return quote(text, safe="").replace(".", "%2E")


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = answer.json()
    except ValueError:
        return {}
    return body


def _refused(answer: httpx.Response) -> ClientError:
    body = _body(answer)
    if answer.status_code == 401:
        body["hint"] = "Put an API key into SHADOWTWIN_API_KEY; a local stack's own is found by itself."
    code, detail = body.get("code", f"http_{answer.status_code}"), body.get("detail", answer.reason_phrase)
    return ClientError(code, str(detail), str(body.get("hint", "")), 2 if answer.status_code < 500 else 1)


def _unreachable(error: httpx.HTTPError) -> ClientError:
    return ClientError("unavailable", f"The gateway cannot be reached ({type(error).__name__}).", "Is it running?")


@contextlib.asynccontextmanager
async def connect(url: str, key: str = "") -> AsyncIterator[Client]:
    """A client of the gateway at that address, with an API key."""
    async with httpx.AsyncClient(base_url=url, headers=headers(key), timeout=30, trust_env=False) as http:
        yield Client(http)
