"""Stuck jobs: for each staged one the analysis names the step, the reason and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.gateway.stuck import Surroundings, diagnose, timeline
from shared.edits import failure
from shared.job import Job, JobStatus, OutboxEntry, StepName, StepStatus
from tests.support.records import make_job, running_job, seconds

NOW = seconds(100)


def around(**changes: Any) -> Surroundings:
    usual: dict[str, Any] = {
        "now": NOW,
        "broker_ready": True,
        "workers": {"extractor": 2, "transformer": 2, "ingestor": 2},
        "lease_seconds": 7.0,
    }
    return Surroundings(**{**usual, **changes})


def told(subject: str = "pdf.requested", *, at: float = 99, kind: str = "event", **data: Any) -> list[OutboxEntry]:
    return [OutboxEntry(event_id="e", kind=kind, at=seconds(at), subject=subject, data=data)]


def admitted(**changes: Any) -> Job:
    return make_job("1", admitted_at=seconds(1), **changes)


def failed(code: str, step: str = "extract_pdf") -> Job:
    return make_job("1", status=JobStatus.FAILED, error=failure(step, code, "document", f"it is {code}"))


STAGED: list[tuple[str, Job, Surroundings, str]] = [
    ("waiting_for_admission", make_job("1"), around(ahead=16), "queue"),
    ("no_worker", admitted(outbox=told()), around(workers={"extractor": 0}), "extract_pdf"),
    ("broker_away", admitted(outbox=told()), around(broker_ready=False), "extract_pdf"),
    ("worker_silent", running_job(beat=80), around(), "extract_pdf"),
    ("no_progress", running_job(beat=99, deadline=3600), around(), "extract_pdf"),
    ("past_deadline", running_job(beat=99, deadline=90), around(), "extract_pdf"),
    ("waiting_to_retry", admitted(outbox=told(at=130)), around(), "extract_pdf"),
    ("delivery_waits", admitted(outbox=told("", at=50, kind="deliver", step="extract_pdf")), around(), "extract_pdf"),
    ("nothing_pending", admitted(), around(), "extract_pdf"),
    ("attempts_exhausted", failed("attempts_exhausted", "ingest_rag"), around(), "ingest_rag"),
    ("pdf_encrypted", failed("pdf_encrypted"), around(), "extract_pdf"),
    ("cancelled", failed("cancelled"), around(), "extract_pdf"),
]


@pytest.mark.parametrize(("code", "job", "surroundings", "step"), STAGED, ids=[row[0] for row in STAGED])
def test_a_staged_stuck_job_is_explained(code: str, job: Job, surroundings: Surroundings, step: str):
    found = diagnose(job, surroundings)
    assert (found.code, found.step) == (code, step)
    assert found.reason
    assert found.advice


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (make_job("1", status=JobStatus.COMPLETED), "completed"),
        (running_job(beat=99, logs=[{"phase": "running", "timestamp": seconds(95)}]), "in_work"),
        (admitted(outbox=told()), "told"),
    ],
)
def test_a_job_that_moves_is_not_stuck(job: Job, code: str):
    found = diagnose(job, around())
    assert (found.code, found.stuck) == (code, False)


def test_the_timeline_has_durations_and_waits():
    job = admitted()
    first = replace(
        job.steps[0], status=StepStatus.COMPLETED, started_at=seconds(3), ended_at=seconds(3) + timedelta(seconds=2)
    )
    rows = timeline(replace(job, steps=[first, *job.steps[1:]]))
    assert (rows[0]["step"], rows[0]["seconds"], rows[0]["waitedSeconds"]) == (StepName.EXTRACT, 2.0, 3.0)
    assert rows[1]["seconds"] is None
