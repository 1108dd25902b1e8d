"""`POST /v1/embeddings` as OpenAI answers it: deterministic vectors, base64 unless floats are asked for."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

from aiohttp import web

from tests.support.faulty_server import FaultyServer

KEY = "test-key-for-the-emulator"


def vector_of(text: str, dimension: int) -> list[float]:
    """A vector that depends on the text only; not of unit length."""
    seed = hashlib.sha256(text.encode()).digest()
    return [math.sin(seed[i % 32] + i) * 3 for i in range(dimension)]


class OpenAIEmulator(FaultyServer):
    """`omit` = how many vectors the next answers leave out; `dimension` = length of its vectors."""

    def __init__(self, dimension: int = 16) -> None:
        super().__init__()
        self.dimension = dimension
        self.omit = 0
        self.batches: list[list[str]] = []
        self.requests: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/embeddings", self._embed)]

    async def _embed(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            body = {"error": {"message": f"Incorrect API key: {request.headers.get('Authorization')}", "code": "key"}}
            return web.json_response(body, status=401)
        asked = await request.json()
        texts: list[str] = asked["input"]
        if len(texts) > 2048 or not all(texts):
            return web.json_response({"error": {"message": "too many or empty inputs"}}, status=400)
        self.batches.append(texts)
        self.requests.append({name: value for name, value in asked.items() if name != "input"})
        kept = max(len(texts) - self.omit, 0)
        self.omit = max(self.omit - len(texts), 0)
        floats = asked.get("encoding_format") != "base64"
        data = [self._entry(index, text, floats) for index, text in enumerate(texts[:kept])]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        # out of order on purpose: the index counts, not the place
        return web.json_response({"object": "list", "data": data[::-1], "model": asked["model"], "usage": usage})

    def _entry(self, index: int, text: str, floats: bool) -> dict[str, Any]:
        vector = vector_of(text, self.dimension)
        encoded = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        return {"object": "embedding", "index": index, "embedding": vector if floats else encoded}
