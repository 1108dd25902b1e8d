"""Stages: rows of the job that live inside their step's claim."""

from __future__ import annotations

import pytest

from shared.commands import Fail, Release, Report, Requeue, Restart, Settle
from shared.edits import failure
from shared.job import Job, StepName, StepStatus
from shared.stages import StageReport
from shared.transitions import Refused, decide, requeue_start
from tests.unit.test_transitions import ARTEFACT, NOW, claim, delivered, running, settled

DISCOVER, IMAGES, RECORDS, LINK = StepName.DISCOVER, StepName.IMAGES, StepName.RECORDS, StepName.LINK


def said(name: StepName, status: StepStatus, **more: object) -> StageReport:
    return StageReport(name=name, status=status, **more)  # type: ignore[arg-type]


def reported(job: Job, *stages: StageReport, step: StepName = StepName.TRANSFORM) -> Job:
    command = Report(process_id=job.process_id, attempt=job.attempt, step=step, stages=list(stages))
    return decide(job, command, NOW)


def names(job: Job) -> list[str]:
    return [str(step.name) for step in job.steps]


def test_a_stage_appears_behind_its_step_in_the_order_of_the_stages():
    job = reported(running(StepName.TRANSFORM), said(RECORDS, StepStatus.RUNNING))
    job = reported(job, said(DISCOVER, StepStatus.COMPLETED), said(IMAGES, StepStatus.RUNNING))
    assert names(job)[2:] == [
        "transform_template",
        "discover_products",
        "process_images",
        "extract_records",
        "ingest_rag",
    ]


def test_a_stage_of_another_step_is_nobodys_to_report():
    job = running(StepName.TRANSFORM)
    assert reported(job, said(LINK, StepStatus.RUNNING), said(StepName.INGEST, StepStatus.COMPLETED)).steps == job.steps


def test_a_finished_stage_does_not_start_again():
    job = reported(running(StepName.TRANSFORM), said(DISCOVER, StepStatus.COMPLETED, reason="11 products"))
    again = reported(job, said(DISCOVER, StepStatus.RUNNING))
    assert again.step(DISCOVER).status == StepStatus.COMPLETED
    assert again.step(DISCOVER).reason == "11 products"


def test_a_lost_attempt_keeps_finished_stages_and_lets_the_others_wait():
    job = reported(running(StepName.TRANSFORM), said(DISCOVER, StepStatus.COMPLETED), said(IMAGES, StepStatus.RUNNING))
    lost = decide(job, Restart(process_id=job.process_id, step=StepName.TRANSFORM, reason="silent"), NOW)
    assert (lost.step(DISCOVER).status, lost.step(IMAGES).status) == (StepStatus.COMPLETED, StepStatus.PENDING)
    command = Release(
        process_id=job.process_id,
        step=StepName.TRANSFORM,
        reason="stops",
        stages=[said(IMAGES, StepStatus.COMPLETED)],
    )
    assert decide(job, command, NOW).step(IMAGES).status == StepStatus.COMPLETED


def test_a_settled_step_leaves_no_stage_open_so_that_the_next_one_may_start():
    job = reported(running(StepName.TRANSFORM), said(DISCOVER, StepStatus.RUNNING), said(IMAGES, StepStatus.RUNNING))
    command = Settle(
        process_id=job.process_id,
        step=StepName.TRANSFORM,
        outputs={"manifest": ARTEFACT},
        stages=[said(DISCOVER, StepStatus.COMPLETED)],
    )
    job = delivered(decide(job, command, NOW))
    assert (job.step(DISCOVER).skipped, job.step(IMAGES).skipped) == (False, True)
    assert decide(job, claim(job, StepName.INGEST), NOW).step(StepName.INGEST).status == StepStatus.RUNNING


def test_a_failing_step_fails_the_stage_that_was_running():
    job = reported(running(StepName.TRANSFORM), said(DISCOVER, StepStatus.COMPLETED), said(IMAGES, StepStatus.RUNNING))
    error = failure(StepName.TRANSFORM, "worker_failed", "document", "no")
    job = decide(job, Fail(process_id=job.process_id, step=StepName.TRANSFORM, error=error), NOW)
    assert (job.step(DISCOVER).status, job.step(IMAGES).status) == (StepStatus.COMPLETED, StepStatus.FAILED)


@pytest.mark.parametrize(("start", "kept"), [(StepName.TRANSFORM, False), (StepName.INGEST, True)])
def test_a_requeue_keeps_stages_only_of_steps_that_it_keeps(start: StepName, kept: bool):
    job = reported(running(StepName.TRANSFORM), said(DISCOVER, StepStatus.COMPLETED))
    job = delivered(settled(job, StepName.TRANSFORM))
    command = Requeue(process_id=job.process_id, new_process_id="run-2", step=start, anyway=True)
    again = decide(job, command, NOW)
    assert (DISCOVER in names(again)) is kept
    assert requeue_start(again) == start


def test_an_unfinished_stage_asks_for_its_step():
    job = reported(running(StepName.TRANSFORM), said(DISCOVER, StepStatus.RUNNING))
    error = failure(StepName.TRANSFORM, "worker_failed", "document", "no")
    failed = decide(job, Fail(process_id=job.process_id, step=StepName.TRANSFORM, error=error), NOW)
    assert requeue_start(failed) == StepName.TRANSFORM


def test_reports_of_an_old_run_have_no_effect():
    job = running(StepName.TRANSFORM)
    command = Report(process_id="other", step=StepName.TRANSFORM, stages=[said(DISCOVER, StepStatus.RUNNING)])
    with pytest.raises(Refused):
        decide(job, command, NOW)
