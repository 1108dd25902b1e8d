"""What one document costs each part of the system, taken from the figures of `bench scale`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FIGURES = Path(__file__).with_name("figures.json")
"""Measured by `bench scale --json`; says when, and on which machine."""
EVENTS = 6
"""Events that a job tells (shared/route.py)."""


class Cost(NamedTuple):
    """Seconds for a document as such, and for each of its pages."""

    job: float
    page: float

    def of(self, pages: float) -> float:
        """Seconds of a document with so many pages."""
        return self.job + self.page * pages


class Demand(NamedTuple):
    """Processor seconds by part, the document store's compare-and-swaps, and what they and a publish take."""

    gateway: Cost
    extractor: Cost
    transformer: Cost
    ingestor: Cost
    broker: float
    client: float
    swaps: float
    swap_seconds: float
    publish_seconds: float


def measured(path: Path = FIGURES) -> dict[str, Any]:
    """The committed figures."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def demand(figures: dict[str, Any]) -> Demand:
    """From the rounds with one copy of everything alone: rounds with more of them are what is predicted.

    Whole jobs were measured at two lengths, and a line goes through them.
    """
    whole, long = figures["whole"]["copies"]["1"], figures["long"]
    noop, limits = figures["noop"]["gateways"]["1"], figures["limits"]

    def line(name: str) -> Cost:
        short, more = whole["cpuPerJob"][name], long["cpuPerJob"][name]
        page = max(0.0, (more - short) / (long["pages"] - figures["whole"]["pages"]))
        return Cost(max(0.0, short - page * figures["whole"]["pages"]), page)

    return Demand(
        gateway=line("gateway"),
        extractor=line("extractor"),
        transformer=line("transformer"),
        ingestor=line("ingestor"),
        broker=whole["cpuPerJob"]["nats"],
        client=noop["clientCpuPerJob"],
        swaps=whole["swapsPerJob"],
        swap_seconds=1 / limits["swapPerSecond"],
        publish_seconds=1 / limits["publishAckPerSecond"],
    )


def without_work(found: Demand, figures: dict[str, Any], gateways: str = "1") -> Demand:
    """The same for jobs that do nothing, as measured with so many gateways: they cost each other processor time (lost
    swaps, a lock of the embedded store that each waits for, pages of it that the other has changed)."""
    noop = figures["noop"]["gateways"][gateways]
    idle = noop["cpuPerJob"]
    workers = {name: Cost(idle[name], 0.0) for name in ("extractor", "transformer", "ingestor")}
    gateway = Cost(idle["gateway"], 0.0)
    changes = {"swaps": noop["swapsPerJob"], "broker": idle["nats"]}
    return found._replace(gateway=gateway, **changes)._replace(**workers)  # type: ignore[arg-type]
