"""What only the SQLite store promises: durability, several processes, one commit for many, and fit places."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from services.gateway.stores.sqlite_file import SqliteFile
from services.gateway.stores.sqlite_jobs import sqlite_stores
from shared.errors import TransientError
from tests.support.records import log_rows, make_job

ROOT = Path(__file__).parents[2]


def writer(*arguments: str) -> subprocess.Popen[str]:
    """A process of tests.support.sqlite_writer."""
    command = [sys.executable, "-m", "tests.support.sqlite_writer", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database will be; its folder does not exist yet."""
    return tmp_path / "data" / "jobs.db"


@pytest.fixture
async def file(path: Path) -> AsyncIterator[SqliteFile]:
    """An open file with a table of the test's own beside the stores'."""
    opened = SqliteFile(path)
    await opened.open()
    await opened.write(lambda connection: connection.execute("CREATE TABLE t (x INTEGER UNIQUE)").rowcount)
    yield opened
    await opened.close()


def insert(*values: int) -> Callable[[sqlite3.Connection], int]:
    """An operation that adds the values, one statement each, and answers how many."""

    def run(connection: sqlite3.Connection) -> int:
        return sum(connection.execute("INSERT INTO t VALUES (?)", (value,)).rowcount for value in values)

    return run


async def content(file: SqliteFile) -> list[int]:
    """The test's table."""
    rows = await file.read(lambda connection: connection.execute("SELECT x FROM t ORDER BY x").fetchall())
    return [row[0] for row in rows]


async def test_acknowledged_jobs_survive_kill_9(path: Path) -> None:
    for _ in range(3):
        process = writer("create", str(path.with_name(f"{_}.db")))
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().splitlines()[:-1]
        process.wait()
        process.stdout.close()
        jobs, _documents = sqlite_stores(path.with_name(f"{_}.db"))
        await jobs.open()
        for job_id in acknowledged:
            assert await jobs.logs(job_id) == log_rows(1, 120)
        await jobs.close()


async def test_two_processes_count_on_one_file_without_a_lost_turn(path: Path) -> None:
    jobs, _ = sqlite_stores(path)
    await jobs.open()
    await jobs.create(make_job("counter"))
    processes = [writer("count", str(path), "150") for _ in range(2)]
    for process in processes:
        await asyncio.to_thread(process.communicate)
    assert [process.returncode for process in processes] == [0, 0]
    job = await jobs.get("job-counter")
    assert job is not None
    assert (job.counts, job.revision) == ({"n": 300}, 300)
    await jobs.close()


async def test_several_stores_may_open_a_new_file_at_once(path: Path) -> None:
    opened = [sqlite_stores(path)[0] for _ in range(6)]
    await asyncio.gather(*(jobs.open() for jobs in opened))
    await asyncio.gather(*(jobs.create(make_job(str(n))) for n, jobs in enumerate(opened)))
    assert all([await opened[0].get(f"job-{n}") for n in range(6)])
    await asyncio.gather(*(jobs.close() for jobs in opened))


async def test_a_failing_operation_undoes_itself_and_not_its_neighbours(file: SqliteFile) -> None:
    wishes = [
        file.write(insert(1)),
        file.write(insert(2, 3, 1), several=True),
        file.write(insert(1)),
        file.write(insert(4, 5), several=True),
    ]
    first, second, third, fourth = await asyncio.gather(*wishes, return_exceptions=True)
    assert (first, fourth) == (1, 2)
    assert all(isinstance(result, Exception) for result in (second, third))
    assert await content(file) == [1, 4, 5]


