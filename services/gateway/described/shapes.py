"""Shapes of answers that are put together in a route: their fields as they stand in the JSON.

They describe and do not build: that answers have these shapes is what tests/wiring/test_openapi.py checks.
"""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired, TypedDict

from services.gateway.described.job_shapes import Row
from services.gateway.durations import Durations
from services.gateway.search.image_search import ImageHit
from services.gateway.search.searching import SearchHit
from shared.alert import Alert
from shared.document import Document, DocumentStatus
from shared.links import Link
from shared.records import Shown as ShownRecord
from shared.upload import Upload


class ShownDocument(Document, frozen=True, kw_only=True):
    """The document record; `durations` are those of its last job."""

    durations: Durations | None


class Documents(TypedDict):
    """A page of documents."""

    documents: list[Document]
    cursor: str | None


class Deleted(TypedDict):
    """deleted, or deleting while a store is away."""

    documentId: str
    status: str


class FileStatus(TypedDict):
    """A file's state by its itemId."""

    itemId: str
    documentId: str
    status: DocumentStatus
    error: str
    chunkCount: int
    chaptersCount: int
    pages: int
    lastJobId: str
    lastIngestedAt: datetime | None


class Uploads(TypedDict):
    """Files that did not become a document."""

    uploads: list[Upload]
    cursor: str | None


class Hits(TypedDict):
    """Passages, the best first."""

    hits: list[SearchHit]


class ImageHits(TypedDict):
    """Pictures, the nearest first."""

    hits: list[ImageHit]


class Products(TypedDict):
    """Rows of products.jsonl; the cursor is a text over libraries, a number within one document."""

    products: list[Row]
    cursor: str | int | None


class Entities(TypedDict):
    """Rows of entities.jsonl."""

    entities: list[Row]
    cursor: int | None


class Images(TypedDict):
    """Rows of images.jsonl."""

    images: list[Row]
    cursor: str | int | None


class Links(TypedDict):
    """Links of a document."""

    links: list[Link]
    total: int
    cursor: int | None


class MissingImages(TypedDict):
    """Pictures whose files are not stored: {page, name, sha256, size, kind}."""

    documentId: str
    sha256: str
    pdfStored: bool
    missing: list[Row]


class PutImage(TypedDict):
    """Whether the picture was missing and is stored now."""

    name: str
    stored: bool


class Records(TypedDict):
    """Records of a document."""

    records: list[ShownRecord]
    total: int
    cursor: int | None


class SchemaNames(TypedDict):
    """Names of a library's schemas of records."""

    schemas: list[str]


class StoredSchema(TypedDict):
    """A schema of records as it was understood."""

    name: str
    hash: str
    unique: list[str]
    fields: list[str]


class ShownTemplate(TypedDict):
    """A template and what it asks for; `text` where one is shown."""

    name: str
    origin: str
    hash: str
    asked: dict[str, str]
    fixed: dict[str, str]
    systemprompt: bool
    text: NotRequired[str]


class Templates(TypedDict):
    """Templates that jobs of a library may name."""

    templates: list[ShownTemplate]


class Validation(TypedDict):
    """What is wrong with a template."""

    valid: bool
    problems: list[str]
    hash: str
    asked: dict[str, str]
    fixed: dict[str, str]
    systemprompt: bool


class Diagnosed(TypedDict):
    """A diagnosis; `error` when it ended early. docs: ARCHITECTURE.md, Health."""

    documents: list[Row]
    summary: dict[str, int]
    patterns: list[Row]
    checked: NotRequired[int]
    objects: NotRequired[dict[str, int]]
    error: NotRequired[dict[str, str]]


class Alerts(TypedDict):
    """A page of alerts."""

    alerts: list[Alert]
    cursor: str | None


class Live(TypedDict):
    """The event loop turns."""

    live: bool


class Ready(TypedDict):
    """What is waited for: broker, store."""

    ready: bool
    waitingFor: list[str]


class Queues(TypedDict):
    """Jobs by status, by library those that wait and those that are admitted, and events that are not told yet."""

    jobs: dict[str, int]
    waiting: dict[str, int]
    admitted: dict[str, int]
    untold: int


class Fleet(TypedDict):
    """The whole system at a glance."""

    version: str
    ready: bool
    services: list[Row]
    queues: Queues
    alerts: dict[str, int]
    oldestPendingSeconds: float | None
    jobs: list[Row]
    complete: bool


class Warmed(TypedDict):
    """What was warmed up."""

    status: str
    services: dict[str, Row]


class Pages(TypedDict):
    """Rows of pages.jsonl; `cursor` is the `after` of the next ones."""

    pages: list[Row]
    cursor: int | None


class Chunks(TypedDict):
    """Rows of chunks.jsonl; `cursor` is the `after` of the next ones."""

    chunks: list[Row]
    cursor: int | None


class OpenedBy(TypedDict):
    """What a key opens."""

    id: str
    scopes: list[str]
    libraries: list[str]
    note: str


class LibraryJobs(TypedDict):
    """A library and its jobs by status."""

    libraryId: str
    jobs: dict[str, int]


class Libraries(TypedDict):
    """Those that the key reaches."""

    libraries: list[LibraryJobs]
