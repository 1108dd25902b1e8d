"""The contract of JobStore as a queue: waiting jobs by library, admitted ones, idempotency keys, counts."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from shared.job import JobStatus
from shared.ports import IdempotencyKeyTaken, JobQuery, JobStore
from tests.contract.conftest import Stores
from tests.support.records import make_job, seconds


@pytest.fixture
def jobs(stores: Stores) -> JobStore:
    """The store under test."""
    return stores.jobs


async def test_waiting_jobs_come_by_priority_then_age_and_no_library_hides_another(jobs: JobStore) -> None:
    for number in range(5):
        await jobs.create(make_job(f"big-{number}", library="big", at=number))
    await jobs.create(make_job("urgent", library="big", at=9, priority=5))
    await jobs.create(make_job("small", library="small", at=10))
    assert [job.job_id for job in await jobs.waiting(2)] == ["job-urgent", "job-big-0", "job-small"]


async def test_an_admitted_job_waits_no_more_and_counts_for_its_library_until_it_ends(jobs: JobStore) -> None:
    for number in range(3):
        await jobs.create(make_job(str(number), at=number))
    assert await jobs.admitted() == {}
    for number in (0, 1):
        job = await jobs.get(f"job-{number}")
        assert job is not None
        assert await jobs.swap(job, replace(job, admitted_at=seconds(20)))
    assert await jobs.admitted() == {"lib": 2}
    assert [job.job_id for job in await jobs.waiting(9)] == ["job-2"]
    job = await jobs.get("job-0")
    assert job is not None
    assert await jobs.swap(job, replace(job, status=JobStatus.COMPLETED))
    assert await jobs.admitted() == {"lib": 1}


async def test_a_key_is_taken_once_in_its_library_also_by_many_at_once(jobs: JobStore) -> None:
    made = [make_job(f"k{number}", idempotency_key="key", at=number) for number in range(10)]
    results = await asyncio.gather(*(jobs.create(job) for job in made), return_exceptions=True)
    won = [job for job, result in zip(made, results, strict=True) if result is None]
    assert len(won) == 1
    assert {result.job_id for result in results if isinstance(result, IdempotencyKeyTaken)} == {won[0].job_id}
    assert sum(isinstance(result, IdempotencyKeyTaken) for result in results) == 9
    found = await jobs.by_key("lib", "key")
    assert found is not None
    assert found.job_id == won[0].job_id
    await jobs.create(make_job("other", library="other", idempotency_key="key"))
    assert await jobs.by_key("lib", "none") is None


async def test_a_job_with_a_key_can_change(jobs: JobStore) -> None:
    await jobs.create(make_job("1", idempotency_key="key"))
    job = await jobs.get("job-1")
    assert job is not None
    assert await jobs.swap(job, replace(job, status=JobStatus.FAILED))
    assert (await jobs.by_key("lib", "key")) is not None


async def test_counts_are_by_status_under_the_filter(jobs: JobStore) -> None:
    for number in range(3):
        await jobs.create(make_job(str(number), batch="b", at=number))
    await jobs.create(make_job("x", at=9))
    job = await jobs.get("job-0")
    assert job is not None
    await jobs.swap(job, replace(job, status=JobStatus.FAILED))
    assert await jobs.counts(JobQuery(batch_id="b")) == {"queued": 2, "failed": 1}
    assert await jobs.counts(JobQuery()) == {"queued": 3, "failed": 1}
    assert await jobs.counts(JobQuery(library_id="nobody")) == {}


async def test_open_jobs_are_told_by_library_and_state_with_the_longest_unchanged(jobs: JobStore) -> None:
    assert await jobs.open_jobs() == []
    for number in range(3):
        await jobs.create(make_job(f"a{number}", library="a", at=number))
    await jobs.create(make_job("b", library="b", at=7))
    first = await jobs.get("job-a0")
    assert first is not None
    assert await jobs.swap(
        first, replace(first, status=JobStatus.RUNNING, admitted_at=seconds(30), updated_at=seconds(30))
    )
    rows = {(row.library_id, row.status): row for row in await jobs.open_jobs()}
    told = {key: (row.count, row.waiting, row.stillest) for key, row in rows.items()}
    assert told == {
        ("a", "running"): (1, 0, seconds(30)),
        ("a", "queued"): (2, 2, seconds(1)),
        ("b", "queued"): (1, 1, seconds(7)),
    }
    running = await jobs.get("job-a0")
    assert running is not None
    assert await jobs.swap(running, replace(running, status=JobStatus.COMPLETED))
    assert {(row.library_id, row.status) for row in await jobs.open_jobs()} == {("a", "queued"), ("b", "queued")}
