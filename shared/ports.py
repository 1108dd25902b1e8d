"""The ports: what is remote, slow, costly or stateful, as roles. An adapter is one file, `<technology>_<port>.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from shared.document import Document
from shared.errors import ShadowtwinError
from shared.job import Artefact, Job
from shared.ports_kept import AlertStore as AlertStore
from shared.ports_kept import OpenJobs as OpenJobs
from shared.ports_kept import UploadStore as UploadStore


class OpenJobExists(Exception):
    """A job of the same document is still open; `job_id` names it."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class IdempotencyKeyTaken(Exception):
    """A job of this library was made with this key already; `job_id` names it."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a job listing; newest first; `cursor` is what the former page answered."""

    status: str | None = None
    library_id: str | None = None
    batch_id: str | None = None
    document_id: str | None = None
    cursor: str | None = None
    limit: int = 50


class JobPage(msgspec.Struct, frozen=True):
    """One page of a listing; `cursor` is None on the last one."""

    jobs: list[Job]
    cursor: str | None


class JobStore(Protocol):
    """Job documents, stored by compare-and-swap. All methods may raise TransientError."""

    async def open(self) -> None:
        """Connect, create tables/indexes; raises ConfigurationError when the place is unfit."""

    async def close(self) -> None: ...

    async def now(self) -> datetime:
        """The store's clock, UTC, milliseconds: the only clock that decides about leases."""

    async def create(self, job: Job) -> None:
        """Insert a new job; raises OpenJobExists if its document has an open one, IdempotencyKeyTaken if its library
        has a job with its key (both atomic, by unique indexes)."""

    async def get(self, job_id: str) -> Job | None: ...

    async def swap(self, old: Job, new: Job) -> bool:
        """Replace `old` by `new` if the stored document still has old's processId and revision.

        The stored revision becomes old.revision + 1 whatever `new.revision` says. Log entries beyond the newest
        LOGS_KEPT of `new.logs` are moved to the log collection, idempotently by (jobId, seq). Returns False, and
        changes nothing, when the race was lost. Raises OpenJobExists if the job becomes open while another is.
        """

    async def heartbeat(self, job_id: str, process_id: str, attempt: int) -> bool:
        """Set lease.heartbeatAt to now if the job is running exactly this attempt; does not raise the revision."""

    async def find(self, query: JobQuery) -> JobPage: ...

    async def counts(self, query: JobQuery) -> dict[str, int]:
        """Jobs by status; `cursor` and `limit` of the query do not count."""

    async def waiting(self, per_library: int) -> list[Job]:
        """Jobs that are not admitted yet: of each library at most so many, by priority (highest first), then age."""

    async def admitted(self) -> dict[str, int]:
        """Open jobs that are admitted, by library."""

    async def open_jobs(self) -> list[OpenJobs]:
        """The open jobs by library and state; costs by the open ones only, however many there are in all."""

    async def by_key(self, library_id: str, idempotency_key: str) -> Job | None:
        """The job that was made with this key."""

    async def logs(self, job_id: str, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Entries with seq > after, oldest first, spilled and embedded ones as one continuous log."""

    async def due(self, *, heartbeat_before: datetime, outbox_before: datetime, limit: int = 100) -> list[Job]:
        """What the sweeper must look at: open jobs whose heartbeat is older, who are past their step's deadline,
        or any jobs whose oldest outbox entry is older."""

    async def delete(self, job_ids: Sequence[str]) -> None:
        """Remove jobs and their logs (a document's deletion only)."""


class DocumentStore(Protocol):
    """Document records, guarded by `revision`."""

    async def get(self, document_id: str) -> Document | None: ...

    async def by_hash(self, library_id: str, sha256: str) -> Document | None:
        """The document of these bytes in this library; with several, the newest."""

    async def put(self, document: Document) -> bool:
        """Insert (document.revision == 0) or replace if the stored revision equals document.revision.

        The stored revision becomes document.revision + 1. False when another writer was first."""

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """One page, newest first, and the cursor of the next (None on the last)."""

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those of the ids that exist."""

    async def delete(self, document_id: str) -> None: ...


class Storage(Protocol):
    """Bytes by key. Keys are `/`-separated and relative; a written object appears whole or not at all."""

    async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
        """Store atomically and durably; returns key, SHA-256 and size of what was written."""

    async def read(self, key: str) -> bytes:
        """The whole object; raises ShadowtwinError artefact_missing."""

    def stream(self, key: str, chunk: int = 1 << 20) -> AsyncIterator[bytes]:
        """The object in pieces; raises ShadowtwinError artefact_missing."""

    async def stat(self, key: str) -> int | None:
        """Size in bytes, or None when there is no such object."""

    async def copy(self, source: str, target: str) -> None:
        """Server-side copy, atomically replacing the target."""

    async def delete(self, key: str) -> None:
        """Remove one object; no error when there is none."""

    async def delete_prefix(self, prefix: str) -> int:
        """Remove every object whose key starts with `prefix` + '/'; returns how many."""

    def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key under `prefix` + '/'."""

    def names(self, prefix: str) -> AsyncIterator[str]:
        """The next segment of every key under `prefix` + '/' (of all keys if it is empty), each once, in order."""

    async def local_path(self, key: str, directory: str) -> str:
        """A readable local file with the object's bytes: the file itself, or a download into `directory`."""


class VectorRow(msgspec.Struct, frozen=True, kw_only=True):
    """One vector. `row_id` is unique in the index; `kind` is doc | chunk | image | summary."""

    row_id: str
    kind: str
    library_id: str
    document_id: str
    file_id: str
    generation: str
    vector: list[float]
    text: str = ""
    scale: str = ""
    position: int = 0
    chapter: str = ""
    pages: list[int] = []
    extra: dict[str, Any] = {}


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A search result; a higher score is better, within one search only."""

    row: VectorRow
    score: float


class VectorFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All given fields must match."""

    library_ids: list[str] | None = None
    document_ids: list[str] | None = None
    kinds: list[str] | None = None
    scale: str | None = None
    chapter: str | None = None  # a path like `Part / Chapter`, and everything below it
    pages: tuple[int, int] | None = None  # 1-based, inclusive; rows that touch the range


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """A document's rows by kind: of the generation that was asked for, and of all others together; whether its own row
    (kind `doc`) is there."""

    current: dict[str, int] = {}
    others: dict[str, int] = {}
    doc: bool = False


class VectorStore(Protocol):
    """Vectors in generations: a run writes new rows beside the old ones; only the document record's `generation`
    decides which of them a search may show, and `tidy` removes the others afterwards."""

    name: str

    async def open(self) -> None:
        """Connect and create the index for the embedder; raises ConfigurationError index_mismatch when the index
        was made with another embedder or dimension."""

    async def close(self) -> None: ...

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """Insert or replace by row_id; on return all are stored, or an error was raised."""

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """Rows readable back, counted by listing or fetching, not from statistics."""

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """For each document (id -> its current generation) the rows that can be read back now; every id is answered."""

    def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """A document's rows of one kind, of all generations, in no order; `vector` is empty unless asked for."""

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """Upsert the kind='doc' row; `insert_only` leaves an existing one (and its counters) untouched."""

    async def get_doc(self, document_id: str) -> VectorRow | None: ...

    async def others(self, document_id: str, generation: str) -> list[str]:
        """The other generations of which the document has rows (never kind='doc'), as `tidy` takes them."""

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """Delete the document's rows of these generations (never kind='doc'); returns how many. Named are those
        that go, not the one that stays: who comes late with it must not remove what others have made since."""

    async def delete_document(self, document_id: str) -> None: ...

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """Nearest rows; a store with full-text search fuses both rankings (reciprocal rank fusion)."""


FIRST_VERSION = "1"
"""Version of an embedder's vectors until they change; indexes without a recorded version have this one."""


class Embedder(Protocol):
    """Text to unit vectors. `name`, `dimension` and `version` (of the vectors that this name gives) are recorded with
    the index; mixing is refused. `costly`: paid or slow, so that its vectors are worth keeping."""

    name: str
    dimension: int
    version: str
    costly: bool

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """One vector a text, in order; raises TransientError when the endpoint asks to wait."""


class Pictured(msgspec.Struct, frozen=True, kw_only=True):
    """A picture to embed: its file's bytes, and what is said of it (caption, products, analysis; may be empty)."""

    content: bytes
    text: str = ""


ImageVectors = dict[str, list[float]]
"""Unit vectors by the spaces of shared.imaging."""


class ImageEmbedder(Protocol):
    """Pictures to five unit vectors. `name` (what measures or which model, and the embedder of the texts) is recorded
    with the index; mixing is refused."""

    name: str

    async def embed(self, pictures: Sequence[Pictured]) -> list[ImageVectors | ShadowtwinError]:
        """For each picture, in order, all five vectors, or why that one has none; raises what concerns them all
        (TransientError, ConfigurationError, Paused, BudgetExceeded)."""

    async def query(self, picture: bytes | None, text: str) -> ImageVectors:
        """What to search with: all five spaces for a picture, only the multimodal one for a text alone.

        Raises DocumentError image_unreadable for what is no picture."""

    async def close(self) -> None:
        """End what it has started."""
