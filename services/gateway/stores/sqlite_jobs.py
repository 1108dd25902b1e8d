"""Job documents in SQLite. The columns serve guards and queries; the job itself is one MessagePack body, because
that keeps times as times inside its free-form parts, which JSON would turn into text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.stores.log_spill import LogRow, joined_logs, same_claim, split_logs, with_heartbeat
from services.gateway.stores.sqlite_documents import SqliteDocuments
from services.gateway.stores.sqlite_file import SqliteFile
from shared.cursor import milliseconds, moment, page_size, read_cursor, write_cursor
from shared.job import Job, JobStatus, utc_now
from shared.ports import IdempotencyKeyTaken, JobPage, JobQuery, OpenJobExists, OpenJobs

_JOB = msgspec.msgpack.Decoder(Job)
_ROW = msgspec.msgpack.Decoder(dict[str, Any])
_ENCODER = msgspec.msgpack.Encoder()
_FILTERS = {"status": "status", "library_id": "libraryId", "batch_id": "batchId", "document_id": "documentId"}


class SqliteJobs:
    """The JobStore of one machine; several gateway processes may use the same file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = self.file = file

    async def open(self) -> None:
        """Open the file, for the documents as well."""
        await self._file.open()

    async def close(self) -> None:
        """Write what is queued and close the file."""
        await self._file.close()

    async def now(self) -> datetime:
        """This machine's clock: all processes of the file share it, since network file systems are refused."""
        return utc_now()

    async def create(self, job: Job) -> None:
        """Insert; raises OpenJobExists, also when this very job is there already."""
        row = _columns(job) | {"jobId": job.job_id, "createdAt": milliseconds(job.created_at)}
        spilled, kept = split_logs(job)
        row["body"] = _ENCODER.encode(replace(job, logs=kept))
        names, marks = ", ".join(row), ", ".join("?" * len(row))

        def insert(connection: sqlite3.Connection) -> None:
            try:
                connection.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", list(row.values()))
            except sqlite3.IntegrityError as error:
                raise _conflict(connection, job) from error
            _spill(connection, job.job_id, spilled)

        await self._file.write(insert, several=bool(spilled))

    async def get(self, job_id: str) -> Job | None:
        """The job, with its newest heartbeat."""
        found = await self._select("WHERE jobId = ?", [job_id])
        return found[0] if found else None

    async def swap(self, old: Job, new: Job) -> bool:
        """Compare-and-swap by one UPDATE; spilled log rows are part of the same transaction."""
        spilled, kept = split_logs(new)
        stored = replace(new, revision=old.revision + 1, logs=kept)
        before, row = _columns(old), _columns(stored)
        # Naming a column in SET rewrites its indexes even if the value is the same.
        changed = {name: value for name, value in row.items() if value != before[name]}
        beat = changed.pop("heartbeatAt", row["heartbeatAt"])
        changed |= {"body": _ENCODER.encode(stored)}
        heartbeat = "max(ifnull(heartbeatAt, 0), ?)" if same_claim(old, new) else "?"
        sets = ", ".join(f"{name} = ?" for name in changed)
        statement = (
            f"UPDATE jobs SET {sets}, heartbeatAt = {heartbeat} WHERE jobId = ? AND processId = ? AND revision = ?"
        )
        values = [*changed.values(), beat, old.job_id, old.process_id, old.revision]

        def update(connection: sqlite3.Connection) -> bool:
            try:
                won = connection.execute(statement, values).rowcount == 1
            except sqlite3.IntegrityError as error:
                raise _conflict(connection, new) from error
            if won:
                _spill(connection, old.job_id, spilled)
            return won

        return bool(await self._file.write(update, several=bool(spilled)))

    async def heartbeat(self, job_id: str, process_id: str, attempt: int) -> bool:
        """Set one column, in which no index has a part."""
        values = (milliseconds(await self.now()), job_id, process_id, attempt, JobStatus.RUNNING)

        def beat(connection: sqlite3.Connection) -> bool:
            return (
                connection.execute(
                    "UPDATE jobs SET heartbeatAt = ? WHERE jobId = ? AND processId = ? AND attempt = ? "
                    "AND status = ? AND heartbeatAt IS NOT NULL",
                    values,
                ).rowcount
                == 1
            )

        return bool(await self._file.write(beat))

    async def find(self, query: JobQuery) -> JobPage:
        """A page, newest first."""
        terms, values = _terms(query)
        if query.cursor is not None:
            at, last = read_cursor(query.cursor)
            terms.append("(createdAt, jobId) < (?, ?)")
            values += [milliseconds(at), last]
        limit = page_size(query.limit)
        where = f"WHERE {' AND '.join(terms)} " if terms else ""
        jobs = await self._select(f"{where}ORDER BY createdAt DESC, jobId DESC LIMIT ?", [*values, limit + 1])
        more = write_cursor(jobs[limit - 1].created_at, jobs[limit - 1].job_id) if len(jobs) > limit else None
        return JobPage(jobs[:limit], more)

    async def counts(self, query: JobQuery) -> dict[str, int]:
        """Jobs by status."""
        terms, values = _terms(query)
        where = f"WHERE {' AND '.join(terms)}" if terms else ""
        return await self._tally(f"SELECT status, count(*) FROM jobs {where} GROUP BY status", values)

    async def waiting(self, per_library: int) -> list[Job]:
        """The first waiting jobs of each library."""
        ranked = (
            "SELECT jobId, row_number() OVER (PARTITION BY libraryId ORDER BY priority DESC, createdAt, jobId) "
            "AS place FROM jobs WHERE waiting = 1"
        )
        rest = (
            f"WHERE jobId IN (SELECT jobId FROM ({ranked}) WHERE place <= ?) ORDER BY priority DESC, createdAt, jobId"
        )
        return await self._select(rest, [per_library])

    async def admitted(self) -> dict[str, int]:
        """Open jobs that are admitted, by library."""
        return await self._tally(
            "SELECT libraryId, count(*) FROM jobs WHERE open = 1 AND waiting = 0 AND slot = documentId "
            "GROUP BY libraryId",
            [],
        )

    async def open_jobs(self) -> list[OpenJobs]:
        """By the index of open jobs."""

        def read(connection: sqlite3.Connection) -> list[OpenJobs]:
            rows = connection.execute(
                "SELECT libraryId, status, count(*), sum(waiting), min(updatedAt) FROM jobs INDEXED BY jobs_open "
                "WHERE open = 1 GROUP BY libraryId, status"
            )
            return [
                OpenJobs(library_id=library, status=status, count=count, waiting=waiting, stillest=moment(still))
                for library, status, count, waiting, still in rows
            ]

        found: list[OpenJobs] = await self._file.read(read)
        return found

    async def by_key(self, library_id: str, idempotency_key: str) -> Job | None:
        """By its unique index."""
        found = await self._select("WHERE libraryId = ? AND idempotencyKey = ?", [library_id, idempotency_key])
        return found[0] if found else None

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> list[LogRow]:
        """Both parts of the log as of one moment."""

        def select(connection: sqlite3.Connection) -> list[LogRow]:
            connection.execute("BEGIN")
            try:
                body = connection.execute("SELECT body FROM jobs WHERE jobId = ?", (job_id,)).fetchone()
                spilled = connection.execute(
                    "SELECT body FROM job_logs WHERE jobId = ? AND seq > ? ORDER BY seq LIMIT ?",
                    (job_id, after, limit),
                ).fetchall()
            finally:
                connection.execute("COMMIT")
            embedded = _JOB.decode(body[0]).logs if body else []
            return joined_logs([_ROW.decode(row[0]) for row in spilled], embedded, after, limit)

        rows: list[LogRow] = await self._file.read(select)
        return rows

    async def due(self, *, heartbeat_before: datetime, outbox_before: datetime, limit: int = 100) -> list[Job]:
        """Jobs of silent or late workers first, so that a broker's outage cannot hide them."""
        times = [milliseconds(heartbeat_before), milliseconds(await self.now())]
        leases = await self._select(
            "INDEXED BY jobs_open WHERE open = 1 AND (heartbeatAt < ? OR deadlineAt < ?) ORDER BY heartbeatAt LIMIT ?",
            [*times, limit],
        )
        waiting = await self._select(
            "WHERE outboxAt < ? ORDER BY outboxAt LIMIT ?", [milliseconds(outbox_before), limit]
        )
        return list({job.job_id: job for job in (*leases, *waiting)}.values())[:limit]

    async def delete(self, job_ids: Sequence[str]) -> None:
        """Remove jobs and their logs."""
        rows = [(job_id,) for job_id in job_ids]

        def remove(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM jobs WHERE jobId = ?", rows)
            connection.executemany("DELETE FROM job_logs WHERE jobId = ?", rows)

        await self._file.write(remove, several=True)

    async def _tally(self, statement: str, values: Sequence[Any]) -> dict[str, int]:
        def select(connection: sqlite3.Connection) -> dict[str, int]:
            return dict(connection.execute(statement, values).fetchall())

        tally: dict[str, int] = await self._file.read(select)
        return tally

    async def _select(self, rest: str, values: Sequence[Any]) -> list[Job]:
        # Decoded here, in the reading thread: a long page must not hold up the event loop.
        def select(connection: sqlite3.Connection) -> list[Job]:
            return [
                with_heartbeat(_JOB.decode(body), None if beat is None else moment(beat))
                for body, beat in connection.execute(f"SELECT body, heartbeatAt FROM jobs {rest}", values)
            ]

        jobs: list[Job] = await self._file.read(select)
        return jobs


def _columns(job: Job) -> dict[str, Any]:
    """What the guards and queries need of a job."""
    lease = job.lease
    return {
        "processId": job.process_id,
        "revision": job.revision,
        "attempt": job.attempt,
        "status": str(job.status),
        "open": int(job.open),
        "libraryId": job.library_id,
        "documentId": job.document_id,
        "slot": job.slot,
        "batchId": job.correlation.batch_id,
        "updatedAt": milliseconds(job.updated_at),
        "heartbeatAt": milliseconds(lease.heartbeat_at) if lease else None,
        "deadlineAt": milliseconds(lease.deadline_at) if lease else None,
        "outboxAt": milliseconds(min(entry.at for entry in job.outbox)) if job.outbox else None,
        "waiting": int(job.waiting),
        "priority": job.priority,
        "idempotencyKey": job.idempotency_key,
    }


def _spill(connection: sqlite3.Connection, job_id: str, rows: list[LogRow]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO job_logs VALUES (?, ?, ?)", [(job_id, r["seq"], _ENCODER.encode(r)) for r in rows]
    )


def _terms(query: JobQuery) -> tuple[list[str], list[Any]]:
    wanted = {column: getattr(query, name) for name, column in _FILTERS.items()}
    wanted = {column: value for column, value in wanted.items() if value is not None}
    return [f"{column} = ?" for column in wanted], list(wanted.values())


def _conflict(connection: sqlite3.Connection, job: Job) -> OpenJobExists | IdempotencyKeyTaken:
    if job.idempotency_key is not None:
        taken = connection.execute(
            "SELECT jobId FROM jobs WHERE libraryId = ? AND idempotencyKey = ? AND jobId != ?",
            (job.library_id, job.idempotency_key, job.job_id),
        ).fetchone()
        if taken:
            return IdempotencyKeyTaken(taken[0])
    found = connection.execute("SELECT jobId FROM jobs WHERE slot = ? AND open = 1", (job.slot,))
    return OpenJobExists((found.fetchone() or (job.job_id,))[0])


def sqlite_stores(path: Path) -> tuple[SqliteJobs, SqliteDocuments]:
    """Both stores on one file; opening the first opens the second."""
    file = SqliteFile(path)
    return SqliteJobs(file), SqliteDocuments(file)
