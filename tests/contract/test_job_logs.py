"""The contract of JobStore's logs: bounded in the document, whole and in order when read."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from shared.ports import JobStore
from tests.contract.conftest import Stores
from tests.support.records import log_rows, make_job


async def stored(jobs: JobStore, job_id: str = "job-1") -> Any:
    """The job, which must be there."""
    job = await jobs.get(job_id)
    assert job is not None
    return job


async def test_the_log_stays_continuous_while_old_entries_are_spilled(stores: Stores) -> None:
    jobs = stores.jobs
    await jobs.create(make_job())
    for last in (40, 90, 130, 131, 250):
        old = await stored(jobs)
        rows = [*old.logs, *log_rows(old.log_count + 1, last)]
        assert await jobs.swap(old, replace(old, logs=rows, log_count=last))
        embedded = await stores.embedded_logs("job-1")
        assert [row["seq"] for row in embedded] == list(range(max(1, last - 99), last + 1))
        assert (await stored(jobs)).logs == embedded
        assert await jobs.logs("job-1") == log_rows(1, last)
    assert await jobs.logs("job-1", after=120, limit=60) == log_rows(121, 180)
    assert await jobs.logs("job-1", after=10, limit=3) == log_rows(11, 13)
    assert await jobs.logs("job-1", after=248) == log_rows(249, 250)
    assert await jobs.logs("job-1", after=250) == []


async def test_entries_that_were_spilled_by_a_crashed_writer_are_not_doubled(stores: Stores) -> None:
    jobs = stores.jobs
    old = make_job(logs=log_rows(1, 100), log_count=100)
    await jobs.create(old)
    # The crash between spilling and swapping leaves what a swap by somebody else's stale guard leaves.
    stale = replace(old, revision=5)
    assert not await jobs.swap(stale, replace(stale, logs=log_rows(1, 150), log_count=150))
    assert await jobs.logs("job-1") == log_rows(1, 100)
    assert await jobs.swap(old, replace(old, logs=log_rows(1, 150), log_count=150))
    # ... and a caller that keeps its own copy hands in what was spilled before.
    kept = replace(old, logs=log_rows(1, 150), log_count=150, revision=1)
    assert await jobs.swap(kept, replace(kept, logs=log_rows(1, 160), log_count=160))
    assert await jobs.logs("job-1") == log_rows(1, 160)
    assert len(await stores.embedded_logs("job-1")) == 100


async def test_a_job_may_be_created_with_a_long_log(stores: Stores) -> None:
    await stores.jobs.create(make_job(logs=log_rows(1, 130), log_count=130))
    assert len(await stores.embedded_logs("job-1")) == 100
    assert await stores.jobs.logs("job-1") == log_rows(1, 130)
