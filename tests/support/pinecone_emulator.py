"""The part of Pinecone's data plane that the adapter uses, with its limits and its eventual consistency."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from typing import Any

from aiohttp import web

from tests.support.faulty_server import FaultyServer

LIST_PAGE = 100


class PineconeEmulator(FaultyServer):
    """`lag` = seconds until a write is seen by reads; `take` = the next upsert stores only so many vectors."""

    def __init__(self, dimension: int = 4) -> None:
        super().__init__()
        self.dimension = dimension
        self.lag = 0.0
        self.take: int | None = None
        self.stored: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self.seen: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/describe_index_stats", self._stats),
            web.post("/vectors/upsert", self._upsert),
            web.get("/vectors/fetch", self._fetch),
            web.get("/vectors/list", self._list),
            web.post("/vectors/delete", self._delete),
            web.post("/query", self._query),
            web.get("/namespaces", self._namespaces),
        ]

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response({"dimension": self.dimension, "namespaces": {}, "totalVectorCount": 0})

    async def _upsert(self, request: web.Request) -> web.Response:
        if len(await request.read()) > 2_097_152:
            return _refused("request larger than 2 MB", 413)
        asked = await request.json()
        vectors = asked["vectors"]
        if len(vectors) > 1000:
            return _refused("more than 1000 vectors")
        for vector in vectors:
            problem = self._problem(vector)
            if problem:
                return _refused(problem)
        kept = vectors if self.take is None else vectors[: self.take]
        self.take = None
        if self.mishap("partial"):
            kept = kept[: self.chance.randrange(len(kept) + 1)]
        space = asked.get("namespace", "")
        self.stored[space].update({vector["id"]: vector for vector in kept})
        self._show(space)
        return web.json_response({"upsertedCount": len(kept)})

    def _problem(self, vector: dict[str, Any]) -> str | None:
        metadata = vector.get("metadata", {})
        if len(vector["values"]) != self.dimension or not any(vector["values"]):
            return "wrong dimension or zero vector"
        if len(str(metadata).encode()) > 40_960:
            return "metadata too large"
        flat = (str, int, float, bool)
        for value in metadata.values():
            strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
            if not (isinstance(value, flat) or strings):
                return "metadata is not flat"
        return None

    def _show(self, space: str) -> None:
        if not self.lag:
            self.seen[space] = dict(self.stored[space])
            return
        snapshot = dict(self.stored[space])
        asyncio.get_running_loop().call_later(self.lag, self.seen.__setitem__, space, snapshot)

    async def _fetch(self, request: web.Request) -> web.Response:
        space = request.query.get("namespace", "")
        found = {name: self.seen[space][name] for name in request.query.getall("ids") if name in self.seen[space]}
        return web.json_response({"vectors": found, "namespace": space, "usage": {"readUnits": 1}})

    async def _list(self, request: web.Request) -> web.Response:
        space, start = request.query.get("namespace", ""), request.query.get("prefix", "")
        after = request.query.get("paginationToken", "")
        names = sorted(name for name in self.seen[space] if name.startswith(start) and name > after)
        page = names[:LIST_PAGE]
        answer: dict[str, Any] = {"vectors": [{"id": name} for name in page], "namespace": space}
        if len(names) > LIST_PAGE:
            answer["pagination"] = {"next": page[-1]}
        return web.json_response(answer)

    async def _delete(self, request: web.Request) -> web.Response:
        asked = await request.json()
        space = asked.get("namespace", "")
        if space not in self.stored:
            return _refused("namespace not found", 404)
        rows = self.stored[space]
        doomed = asked.get("ids") or [name for name, row in rows.items() if _matches(row, asked["filter"])]
        for name in doomed:
            rows.pop(name, None)
        self._show(space)
        return web.json_response({})

    async def _query(self, request: web.Request) -> web.Response:
        asked = await request.json()
        rows = self.seen[asked.get("namespace", "")].values()
        found = [
            (_cosine(asked["vector"], row["values"]), row) for row in rows if _matches(row, asked.get("filter", {}))
        ]
        found.sort(key=lambda pair: -pair[0])
        matches = [
            {"id": row["id"], "score": score, "metadata": row["metadata"]} for score, row in found[: asked["topK"]]
        ]
        return web.json_response(
            {"matches": matches, "namespace": asked.get("namespace", ""), "usage": {"readUnits": 1}}
        )

    async def _namespaces(self, request: web.Request) -> web.Response:
        names = [{"name": name, "recordCount": len(rows)} for name, rows in sorted(self.seen.items())]
        return web.json_response({"namespaces": names, "totalCount": len(names)})


def _refused(message: str, status: int = 400) -> web.Response:
    return web.json_response({"code": 3, "message": message, "details": []}, status=status)


def _matches(row: dict[str, Any], where: dict[str, Any]) -> bool:
    metadata = row["metadata"]
    for name, condition in where.items():
        ((operator, wanted),) = condition.items()
        value = metadata.get(name)
        if operator in ("$lte", "$gte"):
            if not isinstance(value, (int, float)) or (value > wanted if operator == "$lte" else value < wanted):
                return False
            continue
        if operator not in ("$in", "$eq"):
            raise ValueError(operator)
        values = value if isinstance(value, list) else [value]
        if not set(values) & set(wanted if operator == "$in" else [wanted]):
            return False
    return True


def _cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
