"""The state machine: what each command does, and that stale, late or doubled ones do nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.creation import JobRequest, new_job
from shared.commands import Advance, Claim, Delivered, Fail, Release, Report, Restart, Settle
from shared.document import Document
from shared.edits import failure
from shared.job import Artefact, Job, StepName
from shared.transitions import Refused, decide

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
ARTEFACT = Artefact(key="k", sha256="s", size=1)


def a_job() -> Job:
    document = Document(
        document_id="doc-1",
        library_id="lib",
        item_id="item",
        sha256="0" * 64,
        name="a.pdf",
        size=1,
        created_at=NOW,
        updated_at=NOW,
    )
    return new_job(document, JobRequest(), NOW)


def claim(job: Job, step: StepName = StepName.EXTRACT, owner: str = "w1") -> Claim:
    return Claim(
        process_id=job.process_id, attempt=job.attempt, step=step, owner=owner, secret_hash="h", deadline_at=LATER
    )


def running(step: StepName = StepName.EXTRACT) -> Job:
    """A job whose steps before `step` are done and whose `step` is claimed."""
    job = a_job()
    job = decide(job, claim(job), NOW)
    if step == StepName.EXTRACT:
        return job
    job = delivered(settled(job, StepName.EXTRACT))
    job = decide(job, claim(job, StepName.TRANSFORM), NOW)
    if step == StepName.TRANSFORM:
        return job
    job = delivered(settled(job, StepName.TRANSFORM))
    job = decide(job, Advance(process_id=job.process_id, step=StepName.INGEST, after="template.done"), NOW)
    return decide(job, claim(job, StepName.INGEST), NOW)


def settled(job: Job, step: StepName, *, skipped: bool = False) -> Job:
    outputs = {} if skipped else {"manifest": ARTEFACT}
    command = Settle(process_id=job.process_id, attempt=job.attempt, step=step, outputs=outputs, skipped=skipped)
    return decide(job, command, NOW)


def delivered(job: Job) -> Job:
    entry = next(entry for entry in job.outbox if entry.kind == "deliver")
    command = Delivered(process_id=job.process_id, event_id=entry.event_id, step=StepName(entry.data["step"]))
    return decide(job, command, NOW)


def subjects(job: Job) -> list[str]:
    return [entry.subject or entry.kind for entry in job.outbox]


def test_a_new_job_is_queued_with_pending_steps_and_its_first_event_in_the_outbox():
    job = a_job()
    assert job.status == "queued"
    assert [(step.name, step.status) for step in job.steps] == [
        ("extract_pdf", "pending"),
        ("store_shadow_twin", "pending"),
        ("transform_template", "pending"),
        ("ingest_rag", "pending"),
    ]
    assert [entry["phase"] for entry in job.logs] == ["request_sent", "extract_gate_plan", "request_ack"]
    assert subjects(job) == ["pdf.requested"]
    assert job.job_secret_hash == ""


def test_a_claim_starts_the_step_and_strikes_the_event_that_asked_for_it():
    job = running()
    assert (job.status, job.step("extract_pdf").status) == ("running", "running")
    assert job.outbox == []
    assert job.lease is not None
    assert job.lease.owner == "w1"


def test_a_second_worker_cannot_claim_a_running_step():
    job = running()
    with pytest.raises(Refused, match="busy"):
        decide(job, claim(job, owner="w2"), NOW)


def test_the_same_worker_may_claim_again_when_the_answer_was_lost():
    job = running()
    again = decide(job, claim(job), NOW)
    assert again.lease is not None
    assert again.lease.owner == "w1"


def test_a_step_cannot_be_claimed_before_the_earlier_ones_are_done():
    job = a_job()
    with pytest.raises(Refused, match="not_ready"):
        decide(job, claim(job, StepName.INGEST), NOW)


def test_the_next_phase_is_told_only_after_the_twin_was_delivered():
    job = settled(running(), StepName.EXTRACT)
    assert subjects(job) == ["deliver"]
    assert job.step("store_shadow_twin").status == "running"
    job = delivered(job)
    assert subjects(job) == ["pdf.extracted"]
    assert job.step("store_shadow_twin").status == "completed"


def test_the_whole_route_ends_completed_with_both_closing_events():
    job = delivered(settled(running(StepName.INGEST), StepName.INGEST))
    assert job.status == "completed"
    assert subjects(job) == ["ingest.done", "job.completed"]
    assert {step.status for step in job.steps} == {"completed"}
    assert job.progress is not None
    assert job.progress.percent == 100


def test_skipped_steps_say_so_and_need_no_delivery():
    job = settled(running(), StepName.EXTRACT, skipped=True)
    assert subjects(job) == ["pdf.extracted"]
    assert job.step("extract_pdf").skipped
    assert job.step("store_shadow_twin").skipped


@pytest.mark.parametrize("kind", ["process", "attempt"])
def test_a_stale_report_is_refused(kind: str):
    job = running()
    process, attempt = ("other", 1) if kind == "process" else (job.process_id, 2)
    with pytest.raises(Refused, match=f"stale_{kind}"):
        decide(job, Report(process_id=process, attempt=attempt), NOW)


def test_nothing_heals_a_failed_job():
    job = running()
    fault = failure("extract_pdf", "pdf_corrupt", "document", "broken")
    failed = decide(job, Fail(process_id=job.process_id, attempt=1, error=fault), NOW)
    assert (failed.status, failed.step("extract_pdf").status, subjects(failed)) == ("failed", "failed", ["job.failed"])
    for command in (
        Report(process_id=job.process_id, attempt=1, percent=75),
        Settle(process_id=job.process_id, attempt=1, outputs={"manifest": ARTEFACT}),
        claim(failed),
    ):
        with pytest.raises(Refused, match="terminal"):
            decide(failed, command, NOW)


def test_a_doubled_final_report_is_refused_as_settled():
    job = settled(running(), StepName.EXTRACT)
    with pytest.raises(Refused, match="settled"):
        settled(job, StepName.EXTRACT)


def test_a_doubled_delivery_is_refused_as_settled():
    job = settled(running(), StepName.EXTRACT)
    entry = job.outbox[0]
    after = delivered(job)
    with pytest.raises(Refused, match="settled"):
        decide(after, Delivered(process_id=job.process_id, event_id=entry.event_id, step=StepName.EXTRACT), NOW)


def test_a_restart_raises_the_attempt_and_forgets_the_old_secret():
    job = running()
    job = decide(job, Restart(process_id=job.process_id, attempt=1, step=StepName.EXTRACT, reason="silent"), NOW)
    assert (job.attempt, job.job_secret_hash, job.lease) == (2, "", None)
    assert subjects(job) == ["pdf.requested"]
    assert job.outbox[0].event_id.endswith(":extract_pdf:2:pdf.requested")
    with pytest.raises(Refused, match="stale_attempt"):
        decide(job, Report(process_id=job.process_id, attempt=1), NOW)


def test_a_released_step_waits_for_its_delay():
    job = running()
    command = Release(process_id=job.process_id, attempt=1, step=StepName.EXTRACT, reason="endpoint away", delay=4)
    assert decide(job, command, NOW).outbox[0].at == NOW + timedelta(seconds=4)


def test_logs_only_grow_and_their_times_never_go_back():
    job = running()
    before = job.logs
    report = Report(process_id=job.process_id, attempt=1, entries=[{"phase": "running", "progress": 30}])
    job = decide(job, report, NOW - timedelta(minutes=5))
    assert job.logs[: len(before)] == before
    times = [entry["timestamp"] for entry in job.logs]
    assert times == sorted(times)
    assert [entry["seq"] for entry in job.logs] == list(range(1, len(job.logs) + 1))


def test_shown_progress_never_goes_back_within_a_run():
    job = running()
    high = decide(job, Report(process_id=job.process_id, attempt=1, percent=75), NOW)
    low = decide(high, Report(process_id=job.process_id, attempt=1, percent=60), NOW)
    assert low.progress == high.progress
    over = decide(high, Report(process_id=job.process_id, attempt=1, percent=900), NOW)
    assert over.progress is not None
    assert over.progress.percent == 55.0


def test_template_done_twice_asks_for_ingestion_once():
    job = delivered(settled(running(StepName.TRANSFORM), StepName.TRANSFORM))
    command = Advance(process_id=job.process_id, step=StepName.INGEST, after="template.done")
    once = decide(job, command, NOW)
    assert subjects(once) == ["ingest.requested"]
    assert decide(once, command, NOW).outbox == once.outbox
