"""An application of this process behind httpx, streaming: httpx's own transport collects an answer first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from starlette.types import ASGIApp

PIECES = 16
"""Pieces of an answer that wait for their reader."""


class _Answer(httpx.AsyncByteStream):
    """The body of an answer as the application sends it; leaving early ends the application's work."""

    def __init__(self, task: asyncio.Task[None], pieces: asyncio.Queue[bytes | None]) -> None:
        self._task, self._pieces = task, pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def aclose(self) -> None:
        """End the work behind it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class LocalTransport(httpx.AsyncBaseTransport):
    """Requests to an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx; what the application raises before it answers is raised here."""
        content = await request.aread()
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=PIECES)
        begun: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if sent:
                await asyncio.Event().wait()  # a client that stays
            sent = True
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                if not begun.done():
                    begun.set_result(message)
            elif message["type"] == "http.response.body" and message.get("body"):
                await pieces.put(message["body"])

        async def serve() -> None:
            try:
                await self._app(_scope(request), receive, send)
            except Exception as error:  # told by the application's own answer, unless there is none
                if not begun.done():
                    begun.set_exception(error)
            await pieces.put(None)

        task = asyncio.create_task(serve(), name="local request")
        try:
            start = await begun
        except asyncio.CancelledError:  # whoever has asked does not wait any more
            task.cancel()
            raise
        return httpx.Response(start["status"], headers=start["headers"], stream=_Answer(task, pieces))


def _scope(request: httpx.Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
    }
