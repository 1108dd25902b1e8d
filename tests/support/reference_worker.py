"""A foreign worker, whole: real HTTP, both protocols of docs/external-workers.md, and every way to do it badly.

`plan` says how the next documents are treated; without one, a document is read well. The text it "reads" names the
document's hash, so that a test sees whose text is whose.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import msgspec
from aiohttp import web


class Treatment(msgspec.Struct, kw_only=True):
    """How one document is treated. Times in seconds.

    `answers` are the first HTTP statuses of the request, before it is accepted; `progress` the percents told;
    `finals` what is reported at the end, None for nothing at all; `token` replaces the secret in them.
    """

    answers: list[int] = []
    retry_after: str = ""
    latency: float = 0.0
    progress: Sequence[float] = (10.0, 60.0)
    pause: float = 0.0
    finals: list[dict[str, Any]] | None = None
    silent: bool = False
    early: bool = False
    token: str = ""
    text: str | None = None
    body: bytes | None = None
    asynchronous: bool = False
    beside: dict[str, Any] = {}
    polls: list[dict[str, Any] | int] = []
    forget: int = 0


class Received(msgspec.Struct, kw_only=True):
    """One request as it came: form fields, the file's bytes, headers, and the answers to what was reported."""

    path: str
    fields: dict[str, str]
    file: bytes
    headers: dict[str, str]
    applied: list[tuple[int, dict[str, Any]]] = []

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.file).hexdigest()


