"""Job documents in MongoDB, by plain single-document operations only: each is atomic by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from pymongo.errors import DuplicateKeyError

from services.gateway.stores.log_spill import LogRow, joined_logs, same_claim, split_logs
from services.gateway.stores.mongo_database import LostReply, MongoDatabase, new_write_id, told
from services.gateway.stores.mongo_documents import MongoDocuments
from shared.cursor import page_size, read_cursor, write_cursor
from shared.errors import TransientError
from shared.job import QUALITY_PASS, Job, JobStatus, from_document, to_document
from shared.ports import IdempotencyKeyTaken, JobPage, JobQuery, OpenJobExists, OpenJobs

_NEWEST = [("createdAt", -1), ("_id", -1)]
_FILTERS = {
    "status": "status",
    "library_id": "libraryId",
    "batch_id": "correlation.batchId",
    "document_id": "documentId",
}


class MongoJobs:
    """The JobStore of an installation with MongoDB; its clock is the server's."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = self.database = database

    async def open(self) -> None:
        """Connect, for the documents as well."""
        await self._database.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    async def now(self) -> datetime:
        """The server's clock."""
        return await self._database.now()

    async def create(self, job: Job) -> None:
        """Insert; raises OpenJobExists, also when this very job is there already."""
        fresh, kept = split_logs(job)
        write_id = new_write_id()
        document = to_document(job) | _derived(job) | {"_id": job.job_id, "writeId": write_id}
        try:
            with told():
                await self._database.jobs.insert_one(document)
        except DuplicateKeyError as error:
            if not await self._was_done(job.job_id, write_id):
                raise await self._conflict(job) from error
        except LostReply:
            if not await self._was_done(job.job_id, write_id):
                raise
        await self._trim(job.job_id, write_id, fresh, kept)

    async def get(self, job_id: str) -> Job | None:
        """The job; heartbeats are part of its document."""
        with told():
            document = await self._database.jobs.find_one({"_id": job_id})
        return None if document is None else from_document(document)

    async def swap(self, old: Job, new: Job) -> bool:
        """Compare-and-swap by one update_one whose filter holds the whole guard.

        Log entries that `old` holds already are moved before the swap; they are the same for every writer, so a lost
        race does no harm. Entries that only this swap brings may be moved after it alone.
        """
        spilled, kept = split_logs(new)
        known = {row["seq"] for row in old.logs}
        moved = [row for row in spilled if row["seq"] in known]
        fresh = [row for row in spilled if row["seq"] not in known]
        await self._spill(old.job_id, moved)
        write_id = new_write_id()
        stored = replace(new, revision=old.revision + 1, logs=[*fresh, *kept])
        won = await self._update(old, _changes(old, stored, write_id), new, write_id)
        if won:
            await self._trim(old.job_id, write_id, fresh, kept)
        elif moved and await self.get(old.job_id) is None:
            with told():
                await self._database.job_logs.delete_many({"jobId": old.job_id})
        return won

    async def heartbeat(self, job_id: str, process_id: str, attempt: int) -> bool:
        """Set the lease's time by one conditional update."""
        guard = {
            "_id": job_id,
            "processId": process_id,
            "attempt": attempt,
            "status": str(JobStatus.RUNNING),
            "lease.owner": {"$exists": True},
        }
        now = await self.now()
        with told():
            done = await self._database.jobs.update_one(guard, {"$set": {"lease.heartbeatAt": now}})
        return bool(done.matched_count == 1)

    async def find(self, query: JobQuery) -> JobPage:
        """A page, newest first."""
        wanted = _wanted(query)
        if query.cursor is not None:
            at, last = read_cursor(query.cursor)
            wanted["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": last}}]
        limit = page_size(query.limit)
        jobs = await self._select(wanted, _NEWEST, limit + 1)
        more = write_cursor(jobs[limit - 1].created_at, jobs[limit - 1].job_id) if len(jobs) > limit else None
        return JobPage(jobs[:limit], more)

    async def counts(self, query: JobQuery) -> dict[str, int]:
        """Jobs by status."""
        found = {}
        for status in [query.status] if query.status else [str(status) for status in JobStatus]:
            with told():
                found[status] = await self._database.jobs.count_documents(_wanted(query) | {"status": status})
        return {status: count for status, count in found.items() if count}

    async def waiting(self, per_library: int) -> list[Job]:
        """The first waiting jobs of each library."""
        with told():
            libraries = await self._database.jobs.distinct("libraryId", {"waiting": True})
        order = [("priority", -1), ("createdAt", 1), ("_id", 1)]
        jobs: list[Job] = []
        for library in libraries:
            jobs += await self._select({"waiting": True, "libraryId": library}, order, per_library)
        return sorted(jobs, key=lambda job: (-job.priority, job.created_at, job.job_id))

    async def admitted(self) -> dict[str, int]:
        """Open jobs that are admitted, by library."""
        held: dict[str, Any] = {"openDocumentId": {"$exists": True}, "waiting": {"$exists": False}}
        held["operation"] = {"$ne": QUALITY_PASS}
        with told():
            libraries = await self._database.jobs.distinct("libraryId", held)
            return {name: await self._database.jobs.count_documents(held | {"libraryId": name}) for name in libraries}

    async def open_jobs(self) -> list[OpenJobs]:
        """By the index of open jobs."""
        group = {
            "_id": {"library": "$libraryId", "status": "$status"},
            "count": {"$sum": 1},
            "waiting": {"$sum": {"$cond": [{"$eq": ["$waiting", True]}, 1, 0]}},
            "stillest": {"$min": "$updatedAt"},
        }
        with told():
            rows = self._database.jobs.aggregate([{"$match": {"openDocumentId": {"$exists": True}}}, {"$group": group}])
            return [
                OpenJobs(
                    library_id=row["_id"]["library"],
                    status=row["_id"]["status"],
                    count=row["count"],
                    waiting=row["waiting"],
                    stillest=row["stillest"],
                )
                async for row in rows
            ]

    async def by_key(self, library_id: str, idempotency_key: str) -> Job | None:
        """By its unique index."""
        found = await self._select({"uniqueKey": unique_key(library_id, idempotency_key)}, [("_id", 1)], 1)
        return found[0] if found else None

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> list[LogRow]:
        """Both parts of the log. The document is read first: entries move from it to the collection, never back."""
        with told():
            job = await self._database.jobs.find_one({"_id": job_id}, {"logs": 1})
            rows = self._database.job_logs.find({"jobId": job_id, "seq": {"$gt": after}}).sort("seq", 1).limit(limit)
            spilled = [row["body"] for row in await rows.to_list(limit)]
        return joined_logs(spilled, job["logs"] if job else [], after, limit)

    async def due(self, *, heartbeat_before: datetime, outbox_before: datetime, limit: int = 100) -> list[Job]:
        """Jobs of silent or late workers first, so that a broker's outage cannot hide them."""
        late = [{"lease.heartbeatAt": {"$lt": heartbeat_before}}, {"lease.deadlineAt": {"$lt": await self.now()}}]
        held = {"openDocumentId": {"$exists": True}, "$or": late}
        leases = await self._select(held, [("lease.heartbeatAt", 1)], limit)
        waiting = await self._select({"outboxAt": {"$lt": outbox_before}}, [("outboxAt", 1)], limit)
        return list({job.job_id: job for job in (*leases, *waiting)}.values())[:limit]

    async def delete(self, job_ids: Sequence[str]) -> None:
        """Remove jobs, then their logs."""
        ids = list(job_ids)
        with told():
            await self._database.jobs.delete_many({"_id": {"$in": ids}})
            await self._database.job_logs.delete_many({"jobId": {"$in": ids}})

    async def _select(self, wanted: dict[str, Any], order: list[tuple[str, int]], limit: int) -> list[Job]:
        with told():
            documents = await self._database.jobs.find(wanted).sort(order).limit(limit).to_list(limit)
        return [from_document(document) for document in documents]

    async def _update(self, old: Job, changes: dict[str, Any], new: Job, write_id: str) -> bool:
        guard = {"_id": old.job_id, "processId": old.process_id, "revision": old.revision}
        try:
            with told():
                return bool((await self._database.jobs.update_one(guard, changes)).matched_count == 1)
        except DuplicateKeyError as error:
            raise await self._conflict(new) from error
        except LostReply:
            if await self._was_done(old.job_id, write_id):
                return True
            raise

    async def _was_done(self, job_id: str, write_id: str) -> bool:
        """Whether the stored document is the one this write made."""
        with told():
            return await self._database.jobs.find_one({"_id": job_id, "writeId": write_id}, {"_id": 1}) is not None

    async def _conflict(self, job: Job) -> Exception:
        """Why a unique index refused the job: the other one is named, unless it has just been closed."""
        if job.idempotency_key is not None:
            taken = await self.by_key(job.library_id, job.idempotency_key)
            if taken is not None and taken.job_id != job.job_id:
                return IdempotencyKeyTaken(taken.job_id)
        with told():
            other = await self._database.jobs.find_one({"openDocumentId": job.slot}, {"_id": 1})
            if other is None:
                other = await self._database.jobs.find_one({"_id": job.job_id, "revision": 0}, {"_id": 1})
        return OpenJobExists(other["_id"]) if other else TransientError("unavailable", "Another job has just closed.")

    async def _spill(self, job_id: str, rows: list[LogRow]) -> None:
        async def upsert(row: LogRow) -> None:
            body = {"jobId": job_id, "seq": row["seq"], "body": row}
            # Two writers may move the same entry at once; the server then lets one of them fail.
            with contextlib.suppress(DuplicateKeyError), told():
                await self._database.job_logs.update_one(
                    {"_id": f"{job_id}:{row['seq']}"}, {"$setOnInsert": body}, upsert=True
                )

        await asyncio.gather(*map(upsert, rows))

    async def _trim(self, job_id: str, write_id: str, fresh: list[LogRow], kept: list[LogRow]) -> None:
        """Move entries of a write that is done. If this fails the next swap moves them, so nobody needs to know."""
        if not fresh:
            return
        with contextlib.suppress(TransientError), told():
            await self._spill(job_id, fresh)
            await self._database.jobs.update_one({"_id": job_id, "writeId": write_id}, {"$set": {"logs": kept}})


