"""A simulated model server: the OpenAI wire format over real HTTP, answers and misbehaviour as programmed.

    async with ModelServer({"metadata": {"title": "A"}}, latency={"*": 0.1}) as server: server.url + "/v1"
    python -m infra.bench.model_server --port 0 --script my.module:answers

`answers` maps a purpose (`*` for any) to a value, a text, or a function of the `Asked`; without one the server makes an
answer that fits the schema. Every completed answer is counted by a hash of its question, so that a repeated one shows.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiohttp import web

from infra.bench.model_wire import Asked, asked_of, base64_of, completion, content_hash, sample, vector_of

Answer = Any


class Fault(NamedTuple):
    """What a call gets instead of its answer. `kind`: status, reset, hang, slow_headers, garbage (no JSON in the body),
    cut (half of the body), prose (text without JSON), cut_answer (JSON that ends early), wrong_schema, length (ended
    by the limit), refusal, answer (`body` is the answer: invented page numbers and the like)."""

    kind: str = "status"
    status: int = 500
    purpose: str = "*"
    retry_after: str = ""
    seconds: float = 0.0
    body: Any = None


class ModelServer:
    """`faults` are used up one by one, first match; `rates` are shares of calls with a status, by a seeded die.

    `completed` and `received` count calls by content, `in_flight`/`most_in_flight` those under way, `log` has
    (purpose, what happened) of every call, `spans` when each call with an answer began and ended, by purpose.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer] | Callable[[Asked], Answer] | None = None,
        *,
        latency: Mapping[str, float] | None = None,
        rates: Mapping[int, float] | None = None,
        retry_after: str = "0.05",
        structured: str = "json_schema",
        key: str = "",
        seed: int = 1,
        dimension: int = 16,
    ) -> None:
        """`latency` seconds by purpose; `structured` is what the server understands: json_schema, json_object or none;
        `key` is demanded as Bearer when given."""
        self.answers, self.latency, self.rates = answers or {}, dict(latency or {}), dict(rates or {})
        self.retry_after, self.structured, self.key, self.dimension = retry_after, structured, key, dimension
        self.faults: deque[Fault] = deque()
        self.completed: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.embedded: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.spans: dict[str, list[tuple[float, float]]] = {}
        self.asked: list[Asked] = []
        self.in_flight = self.most_in_flight = 0
        self.url = ""
        self._die = random.Random(seed)
        self._runner: web.AppRunner | None = None
        self._cut = asyncio.Event()

    def fail(self, kind: str = "status", times: int = 1, **more: Any) -> None:
        """The next `times` matching calls go wrong in this way."""
        self.faults.extend(Fault(kind, **more) for _ in range(times))

    @property
    def repeated(self) -> int:
        """Completed calls beyond the first of the same content."""
        return sum(count - 1 for count in self.completed.values())

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> Self:
        """Listen on loopback."""
        app = web.Application(client_max_size=1 << 28)
        app.add_routes(
            [
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/embeddings", self._embeddings),
                web.get("/v1/models", self._models),
                web.get("/control", self._control),
                web.post("/control", self._control),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        """Stop listening; what hangs is let go."""
        self._cut.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        refused = self._unauthorised(request)
        if refused is not None:
            return refused
        body = await request.json()
        asked = asked_of(body)
        digest = content_hash(body)
        self.received[digest] += 1
        self.asked.append(asked)
        self.in_flight += 1
        began = time.time()
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            format_error = self._format_error(body)
            if format_error is not None:
                return format_error
            fault = self._fault(asked.purpose)
            self.log.append((asked.purpose, fault.kind if fault else "ok"))
            if fault is not None and fault.kind in ("status", "reset", "hang"):
                return await self._broken(request, fault)
            # An answer is thought of within the latency: what that costs this machine is no part of what is measured.
            latency = asyncio.sleep(self.latency.get(asked.purpose, self.latency.get("*", 0.0)))
            answer, _ = await asyncio.gather(asyncio.to_thread(self._answer, asked), latency)
            response = await self._completion(request, asked, answer, fault)
            if fault is None or fault.kind == "answer":
                self.completed[digest] += 1
                self.spans.setdefault(asked.purpose, []).append((began, time.time()))
            return response
        finally:
            self.in_flight -= 1

    def _fault(self, purpose: str) -> Fault | None:
        for fault in self.faults:
            if fault.purpose in ("*", purpose):
                self.faults.remove(fault)
                return fault
        thrown = self._die.random()
        for status, rate in self.rates.items():
            if thrown < rate:
                return Fault(status=status, retry_after=self.retry_after if status == 429 else "")
            thrown -= rate
        return None

    async def _broken(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        await self._pause(fault.seconds)
        if fault.kind == "status":
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            said = fault.body if fault.body is not None else {"error": {"message": "simulated", "code": "simulated"}}
            return web.json_response(said, status=fault.status, headers=headers)
        if fault.kind == "hang":
            await self._cut.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._cut.wait()
        except TimeoutError:
            return

    def _format_error(self, body: Mapping[str, Any]) -> web.Response | None:
        wanted = body.get("response_format", {}).get("type", "text")
        known = {"json_schema": ("text", "json_object", "json_schema"), "json_object": ("text", "json_object")}
        if wanted in known.get(self.structured, ("text",)):
            return None
        said = {"error": {"message": f"response_format {wanted} is not supported by this model", "code": None}}
        return web.json_response(said, status=400)

    def _answer(self, asked: Asked) -> Any:
        answers: Any = self.answers
        given = answers if callable(answers) else answers.get(asked.purpose, answers.get("*"))
        answer = given(asked) if callable(given) else given
        return sample(asked.schema) if answer is None else answer

    async def _completion(self, request: web.Request, asked: Asked, answer: Any, fault: Fault | None) -> web.Response:
        kind = fault.kind if fault else ""
        if fault is not None and kind == "answer":
            answer = fault.body
        content = json.dumps(completion(asked, answer, kind))
        if kind == "garbage":
            return web.Response(text="<html>upstream connect error</html>", content_type="text/html")
        if kind == "cut":
            return web.Response(text=content[: len(content) // 2], content_type="application/json")
        if fault is not None and kind == "slow_headers":
            await self._pause(fault.seconds)
        return web.Response(text=content, content_type="application/json")

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        refused = self._unauthorised(request)
        if refused is not None:
            return refused
        body = await request.json()
        fault = self._fault("embedding")
        self.log.append(("embedding", fault.kind if fault else "ok"))
        if fault is not None:
            return await self._broken(request, fault)
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        await asyncio.sleep(self.latency.get("embedding", self.latency.get("*", 0.0)))
        self.embedded.update(texts)
        dimension = int(body.get("dimensions") or self.dimension)
        vectors = [vector_of(text, dimension) for text in texts]
        coded = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": base64_of(vector) if coded else vector}
            for index, vector in enumerate(vectors)
        ]
        tokens = sum(len(text) // 4 + 1 for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "data": data, "model": body["model"], "usage": usage})

    async def _models(self, request: web.Request) -> web.Response:
        rows = [{"id": "simulated", "object": "model", "created": 0, "owned_by": "bench"}]
        return web.json_response({"object": "list", "data": rows})

    async def _control(self, request: web.Request) -> web.Response:
        """What happened; with a POST also programme it: `faults` (as Fault), `latency`, `rates`, `reset` the counts."""
        told = await request.json() if request.method == "POST" else {}
        for fault in told.get("faults", []):
            self.fail(**fault)
        self.latency.update(told.get("latency", {}))
        self.rates.update({int(status): rate for status, rate in told.get("rates", {}).items()})
        if told.get("reset"):
            self.completed.clear()
            self.received.clear()
            self.log.clear()
            self.spans.clear()
            self.most_in_flight = self.in_flight
        return web.json_response(
            {
                "completed": sum(self.completed.values()),
                "distinct": len(self.completed),
                "repeated": self.repeated,
                "received": sum(self.received.values()),
                "in_flight": self.in_flight,
                "most_in_flight": self.most_in_flight,
                "embedded": sum(self.embedded.values()),
                "log": Counter(f"{purpose}:{what}" for purpose, what in self.log),
                "spans": self.spans,
            }
        )

    def _unauthorised(self, request: web.Request) -> web.Response | None:
        if not self.key or request.headers.get("Authorization") == f"Bearer {self.key}":
            return None
        return web.json_response({"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, status=401)


async def _serve(arguments: argparse.Namespace) -> None:
    answers: Any = None
    if arguments.script:
        module, _, name = arguments.script.partition(":")
        answers = getattr(importlib.import_module(module), name or "answers")
    rates = {int(status): float(rate) for status, _, rate in (entry.partition("=") for entry in arguments.rate)}
    latency = {purpose: float(seconds) for purpose, _, seconds in (each.partition("=") for each in arguments.latency)}
    server = ModelServer(
        answers, latency=latency, rates=rates, structured=arguments.structured, dimension=arguments.dimension
    )
    await server.start(arguments.port)
    print(json.dumps({"url": server.url}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # until whoever started it is gone
    await server.stop()


def main(given: list[str] | None = None) -> None:
    """Serve until standard input ends; the address is printed as a line of JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", default="", help="module:name of the answers (a mapping or a function)")
    parser.add_argument("--latency", action="append", default=[], help="PURPOSE=SECONDS, * for any; may be repeated")
    parser.add_argument("--rate", action="append", default=[], help="STATUS=SHARE of calls; may be repeated")
    parser.add_argument("--structured", default="json_schema", choices=["json_schema", "json_object", "none"])
    parser.add_argument("--dimension", type=int, default=16, help="of vectors, unless a call says its own")
    asyncio.run(_serve(parser.parse_args(given)))


if __name__ == "__main__":
    main()
