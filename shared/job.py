"""The job document: one guarded, append-only account of one request to process a document.

Field names on the wire and in the stores are those of the source's `ExternalJob` (seed 003, checklist A3.22-32);
the additions of this system stand below them. Times are aware UTC datetimes, cut to milliseconds because that is
what MongoDB keeps.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from shared.costs import Cost
from shared.parameters import Options as Options
from shared.parameters import Parameters as Parameters
from shared.parameters import Phases as Phases
from shared.parameters import Policies as Policies
from shared.parameters import Policy as Policy
from shared.parameters import Record as Record
from shared.parameters import RecordOptions as RecordOptions

QUALITY_PASS = "quality"
DELETION = "delete"
"""The operation of a job that looks again at another one's pictures."""

LOGS_KEPT = 100
"""Newest log entries embedded in the document; older ones are spilled to the store's log collection."""


class JobStatus(StrEnum):
    """Overall state of a job. `completed` and `failed` are terminal within a run."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class StepStatus(StrEnum):
    """State of one step within the current run."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class StepName(StrEnum):
    """The four steps every job has, in the order of the route; then the stages, which a job has when they run."""

    EXTRACT = "extract_pdf"
    STORE = "store_shadow_twin"
    TRANSFORM = "transform_template"
    INGEST = "ingest_rag"
    DISCOVER = "discover_products"
    IMAGES = "process_images"
    RECORDS = "extract_records"
    REFINE = "refine_records"
    LINK = "link_entities"
    QUALITY = "enhance_quality"


class Source(Record, frozen=True, kw_only=True):
    """Where the PDF comes from; `item_id` is the canonical file id of all its vectors (checklist A3.14)."""

    media_type: str = "pdf"
    mime_type: str = "application/pdf"
    name: str
    item_id: str
    parent_id: str = ""


class Correlation(Record, frozen=True, kw_only=True):
    """What foreign systems need to recognise the job."""

    job_id: str
    library_id: str
    source: Source
    options: Options
    batch_id: str | None = None
    batch_name: str | None = None


class Step(Record, frozen=True, kw_only=True):
    """One row of the job's steps; `fraction` (0-1) of its work is reported done."""

    name: StepName
    status: StepStatus = StepStatus.PENDING
    started_at: datetime | None = None
    ended_at: datetime | None = None
    skipped: bool = False
    reason: str = ""
    fraction: float = 0.0


class Artefact(Record, frozen=True, kw_only=True):
    """A stored file: storage key, SHA-256 (hex) and size in bytes."""

    key: str
    sha256: str
    size: int


class Lease(Record, frozen=True, kw_only=True):
    """Who works on the running step, and until when that may take. `reports` counts the reports taken so far."""

    owner: str
    step: StepName
    claimed_at: datetime
    heartbeat_at: datetime
    deadline_at: datetime
    reported: int = 0
    reports: int = 0


class OutboxEntry(Record, frozen=True, kw_only=True):
    """Something to be done outside, stored by the same write that decided it.

    `kind` is `event` (publish `subject`) or the name of an effect of the gateway; entries are done in order.
    """

    event_id: str
    kind: str
    at: datetime
    subject: str = ""
    data: dict[str, Any] = {}


class Progress(Record, frozen=True, kw_only=True):
    """What a person is shown: never goes back within a run.

    A job that asks for products shows the six bands of seed 001 (shared.pipeline): `stage` is the first that has not
    ended, and `stages` are the places of all in their bands.
    """

    step: str
    percent: float
    pages_done: int = 0
    pages_total: int = 0
    message: str = ""
    stage: int | None = None
    stages: list[float] = []


class JobError(Record, frozen=True, kw_only=True):
    """Why a job failed. `code` is one of `shared.errors.CATALOGUE` or the foreign worker's own."""

    code: str
    category: str
    step: str
    message: str
    hint: str = ""
    retryable: bool = False


class MetaEntry(Record, frozen=True, kw_only=True):
    """A significant state of the document's metadata."""

    at: datetime
    meta: dict[str, Any]
    source: str


