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

    Extraction is known at two lengths and gets a line through them; transformer and ingestor cost what a job that does
    nothing costs them, and the rest by page. The gateway's rest is by page as well: reports of progress.
    """
    pairs, pages = figures["extract"]["pairs"], figures["extract"]["pages"]
    whole, short = figures["whole"]["copies"]["1"], figures["whole"]["pages"]
    noop = figures["noop"]["gateways"]["1"]
    idle, full = noop["cpuPerJob"], whole["cpuPerJob"]
    long = sorted(pair["one"]["cpuPerJob"]["extractor"] for pair in pairs)[len(pairs) // 2]
    a_page = (long - full["extractor"]) / (pages - short)
    limits = figures["limits"]
    return Demand(
        gateway=_by_page(idle["gateway"], full["gateway"], short),
        extractor=Cost(max(0.0, full["extractor"] - a_page * short), a_page),
        transformer=_by_page(idle["transformer"], full["transformer"], short),
        ingestor=_by_page(idle["ingestor"], full["ingestor"], short),
        broker=idle["nats"],
        client=noop["clientCpuPerJob"],
        swaps=whole["swapsPerJob"],
        swap_seconds=1 / limits["swapPerSecond"],
        publish_seconds=1 / limits["publishAckPerSecond"],
    )


def without_work(found: Demand, figures: dict[str, Any]) -> Demand:
    """The same for jobs that do nothing."""
    noop = figures["noop"]["gateways"]["1"]
    idle = noop["cpuPerJob"]
    workers = {name: Cost(idle[name], 0.0) for name in ("extractor", "transformer", "ingestor")}
    gateway = Cost(idle["gateway"], 0.0)
    return found._replace(gateway=gateway, swaps=noop["swapsPerJob"])._replace(**workers)  # type: ignore[arg-type]


def _by_page(idle: float, full: float, pages: int) -> Cost:
    return Cost(idle, max(0.0, full - idle) / pages)
