"""The API client of the command line: a running gateway by its URL, or a local run's folder read in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from infra.api_keys import headers, key_for
from infra.cli.failure import CliError
from infra.cli.local_transport import LocalTransport
from infra.stack_files import running_stack
from shared import frontmatter
from shared.anchors import split_pages

STREAM_SECONDS = 300.0
"""How long a stream may be silent."""
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

    async def submit(self, pdf: Path, form: dict[str, str]) -> dict[str, Any]:
        """Upload a PDF and start its job."""
        with pdf.open("rb") as file:
            files = {"file": (pdf.name, file, "application/pdf")}
            return await self._call("POST", "/api/jobs", files=files, data=form, timeout=600)

    async def plan(self, pdf: Path, form: dict[str, str]) -> dict[str, Any]:
        """What a job would do with a PDF."""
        with pdf.open("rb") as file:
            files = {"file": (pdf.name, file, "application/pdf")}
            return await self._call("POST", "/api/jobs", params={"plan": "true"}, files=files, data=form, timeout=600)

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job document."""
        return await self._call("GET", f"/api/jobs/{job_id}")

    async def why(self, job_id: str) -> dict[str, Any]:
        """Why a job does not move."""
        return await self._call("GET", f"/api/jobs/{job_id}/diagnosis")

    async def requeue(self, job_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Start a new run."""
        return await self._call("POST", f"/api/jobs/{job_id}/requeue", json=body)

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job."""
        return await self._call("POST", f"/api/jobs/{job_id}/cancel")

    async def rebuild_broker(self) -> dict[str, Any]:
        """Tell all pending work again."""
        return await self._call("POST", "/api/system/rebuild-broker", timeout=120)

    async def rebuild(self, what: str, library: str | None) -> dict[str, Any]:
        """Start a `rebuild` or `reembed`."""
        return await self._call("POST", f"/api/system/{what}", json={"libraryId": library})

    async def rebuild_state(self, handle: str) -> dict[str, Any]:
        """How far it is."""
        return await self._call("GET", f"/api/system/rebuild/{handle}")

    async def batch(self, batch_id: str) -> dict[str, Any]:
        """Counts of a batch's jobs by status."""
        return await self._call("GET", f"/api/batches/{batch_id}")

    async def jobs(self, **query: Any) -> dict[str, Any]:
        """One page of jobs."""
        return await self._call("GET", "/api/jobs", params={k: v for k, v in query.items() if v is not None})

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> dict[str, Any]:
        """Log entries after a sequence number."""
        return await self._call("GET", f"/api/jobs/{job_id}/logs", params={"after": after, "limit": limit})

    async def document(self, document_id: str, library: str | None = None) -> dict[str, Any]:
        """The document record, by id, or by SHA-256 within a library."""
        return await self._call("GET", f"/api/documents/{document_id}", params={"library": library} if library else {})

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
                        raise CliError(row["error"]["code"], row["error"]["message"], row["error"]["hint"])
                    yield row
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    async def repair(self, body: dict[str, Any]) -> dict[str, Any]:
        """Plan and start repairs; the answer of a plan comes when it is complete."""
        return await self._call("POST", "/api/repairs", json=body, timeout=None)

    async def repair_state(self, handle: str) -> dict[str, Any]:
        """How far it is."""
        return await self._call("GET", f"/api/repairs/{handle}")

    async def missing_images(self, document_id: str) -> dict[str, Any]:
        """Pictures that a document lists and storage does not have."""
        return await self._call("GET", f"/api/documents/{document_id}/missing-images")

    async def put_image(self, document_id: str, name: str, content: bytes) -> dict[str, Any]:
        """Put a picture back."""
        return await self._call("PUT", f"/api/documents/{document_id}/images/{name}", content=content)

    async def fetch_source(self, document_id: str, target: Path) -> None:
        """The document's PDF into a file."""
        await self._fetch(f"/api/documents/{document_id}/source", {}, target)

    async def fetch_bundle(self, job_id: str, target: Path, *, with_source: bool) -> None:
        """A job's bundle into a file."""
        await self._fetch(f"/api/jobs/{job_id}/bundle", {"source": str(with_source).lower()}, target)

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
            page = await self._call("GET", f"/api/documents/{document_id}/products", params={"after": after})
            found, after = found + page["products"], page["cursor"]
        return found

    async def page_text(self, document_id: str, page: int, library: str | None = None) -> str:
        """A page's Markdown, from the transcript."""
        params = {"kind": "transcript"} | ({"library": library} if library else {})
        answer = await self._request("GET", f"/api/documents/{document_id}/twin", params=params)
        if answer.status_code >= 400:
            raise _refused(answer)
        for found in split_pages(frontmatter.parse(answer.text)[1])[1]:
            if found.number == page:
                return found.text
        raise CliError("not_found", f"The document has no page {page}.", "Pages are counted from 1.", 2)

    async def system_status(self) -> dict[str, Any]:
        """Services, queues, and how long the oldest job waits."""
        return await self._call("GET", "/api/system/status")

    async def webhooks(self, method: str, path: str = "", **options: Any) -> dict[str, Any]:
        """A call of `/api/webhooks`; `path` begins with a slash."""
        return await self._call(method, f"/api/webhooks{path}", **options)

    async def search(
        self, query: str, top: int, library: str | None = None, document: str | None = None
    ) -> dict[str, Any]:
        """Chunk hits."""
        body = {"query": query, "top": top, "libraryId": library, "documentId": document}
        return await self._call("POST", "/api/search", json=body, timeout=60)

    async def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = await self._request(method, path, **options)
        if answer.status_code >= 400:
            raise _refused(answer)
        return _body(answer)

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


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body: dict[str, Any] = answer.json()
    except ValueError:
        return {}
    return body


def _refused(answer: httpx.Response) -> CliError:
    body = _body(answer)
    if answer.status_code == 401:
        body["hint"] = "Put an API key into SHADOWTWIN_API_KEY; a local stack's own is found by itself."
    code, detail = body.get("code", f"http_{answer.status_code}"), body.get("detail", answer.reason_phrase)
    return CliError(code, str(detail), str(body.get("hint", "")), 2 if answer.status_code < 500 else 1)


def _unreachable(error: httpx.HTTPError) -> CliError:
    return CliError("unavailable", f"The gateway cannot be reached ({type(error).__name__}).", "Is it running?")


@contextlib.asynccontextmanager
async def remote(url: str) -> AsyncIterator[Client]:
    """A client of the gateway at that address."""
    async with httpx.AsyncClient(base_url=url, headers=headers(key_for(url)), timeout=30, trust_env=False) as http:
        yield Client(http)


@contextlib.asynccontextmanager
async def client_for(api_url: str | None, data_dir: Path) -> AsyncIterator[Client]:
    """The gateway at `api_url`; else the stack running on `data_dir`; else the folder itself, read here."""
    url = api_url or running_stack(data_dir.resolve())
    if url:
        async with remote(url) as client:
            yield client
        return
    if not (data_dir / "shadowtwin.db").exists():
        raise CliError("not_found", f"{data_dir} holds no run.", "Process a PDF first, or name another --data-dir.", 2)
    from services.gateway.app import application
    from services.gateway.settings import GatewaySettings

    settings = GatewaySettings(data_dir=data_dir.resolve(), store="sqlite")
    async with (
        application(settings, reading=True) as app,
        httpx.AsyncClient(transport=LocalTransport(app), base_url="http://local", timeout=60) as http,
    ):
        yield Client(http)