def _wanted(query: JobQuery) -> dict[str, Any]:
    wanted = {field: getattr(query, name) for name, field in _FILTERS.items()}
    return {field: value for field, value in wanted.items() if value is not None}


def unique_key(library_id: str, idempotency_key: str) -> str:
    """The value of the unique index on idempotency keys, which are a library's own."""
    return f"{library_id}/{idempotency_key}"


def _derived(job: Job) -> dict[str, Any]:
    """Fields for indexes, absent where they do not apply."""
    fields: dict[str, Any] = {"openDocumentId": job.slot} if job.open else {}
    if job.waiting:
        fields["waiting"] = True
    if job.idempotency_key is not None:
        fields["uniqueKey"] = unique_key(job.library_id, job.idempotency_key)
    if job.outbox:
        fields["outboxAt"] = min(entry.at for entry in job.outbox)
    return fields


def _changes(old: Job, new: Job, write_id: str) -> dict[str, Any]:
    """The update that makes the stored document `new`, but keeps fields that a newer program added to it, and a
    heartbeat that came since `old` was read."""
    fields = to_document(new) | _derived(new) | {"writeId": write_id}
    changes: dict[str, Any] = {"$set": fields}
    gone = {name: "" for name in ("openDocumentId", "outboxAt", "waiting") if name not in fields}
    if gone:
        changes["$unset"] = gone
    if same_claim(old, new):
        lease = fields.pop("lease")
        changes["$max"] = {"lease.heartbeatAt": lease.pop("heartbeatAt")}
        fields |= {f"lease.{name}": value for name, value in lease.items()}
    return changes


def mongo_stores(uri: str) -> tuple[MongoJobs, MongoDocuments]:
    """Both stores on one connection; opening the first opens the second."""
    database = MongoDatabase(uri)
    return MongoJobs(database), MongoDocuments(database)
