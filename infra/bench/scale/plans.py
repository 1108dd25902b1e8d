"""From 10^2 to 10^4 workers: what limits first, what next when that is mended, how long a million documents take."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from infra.bench.scale.demand import Demand
from infra.bench.scale.simulation import PHASES, Outcome, Plant, Simulation

SIZES = (100, 1_000, 10_000)
STORE_SECONDS = 0.00025
"""Assumed: a replica set takes 4,000 compare-and-swaps a second. It is not measured here."""
ROWS_PER_SECOND = 20_000.0
"""Assumed: rows that a vector store takes."""
COMMON_CPUS = 10
"""Assumed: three servers of the broker with two processors each, and four for the store."""
FULL = 0.75
"""How much a gateway should have to do at most."""
MOST_STEPS = 6
REACHED = 0.9
"""A station with so much to do is what limits."""


class Prices(NamedTuple):
    """Assumptions, in one currency: of a virtual processor for an hour, and of the model's calls for a document."""

    cpu_hour: float = 0.04
    model_document: float = 0.0


class Step(NamedTuple):
    """A plant, what was changed from the one before, and how it does."""

    workers: int
    change: str
    plant: Plant
    outcome: Outcome
    hours: float
    cpu_hours: float
    price: float


def ladder(workers: int, demand: Demand, documents: int, prices: Prices, **model: float) -> list[Step]:
    """Start with the defaults; lift what limits, as long as more of it helps."""
    plant = Plant(
        _split(workers, demand),
        swap_seconds=STORE_SECONDS,
        rows_per_second=ROWS_PER_SECOND,
        **model,  # type: ignore[arg-type]
    )
    change, steps = "defaults", list[Step]()
    while len(steps) < MOST_STEPS:
        walked = max(2_000, 3 * plant.admitted)
        outcome = Simulation(plant, demand, min(documents, walked)).run()
        steps.append(_step(workers, change, plant, outcome, documents, prices))
        lifted = _lifted(plant, outcome, demand, workers)
        if lifted is None:
            break
        change, plant = lifted
    return steps


def _step(workers: int, change: str, plant: Plant, outcome: Outcome, documents: int, prices: Prices) -> Step:
    hours = outcome.seconds(documents) / 3600
    cpu_hours = hours * (workers + plant.gateways + COMMON_CPUS)
    price = cpu_hours * prices.cpu_hour + documents * prices.model_document
    return Step(workers, change, plant, outcome, hours, cpu_hours, price)


def _lifted(plant: Plant, outcome: Outcome, demand: Demand, workers: int) -> tuple[str, Plant] | None:
    """The plant with more of what limits, and what that is called; None where there is no more of it."""
    limit = outcome.bottleneck.name
    if limit == "admission" and plant.admitted < workers:
        admitted = math.ceil(1.3 * workers)
        return f"SHADOWTWIN_MAX_ADMITTED={admitted}", replace(plant, admitted=admitted)
    if limit == "gateway":
        wanted = min(plant.workers["extractor"] / demand.extractor.of(plant.pages), _elsewhere(plant, demand))
        gateways = max(plant.gateways + 1, math.ceil(wanted * demand.gateway.of(plant.pages) / FULL))
        return f"{gateways} gateways", replace(plant, gateways=gateways)
    return None


def _elsewhere(plant: Plant, demand: Demand) -> float:
    """Documents a second that store and vector store allow: more gateways than these need are of no use."""
    rates = [1 / (demand.swaps * plant.swap_seconds)] if plant.swap_seconds else []
    rates += [plant.rows_per_second / plant.rows_per_page / plant.pages] if plant.rows_per_second else []
    return min(rates, default=math.inf)


def _split(workers: int, demand: Demand) -> dict[str, int]:
    """As many of each kind as the work asks for, for documents of the usual length."""
    pages = Plant().pages
    costs = {"extractor": demand.extractor, "transformer": demand.transformer, "ingestor": demand.ingestor}
    total = sum(cost.of(pages) for cost in costs.values())
    return {name: max(1, round(workers * costs[name].of(pages) / total)) for name in PHASES}


def lines(steps: list[Step], documents: int) -> list[str]:
    """The table for a reader."""
    told = [
        f"{documents:,} documents of {Plant().pages:.0f} pages on average",
        f"{'workers':>8} {'documents/s':>12} {'hours':>8} {'vCPU h':>9} {'price':>9} {'median s':>9} {'95 % s':>8}"
        "  limited by (used); after",
    ]
    for step in steps:
        limit = step.outcome.bottleneck
        told.append(
            f"{step.workers:>8} {step.outcome.per_second:>12.1f} {step.hours:>8.1f} {step.cpu_hours:>9.0f} "
            f"{step.price:>9.0f} {step.outcome.median:>9.1f} {step.outcome.p95:>8.1f}  {limit.name} "
            f"({limit.used:.0%}); {step.change}"
        )
    return told
