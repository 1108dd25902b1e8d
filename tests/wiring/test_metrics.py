"""Metrics over HTTP: what a gateway counts follows from what happened to its jobs; who may scrape; what it costs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from infra import api_keys
from services.gateway.api_keys import KeyRing
from shared.alert import Alert, AlertKind, AlertState
from shared.job import StepName
from shared.models import LaneState
from tests.support.gateway import World, world
from tests.support.pdfs import text_pdf
from tests.support.phases import Route
from tests.support.records import seconds

SCRAPER = "a-scraper-of-this-test"


@pytest.fixture
async def gateway() -> AsyncIterator[World]:
    async with world() as made:
        yield made


class Scraped(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """Samples by name and labels."""

    def of(self, name: str, **labels: str) -> float:
        return self.get((name, frozenset(labels.items())), 0.0)


async def scrape(gateway: World, **headers: str) -> Scraped:
    gateway.gateway.gauges._at = float("-inf")  # as after the two seconds for which a look-up is good
    answer = await gateway.http.get("/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return Scraped(
        {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}
    )


async def test_a_run_is_counted_once_with_its_phases(gateway: World):
    before = await scrape(gateway)
    await gateway.upload(text_pdf("The keeper wrote the weather down."), libraryId="counted")
    await Route(gateway).run()
    after = await scrape(gateway)

    def grown(name: str, **labels: str) -> float:
        return after.of(name, **labels) - before.of(name, **labels)

    assert grown("shadowtwin_runs_started_total", kind="job") == 1
    assert grown("shadowtwin_runs_ended_total", outcome="completed", code="") == 1
    assert grown("shadowtwin_run_seconds_count", outcome="completed") == 1
    assert grown("shadowtwin_uploads_total", outcome="queued", code="") == 1
    for step in (StepName.EXTRACT, StepName.STORE, StepName.TRANSFORM, StepName.INGEST):
        assert grown("shadowtwin_phase_seconds_count", step=step, outcome="completed") == 1
    for step in (StepName.EXTRACT, StepName.TRANSFORM, StepName.INGEST):
        assert grown("shadowtwin_attempts_total", step=step, outcome="completed") == 1
        assert after.of("shadowtwin_attempts_in_work", step=step) == 0
    assert grown("shadowtwin_pages_total", step=StepName.EXTRACT) == 1
    assert grown("shadowtwin_events_told_total", subject="job.completed", again="no") == 1
    posted = {"method": "POST", "route": "/api/jobs", "status": "2xx"}
    assert grown("shadowtwin_http_request_seconds_count", **posted) == 1
    assert not [labels for name, labels in after if any(len(value) > 60 for _, value in labels)]


async def test_lost_attempts_failures_and_refused_files_are_counted_by_why(gateway: World):
    before = await scrape(gateway)
    accepted = await gateway.upload()
    await gateway.claim(accepted["jobId"])
    silent = await gateway.job(accepted["jobId"])
    gateway.jobs.clock = lambda: silent.updated_at.replace(year=silent.updated_at.year + 1)
    await gateway.sweep()
    ticket = await gateway.claim(accepted["jobId"])
    said = {"code": "a code of a foreign worker", "category": "external", "message": "no", "hint": ""}
    body = {"phase": "failed", "attempt": 2, "error": said}
    assert (await gateway.callback(accepted["jobId"], ticket["token"], body)).status_code == 200
    refused = await gateway.http.post("/api/jobs", files={"file": ("a.pdf", b"no pdf", "application/pdf")})
    assert refused.status_code == 415
    after = await scrape(gateway)

    def grown(name: str, **labels: str) -> float:
        return after.of(name, **labels) - before.of(name, **labels)

    assert grown("shadowtwin_sweeper_actions_total", kind="restarted") == 1
    assert grown("shadowtwin_attempts_lost_total", step="extract_pdf", kind="lost") == 1
    assert grown("shadowtwin_runs_ended_total", outcome="failed", code="foreign") == 1
    assert grown("shadowtwin_phase_seconds_count", step="extract_pdf", outcome="failed") == 1
    assert grown("shadowtwin_uploads_total", outcome="failed", code=refused.json()["code"]) == 1


async def test_gauges_tell_what_is_open_and_how_long_it_has_waited(gateway: World):
    accepted = await gateway.upload(libraryId="deep")
    await gateway.upload(b"%PDF-1.4\n% another\n", libraryId="deep")
    await gateway.claim(accepted["jobId"])
    changed = (await gateway.job(accepted["jobId"])).updated_at
    gateway.jobs.clock = lambda: changed.replace(year=changed.year + 1)
    alert = Alert(
        alert_id="a", kind=AlertKind.LIBRARY_FAILS, library_id="deep", subject="", state=AlertState.OPEN, message="",
        advice="", count=3, details={}, opened_at=seconds(1), seen_at=seconds(1),
    )  # fmt: skip
    gauges = gateway.gateway.gauges
    assert await gauges._alerts.put(alert)

    async def lanes() -> list[LaneState]:
        return [LaneState(endpoint="https://name:word@models.test:8443/v1", model="m", breaker="open", in_flight=2)]

    gauges._lanes = lanes
    seen = await scrape(gateway)
    assert seen.of("shadowtwin_store_up") == 1
    assert seen.of("shadowtwin_jobs_open", library="deep", status="queued") == 1
    assert seen.of("shadowtwin_jobs_open", library="deep", status="running") == 1
    assert seen.of("shadowtwin_oldest_pending_seconds", library="deep") > 360 * 86400
    assert seen.of("shadowtwin_running_unchanged_seconds", library="deep") > 360 * 86400
    assert seen.of("shadowtwin_alerts_open", kind=AlertKind.LIBRARY_FAILS) == 1
    assert seen.of("shadowtwin_workers", service="extractor") == 0
    assert seen.of("shadowtwin_model_breaker", endpoint="models.test:8443", model="m") == 2


async def test_many_libraries_share_one_series_beyond_the_hundredth(gateway: World):
    for number in range(103):
        await gateway.upload(f"%PDF-1.4\n% {number}\n".encode(), libraryId=f"library-{number}")
    seen = await scrape(gateway)
    depths = {
        dict(labels)["library"]: value for (name, labels), value in seen.items() if name == "shadowtwin_jobs_open"
    }
    assert len(depths) == 101
    queued = sum(value for (name, labels), value in seen.items() if name == "shadowtwin_jobs_open")
    assert queued == 103


async def test_scrapes_within_two_seconds_share_one_look_at_the_store(gateway: World):
    looks = 0
    jobs = gateway.gateway.gauges._jobs

    class Counting:
        async def now(self):
            return await jobs.now()

        async def open_jobs(self):
            nonlocal looks
            looks += 1
            return await jobs.open_jobs()

    gateway.gateway.gauges._jobs = Counting()  # type: ignore[assignment]
    await scrape(gateway)
    gateway.gateway.gauges._at = float("inf")  # two seconds ago at most, however slow this machine is
    for _ in range(5):
        assert (await gateway.http.get("/metrics")).status_code == 200
    assert looks == 1
    await scrape(gateway)
    assert looks == 2


async def test_a_store_that_is_away_leaves_the_scrape_answered(gateway: World):
    class Away:
        async def now(self):
            raise OSError("away")

        open_jobs = now

    gateway.gateway.gauges._jobs = Away()  # type: ignore[assignment]
    seen = await scrape(gateway)
    assert seen.of("shadowtwin_store_up") == 0
    assert not [name for name, _ in seen if name == "shadowtwin_jobs_open"]


async def test_a_scrape_needs_its_token_or_a_key_that_reads_all_libraries(tmp_path: Path):
    api_keys.make_own(tmp_path)
    one = api_keys.make(tmp_path, ["read"], ["one"], "")
    ring = KeyRing(tmp_path / api_keys.KEYS)
    token = tmp_path / "token"
    token.write_text(SCRAPER)
    async with world(keys=ring, metrics_token_file=token) as gateway:

        async def status(*, path: str = "/metrics", **headers: str) -> int:
            answer: httpx.Response = await gateway.http.get(path, headers=headers)
            return answer.status_code

        assert await status() == 401
        assert await status(Authorization="Bearer something else") == 401
        assert await status(Authorization=f"Bearer {SCRAPER}") == 200
        assert await status(path="/api/jobs", Authorization=f"Bearer {SCRAPER}") == 401
        assert await status(**api_keys.headers(api_keys.own(tmp_path))) == 200
        assert await status(**api_keys.headers(one)) == 403


def test_no_sdk_of_opentelemetry_is_imported_unless_it_is_switched_on():
    """FastAPI and FastStream import the interface, which does nothing; what costs is the rest."""
    costly = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.instrumentation", "google.protobuf")
    program = (
        "import sys, services.gateway.app, services.gateway.__main__, shared.worker, services.extractor.app\n"
        "from shared.adapters.trace_choice import open_tracing\n"
        "open_tracing('gateway')\n"
        f"print(sorted(name for name in sys.modules if name.startswith({costly})))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.strip() == "[]"


def test_a_collector_that_is_away_holds_no_process_and_fills_no_log():
    program = (
        "import asyncio, logging, sys\n"
        "from shared import tracing\n"
        "from shared.adapters.trace_choice import close_tracing, open_tracing\n"
        "logging.basicConfig(stream=sys.stdout, format='%(name)s')\n"
        "open_tracing('gateway')\n"
        "for number in range(5000):\n"
        "    with tracing.current().span('work', {'number': number}):\n"
        "        pass\n"
        "asyncio.run(close_tracing())\n"
        "print('ended')"
    )
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, but nobody listens
        away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobody.getsockname()[1]}"}
        environment = os.environ | away | {"OTEL_BSP_SCHEDULE_DELAY": "50"}
        said = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=25, check=True, env=environment
        )
    *lines, last = said.stdout.splitlines()
    assert last == "ended"
    assert lines
    assert len(lines) == len(set(lines)), "each logger of the SDK once in a minute"
    assert not said.stderr
