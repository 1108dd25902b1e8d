"""The client of a foreign worker: what it sends goes in pieces, what it gets is bounded, nobody leads it elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.adapters.external_service import ExternalService, NoAnswer, NotThere
from shared.errors import ConfigurationError, DocumentError, ShadowtwinError, TransientError
from shared.external_settings import ExternalSettings


@contextlib.asynccontextmanager
async def service(handler: Any, **settings: Any) -> AsyncIterator[ExternalService]:
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    made = ExternalService(ExternalSettings(external_url=url, external_connect_seconds=2, **settings))
    try:
        yield made
    finally:
        await made.close()
        await runner.cleanup()


async def test_a_large_file_arrives_whole_and_in_pieces(tmp_path: Path):
    file = tmp_path / "large.pdf"
    with file.open("wb") as large:
        large.truncate(48 << 20)
    pieces: list[int] = []

    async def drain(request: web.Request) -> web.Response:
        pieces.extend([len(piece) async for piece in request.content.iter_any()])
        return web.json_response({"text": "x"}, status=202)

    async with service(drain) as made:
        reply = await made.send("/parse", {"doc_hash": "h"}, file=str(file), name="größe.pdf", patience=20)
    assert (reply.status, reply.body) == (202, {"text": "x"})
    assert sum(pieces) > 48 << 20
    assert max(pieces) < 4 << 20


async def test_an_endless_answer_is_cut_off():
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        return response

    async with service(endless, external_answer_bytes=1 << 20) as made:
        with pytest.raises(DocumentError, match="larger than"):
            await made.get("/jobs/1")


async def test_an_answer_that_does_not_come_is_told_from_a_request_that_did_not_arrive():
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    async with service(slow) as made:
        with pytest.raises(NoAnswer, match="worker_silent"):
            await made.send("", {"a": "b"}, patience=0.2)


async def test_a_redirect_is_not_followed_and_its_target_never_asked():
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/other"})

    async with service(elsewhere) as made:
        with pytest.raises(ConfigurationError):
            await made.send("/parse", {}, patience=5)
    assert asked == ["/parse"]


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, DocumentError, "worker_failed"),
        (413, DocumentError, "worker_failed"),
        (401, ConfigurationError, "misconfigured"),
        (404, NotThere, "unavailable"),
        (405, ConfigurationError, "misconfigured"),
        (408, TransientError, "rate_limited"),
        (429, TransientError, "rate_limited"),
        (500, TransientError, "unavailable"),
    ],
)
async def test_a_status_says_who_has_to_act(status: int, error: type[ShadowtwinError], code: str):
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status, text="the secret of the server", headers={"Retry-After": "7"})

    async with service(refuse) as made:
        with pytest.raises(error) as refused:
            await made.get("/jobs/1")
    assert refused.value.code == code
    assert "secret" not in refused.value.message
    if isinstance(refused.value, TransientError) and status != 404:
        assert refused.value.retry_after == 7.0


async def test_nobody_there_is_a_passing_failure():
    made = ExternalService(ExternalSettings(external_url="http://127.0.0.1:9"))
    with pytest.raises(TransientError):
        await made.get("/jobs/1")
    await made.close()
