"""The stores in memory: the same contract, for tests. They hold encoded copies, so that nobody shares an object."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from shared.cursor import page_size, read_cursor, write_cursor
from shared.document import Document
from shared.errors import ShadowtwinError
from shared.job import LOGS_KEPT, Artefact, Job, JobStatus, utc_now
from shared.ports import IdempotencyKeyTaken, JobPage, JobQuery, OpenJobExists, OpenJobs

T = TypeVar("T")


class MemoryJobs:
    """JobStore; `clock` may be replaced by a test that moves time."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.clock = clock
        self.stored: dict[str, bytes] = {}
        self.spilled: dict[str, dict[int, dict[str, Any]]] = {}

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def now(self) -> datetime:
        """The clock's time."""
        return self.clock()

    async def create(self, job: Job) -> None:
        """Insert; raises OpenJobExists, also when this very job is there already."""
        if job.idempotency_key is not None:
            taken = await self.by_key(job.library_id, job.idempotency_key)
            if taken is not None:
                raise IdempotencyKeyTaken(taken.job_id)
        self._refuse_second(job)
        if job.job_id in self.stored:
            raise OpenJobExists(job.job_id)
        self._store(job)

    async def get(self, job_id: str) -> Job | None:
        """A copy of the job."""
        return msgspec.msgpack.decode(self.stored[job_id], type=Job) if job_id in self.stored else None

    async def swap(self, old: Job, new: Job) -> bool:
        """Compare-and-swap; nothing here awaits between the comparison and the swap."""
        stored = await self.get(old.job_id)
        if stored is None or (stored.process_id, stored.revision) != (old.process_id, old.revision):
            return False
        self._refuse_second(new)
        lease = new.lease
        if lease and stored.lease and (lease.owner, lease.claimed_at) == (stored.lease.owner, stored.lease.claimed_at):
            lease = replace(lease, heartbeat_at=max(lease.heartbeat_at, stored.lease.heartbeat_at))
        self._store(replace(new, revision=old.revision + 1, lease=lease))
        return True

    async def heartbeat(self, job_id: str, process_id: str, attempt: int) -> bool:
        """Renew the lease of exactly this attempt."""
        job = await self.get(job_id)
        if job is None or job.lease is None or job.status != JobStatus.RUNNING:
            return False
        if (job.process_id, job.attempt) != (process_id, attempt):
            return False
        self._store(replace(job, lease=replace(job.lease, heartbeat_at=self.clock())))
        return True

    async def find(self, query: JobQuery) -> JobPage:
        """A page, newest first."""
        jobs = [job for job in self._all() if _matches(job, query)]
        page, cursor = _page(jobs, lambda job: (job.created_at, job.job_id), query.cursor, query.limit)
        return JobPage(page, cursor)

    async def counts(self, query: JobQuery) -> dict[str, int]:
        """Jobs by status."""
        return dict(Counter(str(job.status) for job in self._all() if _matches(job, query)))

    async def waiting(self, per_library: int) -> list[Job]:
        """The first waiting jobs of each library."""
        jobs = sorted(
            (job for job in self._all() if job.waiting), key=lambda job: (-job.priority, job.created_at, job.job_id)
        )
        seen: Counter[str] = Counter()
        return [job for job in jobs if (seen.update([job.library_id]) or seen[job.library_id]) <= per_library]

    async def admitted(self) -> dict[str, int]:
        """Open jobs that are admitted, by library."""
        return dict(
            Counter(
                job.library_id for job in self._all() if job.open and not job.waiting and job.slot == job.document_id
            )
        )

    async def open_jobs(self) -> list[OpenJobs]:
        """The open jobs by library and state."""
        groups: dict[tuple[str, str], list[Job]] = {}
        for job in self._all():
            if job.open:
                groups.setdefault((job.library_id, str(job.status)), []).append(job)
        return [
            OpenJobs(
                library_id=library,
                status=status,
                count=len(jobs),
                waiting=sum(job.waiting for job in jobs),
                stillest=min(job.updated_at for job in jobs),
            )
            for (library, status), jobs in groups.items()
        ]

    async def by_key(self, library_id: str, idempotency_key: str) -> Job | None:
        """The job with this key."""
        named = [job for job in self._all() if (job.library_id, job.idempotency_key) == (library_id, idempotency_key)]
        return named[0] if named else None

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Spilled and embedded entries as one log."""
        job = await self.get(job_id)
        rows = self.spilled.get(job_id, {}) | {row["seq"]: row for row in (job.logs if job else [])}
        return [rows[seq] for seq in sorted(rows) if seq > after][:limit]

    async def due(self, *, heartbeat_before: datetime, outbox_before: datetime, limit: int = 100) -> list[Job]:
        """Jobs of silent or late workers first, then those with something to tell."""
        now = self.clock()
        held = [(job, job.lease) for job in self._all() if job.open and job.lease]
        late = [(x.heartbeat_at, job) for job, x in held if x.heartbeat_at < heartbeat_before or x.deadline_at < now]
        waiting = [(min(entry.at for entry in job.outbox), job) for job in self._all() if job.outbox]
        waiting = [(at, job) for at, job in waiting if at < outbox_before]
        ordered = [job for rows in (late, waiting) for _, job in sorted(rows, key=lambda row: row[0])]
        return list({job.job_id: job for job in ordered}.values())[:limit]

    async def delete(self, job_ids: Sequence[str]) -> None:
        """Remove jobs and their logs."""
        for job_id in job_ids:
            self.stored.pop(job_id, None)
            self.spilled.pop(job_id, None)

    def _all(self) -> list[Job]:
        return [msgspec.msgpack.decode(body, type=Job) for body in self.stored.values()]

    def _refuse_second(self, job: Job) -> None:
        for other in self._all() if job.open else []:
            if other.open and other.slot == job.slot and other.job_id != job.job_id:
                raise OpenJobExists(other.job_id)

    def _store(self, job: Job) -> None:
        for row in job.logs[:-LOGS_KEPT]:
            self.spilled.setdefault(job.job_id, {}).setdefault(row["seq"], row)
        self.stored[job.job_id] = msgspec.msgpack.encode(replace(job, logs=job.logs[-LOGS_KEPT:]))


class MemoryDocuments:
    """DocumentStore."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    async def get(self, document_id: str) -> Document | None:
        """A copy of the record."""
        return (await self.many([document_id])).get(document_id)

    async def by_hash(self, library_id: str, sha256: str) -> Document | None:
        """The newest record of these bytes."""
        same = [d for d in self._all() if (d.library_id, d.sha256) == (library_id, sha256)]
        return max(same, key=lambda d: (d.created_at, d.document_id), default=None)

    async def put(self, document: Document) -> bool:
        """Insert a record of revision 0, or replace the one of this revision."""
        known = await self.get(document.document_id)
        if (known.revision if known else 0) != document.revision:
            return False
        self.stored[document.document_id] = msgspec.msgpack.encode(replace(document, revision=document.revision + 1))
        return True

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """A page, newest first."""
        rows = [d for d in self._all() if library_id in (None, d.library_id)]
        page, more = _page(rows, lambda d: (d.created_at, d.document_id), cursor, limit)
        return page, more

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those that exist."""
        known = {i: self.stored[i] for i in document_ids if i in self.stored}
        return {i: msgspec.msgpack.decode(body, type=Document) for i, body in known.items()}

    async def delete(self, document_id: str) -> None:
        """Remove the record."""
        self.stored.pop(document_id, None)

    def _all(self) -> list[Document]:
        return [msgspec.msgpack.decode(body, type=Document) for body in self.stored.values()]


class MemoryStorage:
    """Storage without the checks of keys."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
        """Store when the content has ended without an error."""
        whole = content if isinstance(content, bytes) else b"".join([piece async for piece in content])
        self.objects[key] = whole
        return Artefact(key=key, sha256=hashlib.sha256(whole).hexdigest(), size=len(whole))

    async def read(self, key: str) -> bytes:
        """The object."""
        if key not in self.objects:
            raise ShadowtwinError("artefact_missing")
        return self.objects[key]

    async def stream(self, key: str, chunk: int = 1 << 20) -> AsyncIterator[bytes]:
        """The object in pieces."""
        whole = await self.read(key)
        for start in range(0, len(whole), chunk):
            yield whole[start : start + chunk]

    async def stat(self, key: str) -> int | None:
        """Its size."""
        return len(self.objects[key]) if key in self.objects else None

    async def copy(self, source: str, target: str) -> None:
        """The same bytes under another key."""
        self.objects[target] = await self.read(source)

    async def delete(self, key: str) -> None:
        """Remove one object."""
        self.objects.pop(key, None)

    async def delete_prefix(self, prefix: str) -> int:
        """Remove all objects below."""
        keys = [key async for key in self.keys(prefix)]
        for key in keys:
            del self.objects[key]
        return len(keys)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key below, in order."""
        for key in sorted(self.objects):
            if key.startswith(f"{prefix}/"):
                yield key

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """Every next segment, in order."""
        start = f"{prefix}/" if prefix else ""
        for name in sorted({key[len(start) :].split("/")[0] for key in self.objects if key.startswith(start)}):
            yield name

    async def local_path(self, key: str, directory: str) -> str:
        """A file with the object's bytes."""
        path = Path(directory) / hashlib.sha256(key.encode()).hexdigest()
        path.write_bytes(await self.read(key))
        return str(path)


def _matches(job: Job, query: JobQuery) -> bool:
    values = (job.status, job.library_id, job.correlation.batch_id, job.document_id)
    wanted = (query.status, query.library_id, query.batch_id, query.document_id)
    return all(want in (None, value) for value, want in zip(values, wanted, strict=True))


def _page(
    rows: list[T], order: Callable[[T], tuple[datetime, str]], cursor: str | None, limit: int
) -> tuple[list[T], str | None]:
    rows = sorted(rows, key=order, reverse=True)
    if cursor is not None:
        last = read_cursor(cursor)
        rows = [row for row in rows if order(row) < last]
    size = page_size(limit)
    return rows[:size], write_cursor(*order(rows[size - 1])) if len(rows) > size else None
