"""Prometheus metrics of a process: what every service counts, and the text that a scrape gets (ADR 43).

Labels are of closed sets (steps, outcomes, models): never a document, a job, a person or a path with an id in it.
Counters are this process's own; they begin at nought with it, as Prometheus expects.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client import generate_latest as _text

from shared.version import VERSION

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Bounds of everything that lasts as long as a phase."""

CONTENT_TYPE = CONTENT_TYPE_LATEST

_BUILD = Gauge("shadowtwin_build_info", "1; which service of which version this process is.", ["service", "version"])
_ATTEMPTS = Counter(
    "shadowtwin_attempts", "Attempts at a step that this worker has ended, by how they ended.", ["step", "outcome"]
)
_IN_WORK = Gauge("shadowtwin_attempts_in_work", "Attempts that this worker has in hand.", ["step"])
_ATTEMPT_SECONDS = Histogram(
    "shadowtwin_attempt_seconds", "How long this worker was at an attempt.", ["step"], buckets=SECONDS
)
_PAGES = Counter("shadowtwin_pages", "Pages that this worker has read.", ["step"])
_PAGE_RATE = Histogram(
    "shadowtwin_pages_per_second",
    "Pages of a document by the seconds its attempt took.",
    ["step"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500),
)
_MODEL_CALLS = Counter(
    "shadowtwin_model_calls", "Requests sent to a model, by what became of them.", ["model", "purpose", "outcome"]
)
_MODEL_SECONDS = Histogram("shadowtwin_model_call_seconds", "How long a model took.", ["model"], buckets=SECONDS)
_MODEL_TOKENS = Counter("shadowtwin_model_tokens", "Tokens that were paid.", ["model", "direction"])
_MODEL_USD = Counter("shadowtwin_model_cost_usd", "US dollars, where the price is known.", ["model", "purpose"])


class Attempt:
    """One attempt at a step, as its end is counted: `outcome` is completed, skipped, released, given_up, cancelled or
    failed; `pages` are those that it has read."""

    def __init__(self) -> None:
        self.outcome = "cancelled"
        self.pages = 0

    def ended(self, body: Mapping[str, Any]) -> None:
        """It has a final report."""
        data = body.get("data", {})
        self.outcome = "skipped" if data.get("skipped") else str(body["phase"])
        self.pages = int(data.get("counts", {}).get("pages", 0))


@contextlib.contextmanager
def attempt(step: str) -> Iterator[Attempt]:
    """Count an attempt around its work."""
    seen, started = Attempt(), time.monotonic()
    _IN_WORK.labels(step).inc()
    try:
        yield seen
    finally:
        seconds = time.monotonic() - started
        _IN_WORK.labels(step).dec()
        _ATTEMPTS.labels(step, seen.outcome).inc()
        _ATTEMPT_SECONDS.labels(step).observe(seconds)
        if seen.pages and seen.outcome == "completed":
            _PAGES.labels(step).inc(seen.pages)
            _PAGE_RATE.labels(step).observe(seen.pages / max(seconds, 0.001))


def model_called(model: str, purpose: str, outcome: str, seconds: float) -> None:
    """A request to a model has ended: ok, or the kind of its trouble."""
    _MODEL_CALLS.labels(model, purpose, outcome).inc()
    _MODEL_SECONDS.labels(model).observe(seconds)


def model_paid(model: str, purpose: str, tokens_in: int, tokens_out: int, usd: float | None) -> None:
    """What an answer has cost; `usd` is None where nobody knows the model's price."""
    _MODEL_TOKENS.labels(model, "in").inc(tokens_in)
    _MODEL_TOKENS.labels(model, "out").inc(tokens_out)
    if usd:
        _MODEL_USD.labels(model, purpose).inc(usd)


def name_process(service: str) -> None:
    """Say once which service this is."""
    _BUILD.labels(service, VERSION).set(1)


def exposition() -> bytes:
    """Everything that this process has counted, in Prometheus' text format; microseconds a metric, no I/O but /proc."""
    return _text(REGISTRY)
