"""The contract of JobStore, with expectations written by hand; runs on memory, SQLite and MongoDB."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from shared.errors import RequestError
from shared.job import QUALITY_PASS, JobStatus, StepName
from shared.ports import JobQuery, JobStore, OpenJobExists
from tests.contract.conftest import Stores
from tests.support.records import log_rows, make_job, outbox_entry, running_job, seconds


@pytest.fixture
def jobs(stores: Stores) -> JobStore:
    """The store under test."""
    return stores.jobs


async def stored(jobs: JobStore, job_id: str = "job-1") -> Any:
    """The job, which must be there."""
    job = await jobs.get(job_id)
    assert job is not None
    return job


async def test_a_created_job_is_read_back_equal(jobs: JobStore) -> None:
    meta = {"title": "Größe", "read at": seconds(3), "a.b": {"$c": [1, 2.5, None, True]}}
    job = running_job(cumulative_meta=meta, logs=log_rows(1, 3), log_count=3, outbox=[outbox_entry(5)])
    await jobs.create(job)
    assert await jobs.get("job-1") == job


async def test_an_unknown_job_is_none(jobs: JobStore) -> None:
    assert await jobs.get("job-1") is None
    assert await jobs.logs("job-1") == []


async def test_the_clock_moves_forward_in_whole_milliseconds(jobs: JobStore) -> None:
    first = await jobs.now()
    second = await jobs.now()
    assert first.utcoffset() == timedelta(0)
    assert first.microsecond % 1000 == 0
    assert timedelta(0) <= second - first < timedelta(minutes=1)


async def test_a_second_open_job_of_the_document_is_refused_by_name(jobs: JobStore) -> None:
    await jobs.create(make_job("1"))
    with pytest.raises(OpenJobExists) as refused:
        await jobs.create(make_job("2", document_id="doc-1"))
    assert refused.value.job_id == "job-1"
    assert await jobs.get("job-2") is None


async def test_a_quality_pass_has_a_slot_of_its_own_beside_its_documents_open_job(jobs: JobStore) -> None:
    await jobs.create(make_job("1"))
    await jobs.create(make_job("2", document_id="doc-1", operation=QUALITY_PASS))
    with pytest.raises(OpenJobExists) as refused:
        await jobs.create(make_job("3", document_id="doc-1", operation=QUALITY_PASS))
    assert refused.value.job_id == "job-2"
    held = await stored(jobs, "job-2")
    assert await jobs.swap(held, replace(held, admitted_at=seconds(1)))
    assert await jobs.admitted() == {}, "a pass takes no place of the queue"


async def test_a_closed_job_makes_room_for_the_next_and_cannot_come_back_beside_it(jobs: JobStore) -> None:
    first = make_job("1")
    await jobs.create(first)
    failed = replace(first, status=JobStatus.FAILED)
    assert await jobs.swap(first, failed)
    await jobs.create(make_job("2", document_id="doc-1"))
    closed = await stored(jobs)
    with pytest.raises(OpenJobExists) as refused:
        await jobs.swap(closed, replace(closed, status=JobStatus.QUEUED, process_id="run-2"))
    assert refused.value.job_id == "job-2"
    assert await stored(jobs) == closed


async def test_creating_the_same_job_again_is_refused(jobs: JobStore) -> None:
    await jobs.create(make_job("1"))
    with pytest.raises(OpenJobExists) as refused:
        await jobs.create(make_job("1"))
    assert refused.value.job_id == "job-1"


async def test_of_many_creations_at_once_one_wins(jobs: JobStore) -> None:
    wishes = [jobs.create(make_job(str(n), document_id="doc-x")) for n in range(30)]
    results = await asyncio.gather(*wishes, return_exceptions=True)
    winners = [n for n, result in enumerate(results) if result is None]
    assert len(winners) == 1
    losers = [result for result in results if result is not None]
    assert all(isinstance(x, OpenJobExists) and x.job_id == f"job-{winners[0]}" for x in losers)
    assert len((await jobs.find(JobQuery())).jobs) == 1


async def test_a_swap_raises_the_stored_revision_by_one_whatever_the_new_job_says(jobs: JobStore) -> None:
    job = make_job()
    await jobs.create(job)
    assert await jobs.swap(job, replace(job, worker="other", revision=77))
    after = await stored(jobs)
    assert (after.revision, after.worker) == (1, "other")


async def test_fifty_swaps_at_once_have_exactly_one_winner_each_round(jobs: JobStore) -> None:
    await jobs.create(make_job())
    for turn in range(1, 6):
        old = await stored(jobs)
        wishes = [jobs.swap(old, replace(old, worker=f"{turn}-{n}", revision=old.revision)) for n in range(50)]
        results = await asyncio.gather(*wishes)
        assert results.count(True) == 1
        after = await stored(jobs)
        assert (after.revision, after.worker) == (turn, f"{turn}-{results.index(True)}")


async def test_a_lost_race_changes_nothing(stores: Stores) -> None:
    jobs = stores.jobs
    old = make_job(logs=log_rows(1, 100), log_count=100)
    await jobs.create(old)
    assert await jobs.swap(old, replace(old, worker="winner"))
    before = await stored(jobs)
    rows = [*old.logs, *({**row, "message": "never happened"} for row in log_rows(101, 230))]
    assert not await jobs.swap(old, replace(old, worker="loser", logs=rows, log_count=230, outbox=[outbox_entry(1)]))
    assert await stored(jobs) == before
    assert await jobs.logs("job-1") == log_rows(1, 100)
    # and what the winner writes under the same numbers is not mixed with it
    assert await jobs.swap(before, replace(before, logs=log_rows(1, 230), log_count=230))
    assert await jobs.logs("job-1") == log_rows(1, 230)


async def test_a_swap_of_an_earlier_run_or_an_unknown_job_is_lost(jobs: JobStore) -> None:
    job = make_job()
    await jobs.create(job)
    stale = replace(job, process_id="run-0")
    assert not await jobs.swap(stale, replace(stale, worker="old run"))
    assert not await jobs.swap(make_job("9"), make_job("9"))
    assert await stored(jobs) == job
    assert await jobs.get("job-9") is None


async def test_a_heartbeat_renews_the_lease_and_leaves_the_revision(jobs: JobStore) -> None:
    await jobs.create(running_job(attempt=2))
    before = await jobs.now()
    assert await jobs.heartbeat("job-1", "run-1", 2)
    job = await stored(jobs)
    assert job.revision == 0
    assert job.lease.heartbeat_at >= before
    [listed] = (await jobs.find(JobQuery())).jobs
    assert listed == job


@pytest.mark.parametrize(("run", "attempt"), [("run-0", 2), ("run-1", 1), ("run-1", 3)])
async def test_a_stale_heartbeat_is_refused(jobs: JobStore, run: str, attempt: int) -> None:
    job = running_job(attempt=2)
    await jobs.create(job)
    assert not await jobs.heartbeat("job-1", run, attempt)
    assert not await jobs.heartbeat("job-2", "run-1", 2)
    assert await stored(jobs) == job


@pytest.mark.parametrize("change", [{"lease": None}, {"status": JobStatus.FAILED}])
async def test_a_job_that_nobody_works_on_takes_no_heartbeat(jobs: JobStore, change: dict[str, Any]) -> None:
    job = replace(running_job(), **change)
    await jobs.create(job)
    assert not await jobs.heartbeat("job-1", "run-1", 1)
    assert await stored(jobs) == job


async def test_a_heartbeat_between_reading_and_swapping_neither_disturbs_nor_is_lost(jobs: JobStore) -> None:
    await jobs.create(running_job())
    old = await stored(jobs)
    assert await jobs.heartbeat("job-1", "run-1", 1)
    beat = (await stored(jobs)).lease.heartbeat_at
    assert await jobs.swap(old, replace(old, worker="other"))
    after = await stored(jobs)
    assert (after.worker, after.revision, after.lease.heartbeat_at) == ("other", 1, beat)


async def test_a_new_claim_starts_with_its_own_heartbeat_and_no_lease_has_none(jobs: JobStore) -> None:
    await jobs.create(running_job())
    assert await jobs.heartbeat("job-1", "run-1", 1)
    old = await stored(jobs)
    assert await jobs.swap(old, replace(old, lease=None))
    released = await stored(jobs)
    assert released.lease is None
    held = running_job(beat=9).lease
    assert held is not None
    claim = replace(held, owner="next", claimed_at=seconds(9))
    assert await jobs.swap(released, replace(released, lease=claim))
    assert (await stored(jobs)).lease == claim


async def test_find_filters_by_every_field(jobs: JobStore) -> None:
    await jobs.create(make_job("1", at=1))
    await jobs.create(make_job("2", at=2, library="other"))
    await jobs.create(make_job("3", at=3, batch="b-1"))
    await jobs.create(make_job("4", at=4, batch="b-1", document_id="doc-1", status=JobStatus.FAILED))

    async def ids(**fields: Any) -> list[str]:
        return [job.job_id for job in (await jobs.find(JobQuery(**fields))).jobs]

    assert await ids() == ["job-4", "job-3", "job-2", "job-1"]
    assert await ids(status="failed") == ["job-4"]
    assert await ids(status="queued") == ["job-3", "job-2", "job-1"]
    assert await ids(library_id="other") == ["job-2"]
    assert await ids(batch_id="b-1") == ["job-4", "job-3"]
    assert await ids(document_id="doc-1") == ["job-4", "job-1"]
    assert await ids(batch_id="b-1", status="queued") == ["job-3"]
    assert await ids(library_id="none") == []


async def test_pages_are_stable_while_jobs_are_added(jobs: JobStore) -> None:
    for n in range(5):
        await jobs.create(make_job(str(n), at=1))
    first = await jobs.find(JobQuery(limit=2))
    await jobs.create(make_job("9", at=2))
    second = await jobs.find(JobQuery(limit=2, cursor=first.cursor))
    third = await jobs.find(JobQuery(limit=2, cursor=second.cursor))
    pages = [[job.job_id for job in page.jobs] for page in (first, second, third)]
    assert pages == [["job-4", "job-3"], ["job-2", "job-1"], ["job-0"]]
    assert third.cursor is None


async def test_a_full_last_page_has_no_cursor_and_a_foreign_cursor_is_refused(jobs: JobStore) -> None:
    for n in range(2):
        await jobs.create(make_job(str(n)))
    assert (await jobs.find(JobQuery(limit=2))).cursor is None
    with pytest.raises(RequestError):
        await jobs.find(JobQuery(cursor="not ours"))


async def test_due_are_the_silent_the_late_and_those_with_something_to_tell(jobs: JobStore) -> None:
    far = (await jobs.now() - seconds(0)).total_seconds() + 3600
    told: dict[str, Any] = {"status": JobStatus.COMPLETED}
    await jobs.create(running_job("alive", beat=100, deadline=far))
    await jobs.create(running_job("silent", beat=10, deadline=far))
    await jobs.create(running_job("late", beat=100, deadline=50))
    await jobs.create(running_job("closed", beat=10, deadline=50, status=JobStatus.FAILED))
    await jobs.create(make_job("waiting"))
    await jobs.create(make_job("telling", outbox=[outbox_entry(90, "b"), outbox_entry(10, "a")], **told))
    await jobs.create(make_job("fresh", outbox=[outbox_entry(90)], **told))
    due = await jobs.due(heartbeat_before=seconds(50), outbox_before=seconds(50))
    assert [job.job_id for job in due] == ["job-silent", "job-late", "job-telling"]
    assert len(await jobs.due(heartbeat_before=seconds(50), outbox_before=seconds(50), limit=1)) == 1


async def test_a_heartbeat_or_an_emptied_outbox_ends_the_dueness(jobs: JobStore) -> None:
    far = (await jobs.now() - seconds(0)).total_seconds() + 3600
    job = running_job(beat=10, deadline=far, outbox=[outbox_entry(10)])
    await jobs.create(job)
    assert await jobs.heartbeat("job-1", "run-1", 1)
    assert len(await jobs.due(heartbeat_before=seconds(50), outbox_before=seconds(50))) == 1
    assert await jobs.swap(job, replace(job, outbox=[]))
    assert await jobs.due(heartbeat_before=seconds(50), outbox_before=seconds(50)) == []


async def test_fields_of_a_newer_program_are_ignored(stores: Stores) -> None:
    job = make_job()
    await stores.jobs.create(job)
    await stores.add_field("job-1", "addedInTheFuture", {"x": [1]})
    assert await stores.jobs.get("job-1") == job
    assert await stores.jobs.swap(job, replace(job, worker="other"))


async def test_deleted_jobs_are_gone_with_their_logs(jobs: JobStore) -> None:
    for name in ("1", "2"):
        await jobs.create(make_job(name, logs=log_rows(1, 130), log_count=130))
    await jobs.delete(["job-1", "job-unknown"])
    await jobs.delete([])
    assert await jobs.get("job-1") is None
    assert await jobs.logs("job-1") == []
    assert await jobs.logs("job-2") == log_rows(1, 130)
    await jobs.create(make_job("1"))
    assert (await stored(jobs)).step(StepName.EXTRACT).skipped is False
