"""A discrete-event simulation of the system: documents go through gateways, store, broker, workers, model and vectors.

What it leaves out is listed in docs/scale.md.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import NamedTuple

import simpy

from infra.bench.scale.demand import Cost, Demand
from infra.bench.scale.stations import Cores, Meter, Station, Steps

PHASES = ("extractor", "transformer", "ingestor")
VISITS = 1 + 2 * len(PHASES)
"""At the gateway, of one job: its admission, and a claim and a report for each phase."""


@dataclass(frozen=True)
class Plant:
    """What there is of everything. `cores`: everything shares so many (this machine); None: each worker and each
    gateway has a core of its own. Rates by second, `model_*` by call; a rate of 0 is no limit."""

    workers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PHASES, 1))
    gateways: int = 1
    admitted: int = 64
    cores: int | None = None
    pages: float = 20.0
    spread: float = 0.8
    """Of the logarithm of a document's pages; 0: all have the same."""
    swap_seconds: float | None = None
    """Of the store; None: what the embedded one was measured to take."""
    model_calls: int = 0
    model_seconds: float = 3.0
    model_in_flight: int = 64
    model_tokens: float = 3_000.0
    tokens_per_minute: float = 0.0
    heartbeat: float = 1.0
    """Seconds between two signs of life of a worker at work (SHADOWTWIN_HEARTBEAT_SECONDS)."""
    beat_seconds: float = 0.001
    """Of a gateway, for one of them: assumed, for a small request with one read and one write."""
    rows_per_page: float = 6.0
    rows_per_second: float = 0.0


class Load(NamedTuple):
    """A station during the steady part: share of its places that were taken, mean wait of a visit in seconds."""

    name: str
    used: float
    wait: float


class Outcome(NamedTuple):
    """Documents a second when all is under way, how long one takes from admission on (median, 95th percentile), the
    stations, and those seconds at the beginning and the end in which not all is under way."""

    per_second: float
    median: float
    p95: float
    loads: list[Load]
    ramp: float

    @property
    def bottleneck(self) -> Load:
        """The station that is used most."""
        return max(self.loads, key=lambda load: load.used)

    def seconds(self, documents: int) -> float:
        """Until so many documents are through."""
        return documents / self.per_second + self.ramp


