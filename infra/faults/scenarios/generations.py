"""(24) the ingestor killed again and again while it replaces vectors: searches see one whole generation, always."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections import Counter
from types import TracebackType

import httpx

from infra.faults.background import Background
from infra.faults.bench import Bench
from infra.faults.checker import Accepted
from infra.faults.http_proxy import Exchange
from infra.faults.scenarios.kills import STEPS
from infra.faults.snapshot import Json
from infra.faults.world import LIBRARY, Violated, World

SETTINGS = {"SHADOWTWIN_EMBED_BATCH": "8", "SHADOWTWIN_MAX_ATTEMPTS": "1000", "SHADOWTWIN_LEASE_SECONDS": "3"}
"""Small batches: a document's vectors are many writes, between any two of which the process may die."""
USUAL = {"SHADOWTWIN_SMALL_CORE": "200", "SHADOWTWIN_LARGE_CORE": "1600"}
OTHER = {"SHADOWTWIN_SMALL_CORE": "120", "SHADOWTWIN_LARGE_CORE": "960"}
"""Other windows, so other chunks: another generation of every document."""
QUERY = "harbour signal lantern granite"
LONGEST_WAIT = 1.5
"""Seconds between a claim and the kill, at most: longer than a document takes."""


class Watcher(Background):
    """Searches each document in turn, without a pause; `faults` says what no search may show."""

    def __init__(self, world: World, documents: list[str]) -> None:
        self._world, self._documents = world, documents
        self.generations: dict[str, list[frozenset[str]]] = {document_id: [] for document_id in documents}
        self.faults: list[str] = []
        self.searches = 0
        self.switches = 0
        self._last: dict[str, int] = {}

    def learn(self, name: str) -> None:
        """The chunks of every document as they are now are one generation, called so."""
        for document_id in self._documents:
            file = self._world.folder / "twins" / LIBRARY / document_id / "chunks.jsonl"
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            ids = frozenset(str(row["chunk_id"]) for row in rows if row["scale"] == "small")
            if any(ids & known for known in self.generations[document_id]):
                raise Violated([f"{document_id} has the same chunks in two generations ({name})"])
            self.generations[document_id].append(ids)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, error, trace)
        if self.faults and error is None:
            raise Violated(self.faults)

    async def run(self) -> None:
        """Search until it is cancelled."""
        async with httpx.AsyncClient(
            base_url=self._world.stack.api_url, headers=self._world.stack.headers, timeout=60, trust_env=False
        ) as http:
            while True:
                for document_id in self._documents:
                    with contextlib.suppress(httpx.HTTPError):
                        await self._look(http, document_id)

    async def _look(self, http: httpx.AsyncClient, document_id: str) -> None:
        body = {"query": QUERY, "documentId": document_id, "top": 100, "collapse": "none"}
        answer = await http.post("/api/search", json=body)
        if answer.status_code != 200:
            self.faults.append(f"search answered {answer.status_code} {answer.text[:200]}")
            return
        self.searches += 1
        found = {str(chunk) for hit in answer.json()["hits"] for chunk in hit["chunkIds"]}
        if not found:
            self.faults.append(f"{document_id} was searchable and is not found (search {self.searches})")
        seen = [n for n, ids in enumerate(self.generations[document_id]) if ids & found]
        strangers = found - frozenset().union(*self.generations[document_id])
        if len(seen) > 1 or (seen and strangers and len(self.generations[document_id]) > 1):
            self.faults.append(f"{document_id} is found in two generations at once (search {self.searches})")
        elif seen:
            self.switches += self._last.get(document_id, seen[0]) != seen[0]
            self._last[document_id] = seen[0]


async def killed_while_switching(bench: Bench) -> None:
    """20 documents, 50 kills, one clean run."""
    async with bench.world(SETTINGS) as world:
        world.patience = 240.0
        await switching(world, bench, documents=20, kills=50)


