"""What the shared stores and the broker say at a scrape: the same at every gateway, so that boards take `max by`.

Looked up at most every two seconds, however often it is scraped, and only what is open: never all jobs. When a look-up
fails the last values go, rather than being shown as if they were new.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.gateway.webhooks.endpoints import Standing
from shared.adapters.nats_roll_call import Present
from shared.alert import AlertKind, AlertState
from shared.metrics import exposition
from shared.models import LaneState
from shared.ports import AlertStore, JobStore, OpenJobs

logger = logging.getLogger("telemetry")

T = TypeVar("T")

FRESH_SECONDS = 2.0
LOOK_SECONDS = 5.0
"""A look-up may take so long; then the scrape goes without it."""
LIBRARIES = 100
"""Libraries that have series of their own, those with most open jobs first; the others share one."""
OTHERS = "(others)"
MOST_ALERTS = 1000
SERVICES = ("extractor", "ingestor", "transformer")
BREAKERS = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


class _Seen(NamedTuple):
    """What was found; None where it could not be."""

    now: datetime | None = None
    jobs: list[OpenJobs] | None = None
    alerts: Counter[str] | None = None
    present: list[Present] | None = None
    lanes: list[LaneState] | None = None
    webhooks: Standing | None = None


class Gauges:
    """One for each gateway. `lanes` tells of the models that were called lately."""

    def __init__(
        self,
        jobs: JobStore,
        alerts: AlertStore,
        present: Callable[[], Awaitable[list[Present]]],
        lanes: Callable[[], Awaitable[list[LaneState]]] | None,
        webhooks: Callable[[], Awaitable[Standing]],
    ) -> None:
        self._jobs, self._alerts, self._present, self._lanes = jobs, alerts, present, lanes
        self._webhooks = webhooks
        self._looking = asyncio.Lock()
        self._at = float("-inf")
        self._text = b""

    async def exposition(self) -> bytes:
        """All metrics of this process, and those of the fleet."""
        async with self._looking:
            if time.monotonic() - self._at > FRESH_SECONDS:
                self._text = _text(await self._look())
                self._at = time.monotonic()
        return exposition() + self._text

    async def _look(self) -> _Seen:
        answers = await asyncio.gather(
            _within(self._jobs.now()),
            _within(self._jobs.open_jobs()),
            _within(self._open_alerts()),
            _within(self._present()),
            _within(self._lanes()) if self._lanes else asyncio.sleep(0, []),
            _within(self._webhooks()),
        )
        return _Seen(*answers)

    async def _open_alerts(self) -> Counter[str]:
        found: Counter[str] = Counter({str(kind): 0 for kind in AlertKind})
        cursor = None
        while found.total() < MOST_ALERTS:
            page, cursor = await self._alerts.find(None, AlertState.OPEN, cursor, 200)
            found.update(str(alert.kind) for alert in page)
            if cursor is None:
                break
        return found


async def _within(look: Awaitable[T]) -> T | None:
    """None where it fails or takes too long: a scrape is answered all the same."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await look
    except Exception as error:
        logger.warning("a gauge could not be looked up", extra={"reason": type(error).__name__})
        return None


class _Families(Collector):
    """Families that are made already."""

    def __init__(self, families: Sequence[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def _text(seen: _Seen) -> bytes:
    registry = CollectorRegistry()
    registry.register(_Families([*_queue(seen), *_fleet(seen), *_webhooks(seen)]))
    return generate_latest(registry)


def _queue(seen: _Seen) -> list[GaugeMetricFamily]:
    up = GaugeMetricFamily("shadowtwin_store_up", "1 while the store of jobs answers.")
    up.add_metric([], float(seen.jobs is not None and seen.now is not None))
    if seen.jobs is None or seen.now is None:
        return [up]
    depth = GaugeMetricFamily("shadowtwin_jobs_open", "Open jobs.", labels=["library", "status"])
    waiting = GaugeMetricFamily("shadowtwin_jobs_waiting", "Jobs that are not admitted yet.", labels=["library"])
    oldest = GaugeMetricFamily(
        "shadowtwin_oldest_pending_seconds", "How long the job that waits longest has waited.", labels=["library"]
    )
    silent = GaugeMetricFamily(
        "shadowtwin_running_unchanged_seconds",
        "How long the running job that has not changed for longest has not.",
        labels=["library"],
    )
    named = _named(seen.jobs)
    counts: Counter[tuple[str, str]] = Counter()
    held: Counter[str] = Counter()
    ages: dict[tuple[str, str], float] = {}
    for row in seen.jobs:
        library = row.library_id if row.library_id in named else OTHERS
        counts[library, row.status] += row.count
        held[library] += row.waiting
        age = max((seen.now - row.stillest).total_seconds(), 0.0)
        ages[library, row.status] = max(age, ages.get((library, row.status), 0.0))
    for library in sorted({library for library, _ in counts}):
        waiting.add_metric([library], held[library])
        for status in ("queued", "running"):
            depth.add_metric([library, status], counts[library, status])
        oldest.add_metric([library], ages.get((library, "queued"), 0.0))
        silent.add_metric([library], ages.get((library, "running"), 0.0))
    return [up, depth, waiting, oldest, silent]


def _named(jobs: Iterable[OpenJobs]) -> set[str]:
    sizes: Counter[str] = Counter()
    for row in jobs:
        sizes[row.library_id] += row.count
    return {library for library, _ in sizes.most_common(LIBRARIES)}


def _fleet(seen: _Seen) -> list[GaugeMetricFamily]:
    families = []
    if seen.alerts is not None:
        alerts = GaugeMetricFamily("shadowtwin_alerts_open", "Open alerts of the watch.", labels=["kind"])
        for kind, count in sorted(seen.alerts.items()):
            alerts.add_metric([kind], count)
        families.append(alerts)
    if seen.present is not None:
        workers = GaugeMetricFamily("shadowtwin_workers", "Workers that answered a roll call.", labels=["service"])
        there = Counter(worker.service for worker in seen.present)
        for service in SERVICES:
            workers.add_metric([service], there[service])
        families.append(workers)
    if seen.lanes:
        states = GaugeMetricFamily(
            "shadowtwin_model_breaker", "0 closed, 1 half open, 2 open.", labels=["endpoint", "model"]
        )
        flying = GaugeMetricFamily("shadowtwin_model_in_flight", "Calls under way.", labels=["endpoint", "model"])
        for lane in seen.lanes:
            host = urlsplit(lane.endpoint).netloc.rpartition("@")[2]
            states.add_metric([host, lane.model], BREAKERS.get(lane.breaker, 2.0))
            flying.add_metric([host, lane.model], lane.in_flight)
        families += [states, flying]
    return families


def _webhooks(seen: _Seen) -> list[GaugeMetricFamily]:
    if seen.webhooks is None:
        return []
    pending = GaugeMetricFamily("shadowtwin_webhook_pending", "Deliveries that wait for enabled endpoints.")
    pending.add_metric([], seen.webhooks.pending)
    oldest = GaugeMetricFamily(
        "shadowtwin_webhook_oldest_pending_seconds", "How old the oldest delivery that waits is."
    )
    oldest.add_metric([], seen.webhooks.oldest_seconds)
    endpoints = GaugeMetricFamily(
        "shadowtwin_webhook_endpoints", "Endpoints of webhooks; nothing is sent to disabled ones.", labels=["state"]
    )
    endpoints.add_metric(["enabled"], seen.webhooks.enabled)
    endpoints.add_metric(["disabled"], seen.webhooks.disabled)
    return [pending, oldest, endpoints]
