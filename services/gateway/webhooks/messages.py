"""What a webhook says: `{type, timestamp, data}`, thin. The data are ids, states and links into the API. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from shared.alert import Alert
from shared.document import Document
from shared.job import Job, JobError, JobStatus, Record
from shared.webhook import EventType


class MessageError(Record, frozen=True, kw_only=True):
    """Why a job has failed: a code of docs/errors.md (`cancelled` when somebody wanted it so), and what to do."""

    code: str
    step: str
    message: str
    hint: str
    retryable: bool


class JobData(Record, frozen=True, kw_only=True):
    """Data of `job.*`; `operation` is extract, or quality for a second look at pictures. `process_id` names the run."""

    job_id: str
    library_id: str
    document_id: str
    item_id: str
    name: str
    operation: str
    status: str
    process_id: str
    batch_id: str | None
    error: MessageError | None
    links: dict[str, str]


class DocumentData(Record, frozen=True, kw_only=True):
    """Data of `document.*`; `status` is pending, processed, error or deleted, `job_id` the job that did it."""

    document_id: str
    library_id: str
    item_id: str
    name: str
    status: str
    job_id: str | None
    error: MessageError | None
    links: dict[str, str]


class AlertData(Record, frozen=True, kw_only=True):
    """Data of `alert.*`."""

    alert_id: str
    library_id: str
    kind: str
    subject: str
    state: str
    message: str
    advice: str
    count: int
    links: dict[str, str]


class PingData(Record, frozen=True, kw_only=True):
    """Data of `ping`."""

    endpoint_id: str
    library_id: str


class Event(Record, frozen=True, kw_only=True):
    """Something that happened once: `event_id` is the same whoever tells it. `key` is what events are ordered by."""

    event_id: str
    type: EventType
    at: datetime
    library_id: str
    key: str
    data: JobData | DocumentData | AlertData | PingData

    def body(self) -> str:
        """The message's JSON."""
        said: dict[str, Any] = {"type": self.type, "timestamp": self.at, "data": self.data}
        return msgspec.json.encode(said).decode()


def of_job(job: Job, event_id: str) -> list[Event]:
    """What the end of a run tells: of the job, then of its document, unless it was a job beside it."""
    well = job.status == JobStatus.COMPLETED
    links = {"job": f"/api/jobs/{job.job_id}", "document": f"/api/documents/{job.document_id}"}
    source = job.correlation.source
    common: dict[str, Any] = {
        "job_id": job.job_id,
        "library_id": job.library_id,
        "document_id": job.document_id,
        "item_id": source.item_id,
        "name": source.name,
        "error": _error(job.error),
        "links": links,
    }
    told = JobData(
        **common,
        operation=job.operation,
        status=job.status,
        process_id=job.process_id,
        batch_id=job.correlation.batch_id,
    )
    where: dict[str, Any] = {"at": job.updated_at, "library_id": job.library_id, "key": job.document_id}
    kind = EventType.JOB_COMPLETED if well else EventType.JOB_FAILED
    events = [Event(event_id=event_id, type=kind, data=told, **where)]
    if job.operation == "extract":
        status, kind = ("processed", EventType.DOCUMENT_PROCESSED) if well else ("error", EventType.DOCUMENT_FAILED)
        data = DocumentData(**common, status=status)
        events.append(Event(event_id=f"{event_id}:document", type=kind, data=data, **where))
    return events


def of_upload(document: Document, event_id: str, at: datetime) -> Event:
    """That a document, or a new version of its file, is here."""
    data = DocumentData(
        document_id=document.document_id,
        library_id=document.library_id,
        item_id=document.item_id,
        name=document.name,
        status=document.status,
        job_id=None,
        error=None,
        links={"document": f"/api/documents/{document.document_id}"},
    )
    where = {"library_id": document.library_id, "key": document.document_id}
    return Event(event_id=event_id, type=EventType.DOCUMENT_UPLOADED, at=at, data=data, **where)


def of_deletion(job: Job, event_id: str, at: datetime) -> Event:
    """That the document of a deletion is gone."""
    data = DocumentData(
        document_id=job.document_id,
        library_id=job.library_id,
        item_id=job.correlation.source.item_id,
        name=job.correlation.source.name,
        status="deleted",
        job_id=job.job_id,
        error=None,
        links={},
    )
    where = {"library_id": job.library_id, "key": job.document_id}
    return Event(event_id=event_id, type=EventType.DOCUMENT_DELETED, at=at, data=data, **where)


def of_alert(alert: Alert, event_id: str) -> Event:
    """That an alert is in this state."""
    over = alert.state == "resolved"
    data = AlertData(
        alert_id=alert.alert_id,
        library_id=alert.library_id,
        kind=alert.kind,
        subject=alert.subject,
        state=alert.state,
        message=alert.message,
        advice=alert.advice,
        count=alert.count,
        links={"alert": f"/api/alerts/{alert.alert_id}"},
    )
    kind = EventType.ALERT_RESOLVED if over else EventType.ALERT_OPENED
    at = alert.resolved_at if over and alert.resolved_at else alert.opened_at
    return Event(event_id=event_id, type=kind, at=at, library_id=alert.library_id, key=alert.alert_id, data=data)


def _error(error: JobError | None) -> MessageError | None:
    if error is None:
        return None
    return MessageError(
        code=error.code, step=error.step, message=error.message, hint=error.hint, retryable=error.retryable
    )
