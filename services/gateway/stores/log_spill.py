"""How a job's log is kept short in its document: the newest entries stay, older ones move to the log collection."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from shared.job import LOGS_KEPT, Job

LogRow = dict[str, Any]


def split_logs(job: Job) -> tuple[list[LogRow], list[LogRow]]:
    """Entries to move away and entries to keep."""
    return job.logs[:-LOGS_KEPT], job.logs[-LOGS_KEPT:]


def same_claim(old: Job, new: Job) -> bool:
    """Whether both hold the same lease, so that a heartbeat which came between them must survive."""
    before, after = old.lease, new.lease
    return bool(before and after and (before.owner, before.claimed_at) == (after.owner, after.claimed_at))


def with_heartbeat(job: Job, beat: Any) -> Job:
    """The job with a heartbeat that was stored beside it, when that is newer than its own."""
    if beat is None or job.lease is None or beat <= job.lease.heartbeat_at:
        return job
    return replace(job, lease=replace(job.lease, heartbeat_at=beat))


def joined_logs(spilled: list[LogRow], embedded: list[LogRow], after: int, limit: int) -> list[LogRow]:
    """Both parts as one log in order, each entry once."""
    rows = {int(row["seq"]): row for row in (*spilled, *embedded) if row["seq"] > after}
    return [rows[seq] for seq in sorted(rows)][:limit]
