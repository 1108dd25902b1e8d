"""Job documents and document records for tests, with only what a test cares about spelled out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.document import Document
from shared.edits import new_steps
from shared.job import Correlation, Job, JobStatus, Lease, Options, OutboxEntry, Parameters, Source, StepName

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def seconds(count: float) -> datetime:
    """A moment counted from START."""
    return START + timedelta(seconds=count)


def make_job(name: str = "1", *, batch: str | None = None, library: str = "lib", at: float = 0, **changes: Any) -> Job:
    """An open job `job-{name}` of document `doc-{name}`."""
    source = Source(name="report.pdf", item_id=f"item-{name}")
    correlation = Correlation(
        job_id=f"job-{name}", library_id=library, source=source, options=Options(), batch_id=batch
    )
    fields: dict[str, Any] = {
        "job_id": f"job-{name}",
        "library_id": library,
        "correlation": correlation,
        "created_at": seconds(at),
        "updated_at": seconds(at),
        "parameters": Parameters(),
        "steps": new_steps(),
        "process_id": "run-1",
        "document_id": f"doc-{name}",
    }
    return Job(**(fields | changes))


def running_job(name: str = "1", *, beat: float = 0, deadline: float = 3600, **changes: Any) -> Job:
    """A job whose extraction is held by a worker."""
    lease = Lease(
        owner="worker",
        step=StepName.EXTRACT,
        claimed_at=seconds(0),
        heartbeat_at=seconds(beat),
        deadline_at=seconds(deadline),
    )
    fields: dict[str, Any] = {"status": JobStatus.RUNNING, "lease": lease}
    return make_job(name, **(fields | changes))


def outbox_entry(at: float, name: str = "event-1") -> OutboxEntry:
    """An event that waits since that moment."""
    return OutboxEntry(event_id=name, kind="event", at=seconds(at), subject="shadowtwin.pdf.extracted")


def log_rows(first: int, last: int) -> list[dict[str, Any]]:
    """Numbered log entries, both ends included."""
    return [
        {"seq": seq, "timestamp": seconds(seq), "phase": "extract", "message": f"line {seq}"}
        for seq in range(first, last + 1)
    ]


def make_document(
    name: str = "1", *, library: str = "lib", sha256: str = "aa", at: float = 0, **changes: Any
) -> Document:
    """A record `doc-{name}` that is not stored yet."""
    return Document(
        document_id=f"doc-{name}",
        library_id=library,
        item_id=f"item-{name}",
        sha256=sha256,
        name="report.pdf",
        size=10,
        created_at=seconds(at),
        updated_at=seconds(at),
        **changes,
    )
