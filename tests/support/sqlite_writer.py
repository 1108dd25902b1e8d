"""A process of its own that writes to the job store's SQLite file, for tests that kill or double it.

`create PATH` adds jobs for ever and prints each id when its creation was acknowledged; `count PATH TURNS` adds that
often one to a counter that all such processes share.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from msgspec.structs import replace

from services.gateway.stores.sqlite_jobs import SqliteJobs, sqlite_stores
from tests.support.records import log_rows, make_job


async def create(jobs: SqliteJobs) -> None:
    """Sixteen callers, each with its own jobs."""

    async def one(caller: int) -> None:
        turn = 0
        while True:
            turn += 1
            name = f"{caller}-{turn}"
            await jobs.create(make_job(name, logs=log_rows(1, 120), log_count=120))
            print(f"job-{name}", flush=True)

    await asyncio.gather(*map(one, range(16)))


async def count(jobs: SqliteJobs, turns: int) -> None:
    """Read, add one, swap; again when the race was lost."""
    done = 0
    while done < turns:
        job = await jobs.get("job-counter")
        assert job is not None
        counted = replace(job, counts={"n": job.counts.get("n", 0) + 1})
        done += await jobs.swap(job, counted)


async def main(command: str, path: str, *rest: str) -> None:
    """Open the file and do what the command says."""
    jobs, _ = sqlite_stores(Path(path))
    await jobs.open()
    await (create(jobs) if command == "create" else count(jobs, int(rest[0])))
    await jobs.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