class Ingestion(Record, frozen=True, kw_only=True):
    """Result of the last ingestion on the document's level."""

    upsert_at: datetime
    vectors_upserted: int
    index: str


class Payload(Record, frozen=True, kw_only=True, rename=None):
    """Short hand-over of a foreign worker; never read by ingestion (checklist A3.31). Snake case, as the source."""

    extracted_text: str | None = None
    images_archive_url: str | None = None
    metadata: dict[str, Any] | None = None


class Result(Record, frozen=True, kw_only=True):
    """The stored twin: its stable key and those of its other files."""

    saved_item_id: str = ""
    saved_items: list[str] = []


class RunSummary(Record, frozen=True, kw_only=True):
    """What is kept of an earlier run when a requeue starts a new one."""

    process_id: str
    ended_at: datetime
    status: JobStatus
    steps: list[Step]
    error: JobError | None = None


class Job(Record, frozen=True, kw_only=True):
    """The whole job document; changed only by the functions of `shared.transitions`."""

    job_id: str
    job_secret_hash: str = ""
    job_type: str = msgspec.field(default="pdf", name="job_type")
    operation: str = "extract"
    worker: str = "secretary"
    status: JobStatus = JobStatus.QUEUED
    library_id: str
    user_email: str = ""
    correlation: Correlation
    created_at: datetime
    updated_at: datetime
    parameters: Parameters
    steps: list[Step]
    logs: list[dict[str, Any]] = []
    process_id: str
    meta_history: list[MetaEntry] = []
    cumulative_meta: dict[str, Any] = {}
    ingestion: Ingestion | None = None
    payload: Payload | None = None
    result: Result | None = None
    # additions of this system
    revision: int = 0
    document_id: str
    parent_job_id: str = ""
    attempt: int = 1
    losses: int = 0
    callback_ids: list[str] = []
    log_count: int = 0
    outbox: list[OutboxEntry] = []
    lease: Lease | None = None
    checkpoint: dict[str, Any] = {}
    progress: Progress | None = None
    error: JobError | None = None
    warnings: list[dict[str, Any]] = []
    costs: list[Cost] = []
    paid: list[str] = []
    counts: dict[str, int] = {}
    outputs: dict[str, dict[str, Artefact]] = {}
    idempotency_key: str | None = None
    idempotency_digest: str = ""
    priority: int = 0
    admitted_at: datetime | None = None
    runs: list[RunSummary] = []

    @property
    def slot(self) -> str:
        """What only one open job may hold: its document, or that document's quality pass, which is no obstacle to the
        document's next job, nor the other way round."""
        return f"{self.document_id}/{QUALITY_PASS}" if self.operation == QUALITY_PASS else self.document_id

    @property
    def open(self) -> bool:
        """Whether work is still to be done."""
        return self.status in (JobStatus.QUEUED, JobStatus.RUNNING)

    def step(self, name: str) -> Step:
        """The step of that name; KeyError if the job has none."""
        for step in self.steps:
            if step.name == name:
                return step
        raise KeyError(name)

    @property
    def waiting(self) -> bool:
        """Whether the gateway has not admitted the job yet: it is queued in the database only."""
        return self.status == JobStatus.QUEUED and self.admitted_at is None

    def log_context(self) -> dict[str, str]:
        """What every log line about this job carries."""
        return {"job": self.job_id, "run": self.process_id, "document": self.document_id}


def to_milliseconds(moment: datetime) -> datetime:
    """The moment as every store can keep it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def utc_now() -> datetime:
    """This machine's time in UTC, cut to milliseconds. For decisions use the store's clock instead."""
    return to_milliseconds(datetime.now(UTC))


def to_document(job: msgspec.Struct) -> dict[str, Any]:
    """The stored form: plain dicts and lists, camelCase names, datetimes kept."""
    document: dict[str, Any] = msgspec.to_builtins(job, builtin_types=(datetime,))
    return document


def from_document(document: dict[str, Any]) -> Job:
    """The job of a stored form; unknown fields are ignored, so that an older process can read a newer document."""
    return msgspec.convert(document, Job)
