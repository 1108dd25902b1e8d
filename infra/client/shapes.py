"""What the API answers, as types of JSON objects: the fields that clients use, under their names in the description.

`tests/wiring/test_client.py` holds them against docs/openapi.json; answers may have more fields than are named here.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Accepted(TypedDict):
    """A file that was taken; `jobId` is None where a plan or an existing document needs no job."""

    status: str
    jobId: str | None
    documentId: str
    libraryId: str
    itemId: str
    sha256: str
    name: str
    existing: bool


class PhasePlan(TypedDict):
    """Whether a phase would run, and why."""

    phase: str
    policy: str
    run: bool
    reason: str
    gateExists: bool
    known: bool


class Plan(TypedDict):
    """What a job would do."""

    documentId: str | None
    name: str
    phases: list[PhasePlan]
    cost: dict[str, Any]


class Source(TypedDict):
    """Where the job's file comes from."""

    name: str
    itemId: str
    parentId: str


class Correlation(TypedDict):
    """What a job belongs to."""

    jobId: str
    libraryId: str
    source: Source
    batchId: str | None
    batchName: str | None


class Progress(TypedDict):
    """How far a job is; percent from 0 to 100."""

    step: str
    percent: float
    message: str
    pagesDone: int
    pagesTotal: int


class JobError(TypedDict):
    """Why a job has failed, and what to do."""

    code: str
    category: str
    step: str
    message: str
    hint: str
    retryable: bool


class Step(TypedDict):
    """One step of a job."""

    name: str
    status: str
    skipped: bool
    reason: str
    startedAt: str | None
    endedAt: str | None


class Job(TypedDict):
    """The job document; rows of a listing have no `logs`."""

    jobId: str
    processId: str
    documentId: str
    libraryId: str
    status: str
    shownStatus: str
    correlation: Correlation
    progress: Progress | None
    error: JobError | None
    steps: list[Step]
    counts: dict[str, int]
    outputs: dict[str, Any]
    warnings: list[dict[str, Any]]
    logs: NotRequired[list[dict[str, Any]]]
    logCount: int
    createdAt: str
    updatedAt: str


class JobPage(TypedDict):
    """A page of jobs, newest first."""

    jobs: list[Job]
    cursor: str | None


class LogPage(TypedDict):
    """Log entries after a sequence number; `cursor` is that of the last one."""

    logs: list[dict[str, Any]]
    cursor: int


class WhyNot(TypedDict):
    """Why a job does not move, and what to do."""

    jobId: str
    stuck: bool
    code: str
    step: str
    reason: str
    advice: str


class Document(TypedDict):
    """The document record."""

    documentId: str
    libraryId: str
    itemId: str
    sha256: str
    name: str
    size: int
    pages: int
    status: str
    error: str
    chunkCount: int
    chaptersCount: int
    counts: dict[str, int]
    aliases: list[str]
    history: list[dict[str, Any]]
    lastIngestedAt: str | None
    metadata: dict[str, Any]
    artefacts: dict[str, Any]
    lastJobId: str
    createdAt: str
    updatedAt: str


class PlaceBox(TypedDict):
    """A box on a page, points from the sheet's top left: x0, y0, x1, y1."""

    page: int
    bbox: list[float]


class SearchHit(TypedDict):
    """A passage with its place; `confidence` from 0 to 1."""

    chunkId: str
    kind: str
    documentId: str
    libraryId: str
    itemId: str
    name: str
    pages: list[int]
    chapter: str
    header: str
    text: str
    highlights: list[list[int]]
    excerpt: list[int]
    boxes: list[PlaceBox]
    score: float
    confidence: float
    confident: bool
    context: str


class Hits(TypedDict):
    """Passages, the best first."""

    hits: list[SearchHit]


class BatchCounts(TypedDict):
    """Jobs of a batch by status."""

    batchId: str
    counts: dict[str, int]
    finished: bool
    total: int


class Told(TypedDict):
    """How many jobs were told to the broker again."""

    told: int


class Rebuild(TypedDict):
    """State of a rebuild or reembed."""

    handle: str
    batchId: str
    found: int
    restored: int
    started: int
    refused: dict[str, Any]
    refusals: int
    finished: bool
    error: str


class RepairState(TypedDict):
    """State of a repair; `left` is the diagnosis afterwards."""

    handle: str
    batchId: str
    dryRun: bool
    environment: dict[str, Any]
    checked: int
    summary: dict[str, int]
    planned: dict[str, int]
    actions: list[dict[str, Any]]
    actionsLeftOut: int
    counts: dict[str, int]
    left: dict[str, int] | None
    jobs: int
    finished: bool
    error: str


class MissingImages(TypedDict):
    """Pictures that a document lists and storage does not have."""

    documentId: str
    sha256: str
    pdfStored: bool
    missing: list[Any]


class PutImage(TypedDict):
    """A picture that was put back."""

    name: str
    stored: bool


class Fleet(TypedDict):
    """The whole system at a glance."""

    ready: bool
    version: str
    services: list[dict[str, Any]]
    queues: dict[str, Any]
    oldestPendingSeconds: float | None
    jobs: list[dict[str, Any]]
    complete: bool
    alerts: dict[str, Any]
