"""A step counts as finished only when its results are published: nothing starts before, and nothing builds on less.

Each of these was found by the stateful test, and stands here in as few moves as it takes.
"""

from __future__ import annotations

import pytest

from shared import route
from shared.commands import Advance, Cancel, Fail, Requeue
from shared.edits import failure
from shared.job import Job, StepName, StepStatus
from shared.transitions import Refused, decide, requeue_start
from tests.unit.test_transitions import NOW, claim, delivered, running, settled


def settled_in_transform() -> Job:
    """The transform phase has reported its result, which is not published yet."""
    return settled(running(StepName.TRANSFORM), StepName.TRANSFORM)


def test_template_done_before_its_time_asks_for_nothing():
    job = running()
    with pytest.raises(Refused, match="not_ready"):
        decide(job, Advance(process_id=job.process_id, step=StepName.INGEST, after=route.TEMPLATE_DONE), NOW)


def test_ingestion_cannot_start_before_the_transformation_is_published():
    job = settled_in_transform()
    with pytest.raises(Refused, match="not_ready"):
        decide(job, claim(job, StepName.INGEST), NOW)


def test_a_late_failure_of_a_finished_step_does_not_fail_the_job():
    job = delivered(settled(running(), StepName.EXTRACT))
    with pytest.raises(Refused, match="settled"):
        decide(job, Fail(process_id=job.process_id, error=failure("extract_pdf", "x", "document", "late")), NOW)


def test_a_run_cancelled_before_its_result_was_published_does_not_keep_that_step():
    job = settled_in_transform()
    job = decide(job, Cancel(process_id=job.process_id, reason="a person"), NOW)
    assert job.step(StepName.TRANSFORM).status == StepStatus.FAILED
    assert requeue_start(job) == StepName.TRANSFORM


def test_a_requeue_does_not_build_on_what_is_not_published():
    job = settled_in_transform()
    assert requeue_start(job) == StepName.TRANSFORM
    with pytest.raises(Refused, match="earlier_step_unfinished"):
        decide(job, Requeue(process_id=job.process_id, step=StepName.INGEST, new_process_id="run-2"), NOW)


def test_a_step_claimed_by_a_message_of_its_own_leaves_no_message_behind():
    job = delivered(settled_in_transform())
    job = decide(job, claim(job, StepName.INGEST), NOW)
    assert job.outbox == []