class ReferenceWorker:
    """`requests` holds everything that arrived; `http` is how callbacks are sent."""

    def __init__(self, credential: str = "") -> None:
        self.http: httpx.AsyncClient | None = None
        self._credential = credential
        self.plan: list[Treatment] = []
        self.requests: list[Received] = []
        self.refused: list[int] = []
        self.polled: list[str] = []
        self.warmups = 0
        self.files: dict[str, bytes] = {}
        self.fetched: list[tuple[str, str]] = []
        self.port = 0
        self._jobs: dict[str, tuple[Received, Treatment, list[dict[str, Any] | int]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._read: dict[str, Treatment] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/process", self._process),
            web.post("/parse", self._parse),
            web.get("/jobs/{job}", self._state),
            web.get("/jobs/{job}/result", self._result),
            web.post("/warmup", self._warmup),
            web.get("/{path:.*}", self._file),
        ]

    async def done(self) -> None:
        """Until everything that was accepted has been reported."""
        while self._running:
            await asyncio.gather(*self._running)

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def text_of(self, received: Received) -> str:
        return f"--- Seite 1 ---\nRead elsewhere: {received.digest}\n\n--- Seite 2 ---\nThe second page.\n"

    async def _process(self, request: web.Request) -> web.StreamResponse:
        """Protocol `callback`: accepted at once, reported when it is done."""
        if (refusal := self._unknown(request)) is not None:
            return refusal
        received = await _received(request)
        if "file_url" in received.fields:
            token = {"Authorization": f"Bearer {received.fields['callback_token']}"}
            received.file = (await self._sender().get(received.fields["file_url"], headers=token)).content
        treatment = self._treatment(request, received)
        if (turned_away := self._turned_away(treatment, received)) is not None:
            return turned_away
        self.requests.append(received)
        await asyncio.sleep(treatment.latency)
        if treatment.early:
            await self._report_all(received, treatment)
        elif not treatment.silent:
            self._start(received, treatment)
        job = {"id": received.fields["jobId"]}
        return web.json_response({"status": "accepted", "worker": "reference", "job": job}, status=202)

    def _start(self, received: Received, treatment: Treatment) -> None:
        task = asyncio.create_task(self._report_all(received, treatment))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _report_all(self, received: Received, treatment: Treatment) -> None:
        process = json.loads(received.fields["process"])
        for percent in treatment.progress:
            await asyncio.sleep(treatment.pause)
            report = {"phase": "running", "progress": percent, "message": "reading", "process": process}
            await self._tell(received, treatment, report)
        await asyncio.sleep(treatment.pause)
        text = self.text_of(received) if treatment.text is None else treatment.text
        well = {"phase": "completed", "message": "done", "data": {"extracted_text": text, "metadata": {"model": "r"}}}
        for final in [well] if treatment.finals is None else treatment.finals:
            await self._tell(received, treatment, {**final, "process": process})

    async def _tell(self, received: Received, treatment: Treatment, report: dict[str, Any]) -> None:
        token = treatment.token or received.fields["callback_token"]
        answer = await self._sender().post(
            received.fields["callback_url"], json=report, headers={"Authorization": f"Bearer {token}"}
        )
        received.applied.append((answer.status_code, answer.json()))

    def _sender(self) -> httpx.AsyncClient:
        assert self.http is not None, "no client to report with"
        return self.http

    async def _parse(self, request: web.Request) -> web.StreamResponse:
        """Protocol `parse`: the text, or the id of a job."""
        if (refusal := self._unknown(request)) is not None:
            return refusal
        received = await _received(request)
        treatment = self._treatment(request, received)
        if (turned_away := self._turned_away(treatment, received)) is not None:
            return turned_away
        self.requests.append(received)
        await asyncio.sleep(treatment.latency)
        if treatment.asynchronous:
            job = f"r-{len(self.requests)}"
            self._jobs[job] = (received, treatment, list(treatment.polls))
            return web.json_response({**treatment.beside, "job_id": job}, status=202)
        return self._answer(received, treatment)

    def _answer(self, received: Received, treatment: Treatment) -> web.Response:
        if treatment.body is not None:
            return web.Response(body=treatment.body, content_type="application/json")
        text = self.text_of(received) if treatment.text is None else treatment.text
        return web.json_response({"text": text, "metadata": {"model": "r"}})

    async def _state(self, request: web.Request) -> web.StreamResponse:
        job = request.match_info["job"]
        self.polled.append(job)
        if job not in self._jobs:
            return web.json_response({}, status=404)
        _, treatment, polls = self._jobs[job]
        if treatment.forget and len(self.polled) >= treatment.forget:
            del self._jobs[job]
            return web.json_response({}, status=404)
        said = polls.pop(0) if polls else {"status": "done"}
        return web.json_response({}, status=said) if isinstance(said, int) else web.json_response(said)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        job = request.match_info["job"]
        if job not in self._jobs:
            return web.json_response({}, status=404)
        received, treatment, _ = self._jobs[job]
        return self._answer(received, treatment)

    async def _warmup(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._unknown(request)) is not None:
            return refusal
        self.warmups += 1
        return web.json_response({"warm": True})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        self.fetched.append((request.path, request.headers.get("Authorization", "")))
        if request.path not in self.files:
            raise web.HTTPNotFound
        return web.Response(body=self.files[request.path])

    def _treatment(self, request: web.Request, received: Received) -> Treatment:
        key = f"{request.path} {received.fields.get('callback_token', received.digest)}"
        if key not in self._read:
            self._read[key] = self.plan.pop(0) if self.plan else Treatment()
        return self._read[key]

    def _turned_away(self, treatment: Treatment, received: Received) -> web.Response | None:
        if not treatment.answers:
            self._read.clear()
            return None
        status = treatment.answers.pop(0)
        self.refused.append(status)
        headers = {"Retry-After": treatment.retry_after} if treatment.retry_after else {}
        if 300 <= status < 400:
            headers["Location"] = "http://example.invalid/elsewhere"
        return web.json_response({"error": "not now"}, status=status, headers=headers)

    def _unknown(self, request: web.Request) -> web.Response | None:
        if self._credential and request.headers.get("Authorization") != f"Bearer {self._credential}":
            self.refused.append(401)
            return web.json_response({"error": "credential"}, status=401)
        return None


async def _received(request: web.Request) -> Received:
    fields: dict[str, str] = {}
    file = b""
    form = await request.post()
    for name, value in form.items():
        if isinstance(value, web.FileField):
            with value.file:
                file = value.file.read()
            fields["filename"] = value.filename
        else:
            fields[name] = str(value)
    return Received(path=request.path, fields=fields, file=file, headers=dict(request.headers))


@contextlib.asynccontextmanager
async def reference_worker(credential: str = "") -> AsyncIterator[ReferenceWorker]:
    """A running worker on loopback."""
    worker = ReferenceWorker(credential)
    app = web.Application(client_max_size=64 << 20)
    app.add_routes(worker.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        worker.port = runner.addresses[0][1]
        yield worker
    finally:
        await worker.stop()
        await runner.cleanup()
