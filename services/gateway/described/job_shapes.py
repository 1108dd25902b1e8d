"""Shapes of answers about jobs and batches, and of errors; see shapes.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired, TypedDict

import msgspec

from services.gateway.accepted import Accepted
from services.gateway.durations import Durations
from shared.job import Job, StepName, StepStatus

Row = dict[str, Any]


class Problem(TypedDict):
    """An error (RFC 9457). `code` is one of docs/errors.md, `hint` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    reason: NotRequired[str]
    jobId: NotRequired[str]


class Summary(TypedDict):
    """The run's answer in the words of seed 001; the score is 0-1."""

    document_id: str
    products_discovered: int
    chunks_created: int
    images_processed: int
    confidence_score: float | None


class ShownJob(Job, frozen=True, kw_only=True):
    """The job document, secrets masked; `shownStatus` is a status or `cancelled`."""

    mongo_id: str = msgspec.field(name="_id")
    shown_status: str
    summary: Summary
    durations: Durations


class Jobs(TypedDict):
    """A page of jobs, without their logs."""

    jobs: list[ShownJob]
    cursor: str | None


class Logs(TypedDict):
    """Log entries; `cursor` is the seq of the last one looked at."""

    logs: list[Row]
    cursor: int


class ShortStatus(TypedDict):
    """queued | running | done | cancelled | error:<message>."""

    jobId: str
    status: str
    documentId: str


class Bar(TypedDict):
    """A step of the timeline; times in seconds."""

    step: StepName
    status: StepStatus
    skipped: bool
    reason: str
    startedAt: datetime | None
    endedAt: datetime | None
    seconds: float | None
    waitedSeconds: float | None


class Timeline(TypedDict):
    """All steps of the present run."""

    jobId: str
    steps: list[Bar]
    attempt: int
    runs: int


class WhyNot(TypedDict):
    """Why the job does not move."""

    jobId: str
    code: str
    stuck: bool
    step: str
    reason: str
    advice: str


class BatchRow(TypedDict):
    """A document of a batch: its job, or why it has none."""

    documentId: str
    status: str
    jobId: NotRequired[str | None]
    code: NotRequired[str]
    message: NotRequired[str]


class Batch(TypedDict):
    """A batch that was started."""

    batchId: str
    name: str | None
    documents: list[BatchRow]


class BatchCounts(TypedDict):
    """Jobs of a batch by status."""

    batchId: str
    counts: dict[str, int]
    total: int
    finished: bool


class Retried(Accepted, frozen=True, kw_only=True):
    """Seed 004's answer to a retry."""

    retry: bool


class Told(TypedDict):
    """How many jobs' events were told again."""

    told: int
