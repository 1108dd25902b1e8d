"""A receiver of webhooks on loopback, as its owner would write one: it verifies with the reference library."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from aiohttp import web
from standardwebhooks.webhooks import Webhook


class Received(NamedTuple):
    """A verified message."""

    webhook_id: str
    type: str
    data: dict[str, Any]


class Receiver:
    """`answers` gives the status of each request by its number from 0 (None: no answer at all); `taken` are those that
    were answered with 2xx. Without `secret` nothing is verified."""

    def __init__(self) -> None:
        self.secret = ""
        self.answers: Callable[[int, Received], int | None] = lambda number, message: 204
        self.headers: dict[str, str] = {}
        self.asked: list[Received] = []
        self.taken: list[Received] = []
        self.signatures: list[str] = []
        self.port = 0

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.place}/hook"

    async def hear(self, request: web.Request) -> web.Response:
        body = await request.read()
        content = Webhook(self.secret).verify(body, dict(request.headers))
        message = Received(request.headers["webhook-id"], content["type"], content["data"])
        number = len(self.asked)
        self.asked.append(message)
        self.signatures.append(request.headers["webhook-signature"])
        status = self.answers(number, message)
        if status is None:
            await asyncio.sleep(60)
        assert status is not None
        if 200 <= status < 300:
            self.taken.append(message)
        return web.Response(status=status, headers=self.headers)


@contextlib.asynccontextmanager
async def receiver(
    port: int = 0, made: Receiver | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """Until the block ends; a given one goes on at a given port."""
    made = made or Receiver()
    app = web.Application()
    app.router.add_post("/hook", made.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True, ssl_context=tls).start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()