async def test_what_is_queued_while_a_commit_runs_shares_the_next_one(file: SqliteFile) -> None:
    seen: list[int] = []

    def note(value: int) -> Callable[[sqlite3.Connection], None]:
        def run(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO t VALUES (?)", (value,))
            # Rows that this transaction has not committed yet are invisible to a second connection.
            seen.append(len(other.execute("SELECT x FROM t").fetchall()))

        return run

    with contextlib.closing(sqlite3.connect(file.path, check_same_thread=False)) as other:
        await asyncio.gather(*(file.write(note(n)) for n in range(100)))
    assert len(set(seen)) < 20
    assert len(await content(file)) == 100


async def test_a_full_disk_is_transient_for_all_and_passes(file: SqliteFile) -> None:
    await file.write(insert(1))
    pages = await file.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await file.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE big AS SELECT randomblob(100000)")

    results = await asyncio.gather(file.write(insert(2)), file.write(fill), return_exceptions=True)
    assert all(isinstance(result, TransientError) for result in results)
    assert await content(file) == [1]
    await file.write(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    await file.write(insert(2))
    assert await content(file) == [1, 2]


async def test_a_file_limit_of_the_operating_system_is_transient_too(path: Path) -> None:
    """A real failing write(2), in a process of its own because the limit counts for all of its files."""
    script = (
        "import asyncio, signal, resource\n"
        "from pathlib import Path\n"
        "from services.gateway.stores.sqlite_jobs import sqlite_stores\n"
        "from shared.errors import TransientError\n"
        "from tests.support.records import make_job\n"
        "async def main():\n"
        f"    jobs, _ = sqlite_stores(Path({str(path)!r}))\n"
        "    await jobs.open()\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))\n"
        "    done, n = [], 0\n"
        "    while n < 500:\n"
        "        n += 1\n"
        "        try:\n"
        "            await jobs.create(make_job(str(n), cumulative_meta={'x': 'y' * 20000}))\n"
        "            done.append(n)\n"
        "        except TransientError:\n"
        "            break\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "    await jobs.create(make_job('after'))\n"
        "    assert n < 500 and all([await jobs.get(f'job-{k}') for k in done])\n"
        "    await jobs.close()\n"
        "asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


async def test_a_file_locked_for_long_is_transient(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.stores.sqlite_file.LOCK_SECONDS", 0.05)
    jobs, _ = sqlite_stores(path)
    await jobs.open()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError):
            await jobs.create(make_job())
        other.execute("ROLLBACK")
    await jobs.create(make_job())
    await jobs.close()


async def test_a_cancelled_caller_disturbs_nobody(file: SqliteFile) -> None:
    first = asyncio.create_task(file.write(insert(1)))
    await asyncio.sleep(0)
    first.cancel()
    assert await file.write(insert(2)) == 1
    assert 2 in await content(file)


async def test_closing_finishes_what_is_queued_and_then_refuses(path: Path) -> None:
    jobs, documents = sqlite_stores(path)
    await jobs.open()
    wishes = [asyncio.create_task(jobs.create(make_job(str(n)))) for n in range(50)]
    await asyncio.sleep(0)
    await jobs.close()
    assert await asyncio.gather(*wishes) == [None] * 50
    with pytest.raises(TransientError):
        await jobs.get("job-1")
    with pytest.raises(TransientError):
        await documents.delete("doc-1")
    await jobs.open()
    assert await jobs.get("job-49") is not None
    await jobs.close()


async def test_the_event_loop_runs_on_while_the_file_is_locked(path: Path) -> None:
    jobs, _ = sqlite_stores(path)
    await jobs.open()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wish = asyncio.create_task(jobs.create(make_job()))
        for _turn in range(20):
            await asyncio.sleep(0)
            assert await jobs.get("job-1") is None
        other.execute("COMMIT")
    await wish
    await jobs.close()


async def test_the_queries_of_the_sweeper_use_their_indexes(file: SqliteFile) -> None:
    def plan(connection: sqlite3.Connection) -> Any:
        queries = ["outboxAt < 5 ORDER BY outboxAt", "status = 'x' ORDER BY createdAt DESC, jobId DESC"]
        return [connection.execute(f"EXPLAIN QUERY PLAN SELECT body FROM jobs WHERE {q}").fetchall() for q in queries]

    outbox, status = await file.read(plan)
    assert "jobs_outbox" in outbox[0][3]
    assert "jobs_status" in status[0][3]
    assert len(outbox) == len(status) == 1


async def test_a_stored_job_keeps_times_inside_free_form_parts(path: Path) -> None:
    jobs, _ = sqlite_stores(path)
    await jobs.open()
    job = make_job(logs=log_rows(1, 2), log_count=2)
    await jobs.create(job)
    assert await jobs.swap(job, replace(job, worker="x"))
    stored = await jobs.get("job-1")
    assert stored is not None
    assert stored.logs == job.logs
    await jobs.close()
