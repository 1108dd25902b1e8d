"""Traces and metrics of real processes: one trace a run, seen by a collector; every service scraped."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.stack import Stack
from shared.tracing import span_id_of, trace_id_of
from tests.e2e.conftest import QUICK, Running
from tests.support.collector import Collector, Span, collector
from tests.support.pdfs import long_pdf

WORKERS = ("extractor", "transformer", "ingestor")


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Collector]]:
    """A stack whose processes export to a collector."""
    with collector(tmp_path_factory.mktemp("collector")) as collected:
        settings = QUICK | {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with (
            Stack(tmp_path_factory.mktemp("traced"), settings=settings) as stack,
            httpx.Client(base_url=stack.api_url, headers=stack.headers, timeout=60, trust_env=False) as http,
        ):
            made = Running(stack, http)
            made.until_ready()
            yield made, collected


def trace_of(job: dict[str, str]) -> str:
    return f"{trace_id_of(job['processId']):032x}"


def ended(collected: Collector, trace: str) -> list[Span]:
    """The spans of a trace, once the run's own is there and everybody's batch has come."""

    def whole(spans: list[Span]) -> bool:
        mine = [span for span in spans if span.trace == trace]
        ids = {span.span for span in mine}
        return any(span.name == "run" for span in mine) and all(span.parent in ids or not span.parent for span in mine)

    return [span for span in collected.until(whole) if span.trace == trace]


def test_a_whole_run_is_one_trace_with_its_phases_as_spans(traced: tuple[Running, Collector], sample: Path):
    running, collected = traced
    job = running.process(sample, library="traced")
    assert job["status"] == "completed"
    trace = trace_of(job)
    spans = ended(collected, trace)
    by_id = {span.span: span for span in spans}
    (root,) = [span for span in spans if not span.parent]
    assert (root.name, root.span) == ("run", f"{span_id_of(job['processId']):016x}")
    assert {span.service for span in spans} == {f"shadowtwin-{name}" for name in ("gateway", *WORKERS)}

    def above(span: Span) -> list[str]:
        names = []
        while span.parent:
            span = by_id[span.parent]
            names.append(span.name)
        return names

    for step, subject in (
        ("extract_pdf", "pdf.requested"), ("transform_template", "pdf.extracted"), ("ingest_rag", "ingest.requested")
    ):  # fmt: skip
        (phase,) = [span for span in spans if span.name == step]
        assert above(phase) == ["run"]
        assert root.start <= phase.start <= phase.end <= root.end
        (attempt,) = [span for span in spans if span.name == f"{step} attempt"]
        assert above(attempt) == [f"{subject} process", f"{subject} publish", step, "run"]
        told = [span for span in spans if span.name.startswith("POST /api/external/jobs/{jobId}")]
        assert any(f"{step} attempt" in above(span) for span in told), "the callback is part of the attempt"
    (stage,) = [span for span in spans if span.name == "discover_products"]
    assert above(stage) == ["transform_template", "run"]
    (asked,) = [span for span in collected.spans() if span.name == "POST /api/jobs" and trace in span.links]
    (accepted,) = [span for span in spans if span.name == "accepted"]
    assert asked.trace in accepted.links, "the request that made the job and its run know each other"
    for name in ("gateway", *WORKERS):
        lines = (running.stack.data_dir / "logs" / f"{name}.log").read_text().splitlines()
        mine = [line for line in map(json.loads, lines) if line.get("run") == job["processId"]]
        assert mine
        assert {line["trace_id"] for line in mine} == {trace}
        assert all(len(line["span_id"]) == 16 for line in mine)
        assert not [line for line in map(json.loads, lines) if line["action"].startswith("opentelemetry")]
    paths = {span.name.partition(" ")[2] for span in collected.spans() if span.name.startswith(("GET ", "POST "))}
    assert {"/api/jobs", "/api/external/jobs/{jobId}"} <= paths
    assert not [path for path in paths if job["jobId"] in path]


def test_nothing_of_keys_queries_or_documents_is_in_a_span(traced: tuple[Running, Collector], sample: Path):
    running, collected = traced
    job = running.process(sample, library="secretive")
    running.http.get("/api/uploads", params={"libraryId": "secretive", "signature": "a-signature-of-an-address"})
    spans = collected.until(lambda spans: any(span.name == "GET /api/uploads" for span in spans))
    said = json.dumps([span.attributes for span in [*spans, *ended(collected, trace_of(job))]])
    secrets = [path.read_text().strip() for path in (running.stack.data_dir / "secrets").glob("*.token")]
    assert secrets
    for hidden in (*secrets, "a-signature-of-an-address", "sample.pdf", "Lighthouses", "Bearer"):
        assert hidden not in said


def test_a_killed_worker_and_a_requeue_keep_their_traces(traced: tuple[Running, Collector], tmp_path: Path):
    running, collected = traced
    job_id = running.submit(long_pdf(tmp_path / "long.pdf", 120), libraryId="killed")["jobId"]
    running.wait_until(job_id, lambda job: job["steps"][0]["status"] == "running" and job["progress"])
    pid = running.stack.processes["extractor"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    first = running.ended(job_id, 60)
    assert first["status"] == "completed"
    trace = trace_of(first)
    spans = [span for span in collected.until(lambda spans: _has_run(spans, trace)) if span.trace == trace]
    assert [span.attributes["shadowtwin.attempt"] for span in spans if span.name == "extract_pdf attempt"][-1] == 2
    assert [span.name for span in spans if not span.parent] == ["run"]
    answer = running.http.post(f"/api/jobs/{job_id}/requeue", json={"from": "ingest"})
    assert answer.status_code == 202, answer.text
    again = running.ended(job_id)
    assert again["processId"] != first["processId"]
    second = ended(collected, trace_of(again))
    (root,) = [span for span in second if span.name == "run"]
    assert root.links == [trace]
    assert {span.service for span in second} == {"shadowtwin-gateway", "shadowtwin-ingestor"}


def _has_run(spans: list[Span], trace: str) -> bool:
    return any(span.name == "run" and span.trace == trace for span in spans)