class Simulation:
    """One walk of `documents` through a plant; the same seed gives the same walk."""

    def __init__(self, plant: Plant, demand: Demand, documents: int, seed: int = 1) -> None:
        self._plant, self._demand, self._left, self._documents = plant, demand, documents, documents
        self._chance = random.Random(seed)
        self._env = env = simpy.Environment()
        self._cores = Cores(env, plant.cores)
        self._gateway = Station(env, "gateway", plant.gateways)
        self._store = Station(env, "store", 1)
        self._broker = Station(env, "broker", 1)
        self._slots = {name: Station(env, name, plant.workers[name]) for name in PHASES}
        self._admission = Station(env, "admission", plant.admitted)
        self._model = Station(env, "model in flight", plant.model_in_flight)
        self._tokens = Meter(env, "model tokens", plant.tokens_per_minute) if plant.tokens_per_minute else None
        self._vectors = Meter(env, "vector store", plant.rows_per_second * 60) if plant.rows_per_second else None
        self._took: list[float] = []

    def run(self) -> Outcome:
        """The steady part is that between a third of the documents and nine tenths of them."""
        for _ in range(min(self._plant.admitted, self._documents)):
            self._env.process(self._admission.hold(self._lane()))
        first, last = self._documents // 3, self._documents * 9 // 10
        self._until(first)
        began, before = self._env.now, self._marks()
        self._until(last)
        ended, after = self._env.now, self._marks()
        self._until(self._documents)
        span = ended - began
        rate = (last - first) / span
        loads = [
            Load(one.name, (now - then) / span / one.places, (waited - had_waited) / max(1, visits - had_visits))
            for one, (then, had_waited, had_visits), (now, waited, visits) in zip(
                self._stations(), before, after, strict=True
            )
        ]
        loads.append(self._admission_load(loads))
        took = sorted(self._took[first:last])
        ramp = max(0.0, self._env.now - self._documents / rate)
        return Outcome(rate, took[len(took) // 2], took[len(took) * 95 // 100], loads, ramp)

    def _until(self, count: int) -> None:
        while len(self._took) < count:
            self._env.step()

    def _stations(self) -> list[Station | Meter]:
        optional = [one for one in (self._tokens, self._vectors) if one is not None]
        model = [self._model] if self._plant.model_calls else []
        return [self._gateway, self._store, self._broker, *self._slots.values(), *model, *optional]

    def _marks(self) -> list[tuple[float, float, int]]:
        return [(one.taken(), one.waited, one.visits) for one in self._stations()]

    def _admission_load(self, loads: list[Load]) -> Load:
        """All lanes are always taken while documents wait; they are what limits when nothing behind them is used up."""
        fewer = self._plant.admitted < sum(self._plant.workers.values())
        return Load("admission", 1.0 if fewer and max(load.used for load in loads) < 0.9 else 0.0, 0.0)

    def _lane(self) -> Steps:
        """One admitted job after another, until none is left."""
        while self._left:
            self._left -= 1
            began = self._env.now
            yield from self._job()
            self._took.append(self._env.now - began)

    def _job(self) -> Steps:
        plant, demand = self._plant, self._demand
        pages = self._pages()
        costs = {"extractor": demand.extractor, "transformer": demand.transformer, "ingestor": demand.ingestor}
        yield from self._cores.spend(demand.client) if plant.cores else ()
        yield from self._at_gateway(0.0)
        for name in PHASES:
            yield from self._told()
            slot = self._slots[name]
            yield from slot.hold(self._phase(slot, costs[name], pages), counted=False)

    def _phase(self, slot: Station, cost: Cost, pages: float) -> Steps:
        """A worker's place is taken from its claim to the answer to its report."""
        plant, began = self._plant, self._env.now
        yield from self._at_gateway(0.0)
        yield from slot.used(self._cores.spend(cost.of(pages)))
        if slot.name == "transformer":
            for _ in range(plant.model_calls):
                if self._tokens is not None:
                    yield from self._tokens.pass_through(plant.model_tokens)
                yield from self._model.hold(slot.used(self._answer()))
        if slot.name == "ingestor" and self._vectors is not None:
            yield from self._vectors.pass_through(pages * plant.rows_per_page)
        if beats := int((self._env.now - began) / plant.heartbeat):
            self._env.process(self._beats(beats))
        yield from self._at_gateway(pages / len(PHASES))

    def _beats(self, count: int) -> Steps:
        """The signs of life of the work that has just ended: they keep nobody waiting but those behind them."""
        yield from self._gateway.hold(self._cores.spend(count * self._plant.beat_seconds))
        if self._plant.swap_seconds is not None:
            yield from self._store.hold(self._pause(count * self._plant.swap_seconds))

    def _at_gateway(self, pages: float) -> Steps:
        """A share of the job's work there. Compare-and-swaps happen one at a time whatever the number of gateways."""
        demand = self._demand
        seconds = demand.gateway.job / VISITS + demand.gateway.page * pages
        if self._plant.swap_seconds is not None:  # a store elsewhere: its time is not the gateway's
            yield from self._gateway.hold(self._cores.spend(seconds))
            yield from self._store.hold(self._pause(demand.swaps / VISITS * self._plant.swap_seconds))
            return
        swaps = min(seconds, demand.swaps / VISITS * demand.swap_seconds)
        yield from self._gateway.hold(self._with_swaps(seconds - swaps, swaps))

    def _with_swaps(self, seconds: float, swaps: float) -> Steps:
        yield from self._cores.spend(seconds)
        yield from self._store.hold(self._cores.spend(swaps))

    def _told(self) -> Steps:
        """Two events a phase, with their acknowledgement."""
        if self._plant.cores:
            yield from self._cores.spend(self._demand.broker / len(PHASES))
        else:
            yield from self._broker.hold(self._pause(2 * self._demand.publish_seconds))

    def _answer(self) -> Steps:
        mean, sigma = self._plant.model_seconds, 0.5
        yield self._env.timeout(self._chance.lognormvariate(math.log(mean) - sigma**2 / 2, sigma))

    def _pause(self, seconds: float) -> Steps:
        yield self._env.timeout(seconds)

    def _pages(self) -> float:
        mean, sigma = self._plant.pages, self._plant.spread
        return self._chance.lognormvariate(math.log(mean) - sigma**2 / 2, sigma) if sigma else mean