async def switching(world: World, bench: Bench, *, documents: int, kills: int) -> None:
    """Two known generations of every document, then kills during runs that make one or the other, then a clean run."""
    papers = [bench.paper(pages=10 + 3 * (n % 8)) for n in range(documents)]
    accepted = await world.load(papers)
    await world.ended(*accepted)
    await _completed(world, accepted)
    watcher = Watcher(world, [one.document_id for one in accepted])
    async with watcher:
        await asyncio.to_thread(watcher.learn, "the usual windows")
        await _configured(world, OTHER)
        await _rebuilt(world)
        await asyncio.to_thread(watcher.learn, "the other windows")
        calm = watcher.searches
        states = await _kills(world, bench, kills)
        await _configured(world, USUAL)
        await world.ended(*world.accepted)
        await _rebuilt(world)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    bench.say(
        f"{kills} kills over {documents} documents ({told}); {watcher.searches} searches, {watcher.searches - calm} of "
        f"them while it was killed, {watcher.switches} switches seen"
    )


async def _kills(world: World, bench: Bench, kills: int) -> Counter[str]:
    """Each at a random moment after a claim; what they hit."""
    states: Counter[str] = Counter()
    for number in range(kills):
        if not await _open_jobs(world):
            await _started(world)
        trap = world.gateway.trap(f"kill {number}", "response", _is_claim)
        await trap.sprung(120)
        trap.release()
        await asyncio.sleep(bench.chance.uniform(0.0, LONGEST_WAIT))
        running = await _running(world)
        world.stack.processes["ingestor"].change(bench.chance.choice((USUAL, OTHER)))
        pid = world.kill("ingestor")
        states["hit a running ingestion" if running else "hit nothing running"] += 1
        await world.replaced("ingestor", pid)
    return states


def _is_claim(exchange: Exchange) -> bool:
    return exchange.kind == "claim" and exchange.field("step") == STEPS["ingestor"]


async def _configured(world: World, settings: dict[str, str]) -> None:
    """The ingestor started anew with these settings, in an orderly way."""
    world.stack.processes["ingestor"].change(settings)
    await world.replaced("ingestor", world.kill("ingestor", signal.SIGTERM))


async def _started(world: World) -> Json:
    """A forced ingestion of every document that has no open job."""
    state: Json = {}

    async def finished() -> bool:
        nonlocal state
        if not state:
            state = (await world.http.post("/api/system/rebuild", json={"libraryId": LIBRARY})).json()
        state = (await world.http.get(f"/api/system/rebuild/{state['handle']}")).json()
        return bool(state["finished"])

    await world.until(finished, 60, "all ingestions are asked for")
    jobs = (await world.http.get("/api/jobs", params={"batchId": state["batchId"], "limit": 200})).json()["jobs"]
    world.accepted += [Accepted(job["jobId"], job["documentId"]) for job in jobs]
    return state


async def _rebuilt(world: World) -> None:
    """One clean run over all documents."""
    state = await _started(world)
    if state["error"] or state["refusals"]:
        raise Violated([f"the clean run was refused: {state}"])
    await world.ended(*world.accepted)
    await _completed(world, world.accepted)


async def _completed(world: World, jobs: list[Accepted]) -> None:
    for one in jobs:
        if (job := await world.job(one.job_id))["status"] != "completed":
            raise Violated([f"job {one.job_id} is {job['status']}: {job['error']}"])


async def _open_jobs(world: World) -> int:
    counts = [
        (await world.http.get("/api/jobs", params={"status": status, "limit": 200})).json()["jobs"]
        for status in ("queued", "running")
    ]
    return sum(map(len, counts))


async def _running(world: World) -> bool:
    jobs = (await world.http.get("/api/jobs", params={"status": "running", "limit": 200})).json()["jobs"]
    return any(
        step["name"] == STEPS["ingestor"] and step["status"] == "running" for job in jobs for step in job["steps"]
    )
