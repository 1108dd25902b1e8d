"""A small HTTP server on a port of its own that fails as told: the base of the emulators."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web


class Failure(NamedTuple):
    """What the next matching request gets instead of its answer; status 0 drops the connection."""

    path: str
    status: int
    headers: Mapping[str, str] = {}
    body: Mapping[str, Any] = {}
    delay: float = 0.0


class FaultyServer:
    """Counts requests by path (`counts`), remembers their bodies' sizes, and fails while `failures` has an entry.

    With `unreliable` (a share of all requests) and `chance` it also fails by chance: too many requests, two kinds of
    errors, a connection that breaks before the work or after it. `mishaps` counts these.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.largest_request = 0
        self.failures: deque[Failure] = deque()
        self.delay = 0.0
        self.unreliable = 0.0
        self.chance = random.Random(1)
        self.mishaps: Counter[str] = Counter()
        self.url = ""
        self._runner: web.AppRunner | None = None

    def routes(self) -> list[web.RouteDef]:
        """The emulated API."""
        raise NotImplementedError

    def fail(self, path: str, status: int, times: int = 1, **more: Any) -> None:
        """The next `times` requests of that path fail with this status."""
        self.failures.extend(Failure(path, status, **more) for _ in range(times))

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._middleware], client_max_size=1 << 26)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.counts[request.path] += 1
        self.largest_request = max(self.largest_request, len(await request.read()))
        await asyncio.sleep(self.delay)
        if self.failures and self.failures[0].path == request.path:
            failure = self.failures.popleft()
            await asyncio.sleep(failure.delay)
            if failure.status == 0:
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            return web.json_response(dict(failure.body), status=failure.status, headers=failure.headers)
        mishap = self.mishap("429", "500", "503", "broken before", "broken after")
        if mishap.isdigit():
            headers = {"Retry-After": "0.05"} if mishap == "429" else {}
            return web.json_response({}, status=int(mishap), headers=headers)
        answer: web.StreamResponse = web.Response() if mishap == "broken before" else await handler(request)
        if mishap:
            assert request.transport is not None
            request.transport.abort()
        return answer

    def mishap(self, *kinds: str) -> str:
        """One of these if chance will have it, else nothing."""
        if self.chance.random() >= self.unreliable:
            return ""
        kind = self.chance.choice(kinds)
        self.mishaps[kind] += 1
        return kind
