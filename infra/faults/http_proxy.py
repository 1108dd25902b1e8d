"""Stands between the workers and the gateway: holds, drops and remembers their requests."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, NamedTuple

import aiohttp
from aiohttp import web

from infra.faults.trap import Trap

Stage = Literal["request", "response"]
MOST_KEPT = 5_000
_HOP = {"host", "content-length", "transfer-encoding", "connection"}


class Exchange(NamedTuple):
    """One request of a worker, as it was sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """claim | heartbeat | requeue | callback."""
        return "callback" if self.path.startswith("/api/external/") else self.path.rsplit("/", 1)[1]

    @property
    def job_id(self) -> str:
        """Which job it is about."""
        return self.path.split("/")[4]

    def field(self, name: str) -> Any:
        """A field of the JSON body, None if there is none."""
        try:
            return json.loads(self.body).get(name)
        except (ValueError, AttributeError):
            return None

    @property
    def final(self) -> bool:
        """Whether it reports a step's result."""
        return self.kind == "callback" and self.field("phase") in ("completed", "failed")


class HttpProxy:
    """`async with HttpProxy(target)`; `target` is asked for anew with every request."""

    def __init__(self, target: Callable[[], str]) -> None:
        self._target = target
        self._traps: list[tuple[Stage, Callable[[Exchange], bool], Trap]] = []
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.seen: list[Exchange] = []
        self.tokens: set[str] = set()
        """Every token that the gateway has given to a worker."""
        self.url = ""
        self._pauses = 0
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> HttpProxy:
        app = web.Application(client_max_size=1 << 27)
        app.router.add_route("*", "/{path:.*}", self._forward)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None), connector=aiohttp.TCPConnector(limit=0)
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, logger=_silent())
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.set()
        for _, _, trap in self._traps:
            trap.drop()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def pause(self) -> None:
        """Let no request through for a moment: so that a trap can be set for a job whose id is not known yet."""
        self._pauses += 1
        self._open.clear()

    def resume(self) -> None:
        """End one pause."""
        self._pauses -= 1
        if not self._pauses:
            self._open.set()

    def trap(self, what: str, stage: Stage, matches: Callable[[Exchange], bool]) -> Trap:
        """Hold the next exchange that matches, before it is forwarded or before it is answered."""
        trap = Trap(what)
        self._traps.append((stage, matches, trap))
        return trap

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        exchange = Exchange(request.path, dict(request.headers), await request.read())
        if len(self.seen) < MOST_KEPT and exchange.kind != "heartbeat":
            self.seen.append(exchange)
        await self._open.wait()
        trap = self._matching("request", exchange)
        if trap is not None and not await trap.hold():
            return _cut(request)
        try:
            status, content, kind = await self._send(request, exchange)
        except aiohttp.ClientError:
            return _cut(request)
        if trap is not None:
            trap.passed()
        return await self._answer(request, exchange, web.Response(body=content, status=status, content_type=kind))

    async def _send(self, request: web.Request, exchange: Exchange) -> tuple[int, bytes, str]:
        assert self._session is not None
        headers = {name: value for name, value in exchange.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method, self._target() + request.path_qs, headers=headers, data=exchange.body
        ) as answer:
            content = await answer.read()
            if exchange.kind == "claim" and answer.status == 200:
                self.tokens.add(str(json.loads(content)["token"]))
            return answer.status, content, answer.content_type

    async def _answer(self, request: web.Request, exchange: Exchange, response: web.Response) -> web.StreamResponse:
        trap = self._matching("response", exchange)
        if trap is None:
            return response
        if not await trap.hold():
            return _cut(request)
        await response.prepare(request)
        await response.write_eof()
        trap.passed()
        return response

    def _matching(self, stage: Stage, exchange: Exchange) -> Trap | None:
        for wanted, matches, trap in self._traps:
            if wanted == stage and trap.armed and matches(exchange):
                return trap
        return None


def _silent() -> logging.Logger:
    """Broken and impossible requests are what this is for: nothing to report."""
    logger = logging.Logger("proxy")
    logger.addHandler(logging.NullHandler())
    return logger


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
