"""The simulation of this machine, against what was measured on it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from infra.bench.scale.demand import Cost, Demand, demand, without_work
from infra.bench.scale.simulation import PHASES, Plant, Simulation

ONLY_EXTRACTION = {"extractor": 1, "transformer": 1, "ingestor": 1}
DOCUMENTS = 120
ADMITTED = 16
"""Of one library at a time (SHADOWTWIN_MAX_ADMITTED_PER_LIBRARY): the bench uses one library."""


class Point(NamedTuple):
    """Jobs a second of one measured configuration."""

    name: str
    measured: float
    simulated: float
    foreign: float = 0.0
    """The share of the machine that others took meanwhile."""

    @property
    def error(self) -> float:
        """How far the simulation is off, of the measured rate."""
        return self.simulated / self.measured - 1


def points(figures: dict[str, Any]) -> list[Point]:
    """Every measured configuration. The costs come from those with one copy, of jobs that do nothing from those with so
    many gateways; rates of none are used.

    What others took of the machine during a round makes its processors slower by that.
    """
    found = demand(figures)
    idle = without_work(found, figures)
    cores = figures["machine"]["cores"]
    extract = figures["extract"]
    only = _while_extracting(figures, idle)
    made = []
    for name, workers in (("one", 1), ("two", 2)):
        rounds = [pair[name] for pair in extract["pairs"]]
        plant = Plant({**ONLY_EXTRACTION, "extractor": workers}, cores=cores, **_of(extract["pages"]))
        made.append(_point(f"extract-only, {workers} workers", rounds, plant, only))
    for copies, one in figures["whole"]["copies"].items():
        plant = Plant(dict.fromkeys(PHASES, int(copies)), cores=cores, **_of(figures["whole"]["pages"]))
        made.append(_point(f"whole jobs, {copies} of each worker", [one], plant, found))
    for gateways, one in figures["noop"]["gateways"].items():
        plant = Plant(dict.fromkeys(PHASES, 2), gateways=int(gateways), cores=cores, **_of(1))
        costs = without_work(found, figures, gateways)
        made.append(_point(f"no-op jobs, {gateways} gateways", [one], plant, costs))
    return made


def _point(name: str, rounds: Sequence[dict[str, Any]], plant: Plant, costs: Demand) -> Point:
    measured = statistics.median(float(one["jobsPerSecond"]) for one in rounds)
    foreign = statistics.median(float(one["foreignShare"]) for one in rounds)
    outcome = Simulation(plant, _slower(costs, 1 / (1 - foreign)), DOCUMENTS).run()
    return Point(name, measured, outcome.per_second, foreign)


def _slower(costs: Demand, factor: float) -> Demand:
    names = ("gateway", "extractor", "transformer", "ingestor")
    slow = {name: Cost(*(seconds * factor for seconds in getattr(costs, name))) for name in names}
    return costs._replace(
        broker=costs.broker * factor, client=costs.client * factor, swap_seconds=costs.swap_seconds * factor
    )._replace(**slow)  # type: ignore[arg-type]


def _of(pages: int) -> dict[str, Any]:
    return {"pages": float(pages), "spread": 0.0, "admitted": ADMITTED}


def _while_extracting(figures: dict[str, Any], idle: Demand) -> Demand:
    """Extract-only jobs of one length, as measured with one worker."""
    rounds = [pair["one"] for pair in figures["extract"]["pairs"]]

    def used(name: str) -> float:
        return statistics.median(float(one["cpuPerJob"][name]) for one in rounds)

    return idle._replace(
        gateway=Cost(used("gateway"), 0.0),
        extractor=Cost(used("extractor"), 0.0),
        broker=used("nats"),
        client=statistics.median(one["clientCpuPerJob"] for one in rounds),
        swaps=figures["extract"]["swapsPerJob"],
    )
