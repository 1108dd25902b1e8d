"""An application in this process, asked like one far away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from infra.cli.local_transport import PIECES, LocalTransport


class Site:
    """Endless lines, an echo, and a fault."""

    def __init__(self) -> None:
        self.made = 0
        self.app = FastAPI()
        self.app.add_api_route("/lines", self._lines)
        self.app.add_api_route("/echo", self._echo, methods=["PUT"])
        self.app.add_api_route("/fault", self._fault)

    async def _lines(self) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            while True:
                self.made += 1
                yield b"%d\n" % self.made

        return StreamingResponse(lines())

    async def _echo(self, request: Request) -> Response:
        query = dict(request.query_params)
        said = {"body": (await request.body()).decode(), "query": query, "key": request.headers["authorization"]}
        return JSONResponse(said, 201)

    async def _fault(self) -> Response:
        raise ValueError("no answer")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def http(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=LocalTransport(site.app), base_url="http://local") as client:
        yield client


async def test_pieces_come_as_they_are_made_and_no_faster_than_they_are_read(
    site: Site, http: httpx.AsyncClient
) -> None:
    async with http.stream("GET", "/lines") as answer:
        lines = answer.aiter_lines()
        assert [await anext(lines) for _ in range(100)] == [str(number) for number in range(1, 101)]
        for _ in range(200):
            await asyncio.sleep(0)
        assert site.made <= 100 + 2 * PIECES
    made = site.made
    for _ in range(50):
        await asyncio.sleep(0)
    assert site.made == made, "it goes on although nobody reads"


async def test_a_request_arrives_whole(http: httpx.AsyncClient) -> None:
    answer = await http.put("/echo", content=b"hello", params={"a": "b c"}, headers={"Authorization": "Bearer k"})
    assert answer.status_code == 201
    assert answer.json() == {"body": "hello", "query": {"a": "b c"}, "key": "Bearer k"}


async def test_a_fault_is_answered_like_one_far_away(http: httpx.AsyncClient) -> None:
    assert (await http.get("/fault")).status_code == 500


async def test_what_cannot_even_answer_is_raised() -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("broken")

    async with httpx.AsyncClient(transport=LocalTransport(broken), base_url="http://local") as client:
        with pytest.raises(RuntimeError, match="broken"):
            await client.get("/")
