"""The bands of seed 001 as a job with products shows them: a place for each stage, the job at the first unfinished."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from shared.bands import BANDS
from shared.commands import Advance, Report, Requeue, Restart
from shared.job import QUALITY_PASS, Job, Progress, StepName, StepStatus
from shared.stages import StageReport
from shared.transitions import decide
from tests.unit.test_transitions import NOW, a_job, claim, delivered, settled

DONE, RUNNING = StepStatus.COMPLETED, StepStatus.RUNNING


def catalogue_job(**parameters: Any) -> Job:
    job = a_job()
    return replace(job, parameters=replace(job.parameters, products=True, **parameters))


def at(job: Job) -> tuple[int | None, float]:
    assert job.progress is not None
    return job.progress.stage, job.progress.percent


def report(job: Job, step: StepName, percent: float, **stages: tuple[StepStatus, float]) -> Job:
    told = [StageReport(name=StepName(n), status=status, fraction=done) for n, (status, done) in stages.items()]
    command = Report(process_id=job.process_id, attempt=job.attempt, step=step, percent=percent, stages=told)
    return decide(job, command, NOW)


def extracted() -> Job:
    job = catalogue_job()
    return delivered(settled(decide(job, claim(job), NOW), StepName.EXTRACT))


def transforming() -> Job:
    job = extracted()
    return decide(job, claim(job, StepName.TRANSFORM), NOW)


def ingesting(job: Job) -> Job:
    job = delivered(settled(job, StepName.TRANSFORM))
    job = decide(job, Advance(process_id=job.process_id, step=StepName.INGEST, after="template.done"), NOW)
    return decide(job, claim(job, StepName.INGEST), NOW)


def test_reading_the_pdf_is_the_beginning_of_stage_0():
    job = catalogue_job()
    job = report(decide(job, claim(job), NOW), StepName.EXTRACT, 50)
    assert at(job) == (0, 2.2)
    assert at(extracted()) == (0, 4.5)


def test_discovery_holds_the_job_in_stage_0_however_far_the_pictures_are():
    job = report(
        transforming(), StepName.TRANSFORM, 50, discover_products=(RUNNING, 0.4), process_images=(RUNNING, 0.9)
    )
    assert at(job) == (0, 8.7)
    assert job.progress is not None
    assert job.progress.stages == [8.7, 22.5, 30.0, 68.0, 70.0, 90.0]


def test_the_rest_of_the_phase_is_stage_1_and_what_ran_ahead_is_passed():
    job = report(transforming(), StepName.TRANSFORM, 60, discover_products=(DONE, 0), process_images=(RUNNING, 0.5))
    assert at(job) == (1, 24.0)
    job = report(job, StepName.TRANSFORM, 95, process_images=(DONE, 0))
    assert at(job) == (1, 29.2)
    job = ingesting(job)
    assert at(job) == (2, 30.0)
    job = report(job, StepName.INGEST, 50)
    assert at(job) == (2, 40.0)
    job = settled(job, StepName.INGEST)
    assert at(job) == (5, 90.0), "pictures and links are done; the results are not where they belong yet"
    job = delivered(job)
    assert at(job) == (5, 100.0)


def test_links_follow_the_chunks_inside_of_their_own_band():
    job = report(transforming(), StepName.TRANSFORM, 90, discover_products=(DONE, 0))
    job = report(ingesting(job), StepName.INGEST, 95, link_entities=(RUNNING, 0.25))
    assert at(job) == (4, 75.0)


@pytest.mark.parametrize("asked", [False, "auto"])
def test_a_job_that_does_not_ask_for_products_shows_the_four_steps(asked: Any):
    job = replace(a_job(), parameters=replace(a_job().parameters, products=asked))
    job = report(decide(job, claim(job), NOW), StepName.EXTRACT, 50)
    assert at(job) == (None, 27.5)
    assert job.progress is not None
    assert job.progress.stages == []


def test_an_attempt_that_starts_again_shows_nothing_less():
    job = report(
        transforming(), StepName.TRANSFORM, 50, discover_products=(RUNNING, 0.4), process_images=(RUNNING, 0.9)
    )
    before = job.progress
    job = decide(job, Restart(process_id=job.process_id, attempt=1, step=StepName.TRANSFORM, reason="silent"), NOW)
    job = decide(job, claim(job, StepName.TRANSFORM), NOW)
    job = report(job, StepName.TRANSFORM, 5, discover_products=(RUNNING, 0.1))
    assert job.progress == before


def test_a_late_lower_report_changes_neither_page_nor_message():
    job = catalogue_job()
    job = decide(job, claim(job), NOW)
    high = Report(process_id=job.process_id, attempt=1, percent=60, pages_done=6, pages_total=10, message="page 6")
    low = Report(process_id=job.process_id, attempt=1, percent=40, pages_done=4, pages_total=10, message="page 4")
    after = decide(decide(job, high, NOW), low, NOW)
    assert isinstance(after.progress, Progress)
    assert (after.progress.pages_done, after.progress.message) == (6, "page 6")


def test_a_requeue_from_ingestion_starts_behind_the_phases_that_are_kept():
    job = report(transforming(), StepName.TRANSFORM, 90, discover_products=(DONE, 0), process_images=(DONE, 0))
    job = delivered(settled(ingesting(job), StepName.INGEST))
    job = decide(job, Requeue(process_id=job.process_id, step=StepName.INGEST, new_process_id="p-2"), NOW)
    assert job.progress is None
    job = report(decide(job, claim(job, StepName.INGEST), NOW), StepName.INGEST, 10)
    assert at(job) == (2, 32.0)


def test_a_quality_pass_is_stage_5():
    job = a_job()
    row = replace(job.steps[0], name=StepName.QUALITY, status=RUNNING)
    job = replace(job, operation=QUALITY_PASS, steps=[row], status=job.status.RUNNING)
    assert at(report(job, StepName.QUALITY, 50)) == (5, 95.0)
    assert BANDS[5] == (90, 100)
