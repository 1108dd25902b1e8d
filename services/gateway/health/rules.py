"""The state of a document, decided from facts. Pure functions.

`TABLE` is the decision table of seed 000 (checklist A0.12, A0.13): is the file there, are there chunks, are pictures
linked? Where it finds nothing wrong, the laws of this system look closer (`laws`); a job under way explains the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from shared.document import Document, DocumentStatus


class State(StrEnum):
    """The five states of seed 000, then the finer ones."""

    NULL_POINTER = "null_pointer"
    ORPHANED_CHUNKS = "orphaned_chunks"
    MISSING_LINKS = "missing_links"
    NOT_PROCESSED = "not_processed"
    HEALTHY = "healthy"
    HASH_MISMATCH = "hash_mismatch"
    MISSING_TWIN = "missing_twin"
    STALE_GENERATION = "stale_generation"
    COUNTS_DIFFER = "counts_differ"
    STUCK = "stuck"
    IN_WORK = "in_work"
    DELETED = "deleted"


class Action(StrEnum):
    """What the state asks for."""

    NONE = "none"
    DELETE_DOCUMENT = "delete_document"
    DELETE_CHUNKS = "delete_chunks_or_mark_deleted"
    MIGRATE = "migrate_image_keys"
    REPROCESS = "reprocess"
    REUPLOAD = "reupload"
    TRIGGER = "trigger"
    WAIT = "wait"


class Place(StrEnum):
    """Where the file of a document was found that is not where its record says."""

    OTHER_KEY = "other_key"
    OTHER_PREFIX = "wrong_prefix"
    OTHER_BUCKET = "wrong_bucket"


class Cause(StrEnum):
    """Why a file is not there, as far as the record tells (checklist A0.24)."""

    NEVER_UPLOADED = "never_uploaded"
    URL_EXPIRED = "upload_url_expired"
    DELETED_LATER = "deleted_after_upload"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a document. `chunk_count` counts rows of every generation, `current_chunks` those that a search
    may show; pictures are counted by file. Rows expected are the record's own numbers."""

    object_in_store: bool
    chunk_count: int = 0
    ocr_image_chunks: int = 0
    image_chunks_without_key: int = 0
    listing_lost: bool = False
    """The list of pictures itself is not there, so that nobody can say which are missing."""
    nothing_to_chunk: bool = False
    """A finished run has found no text."""
    current_chunks: int | None = None
    expected_chunks: int | None = None
    current_summaries: int = 0
    expected_summaries: int = 0
    former_rows: int = 0
    doc_row: bool = True
    source_changed: str = ""
    """How the stored PDF differs from the recorded one."""
    twin_missing: tuple[str, ...] = ()
    twin_changed: tuple[str, ...] = ()
    """Roles of files."""
    job: str = ""
    """The open job, if there is one."""
    job_stuck: str = ""
    """Why it does not move."""
    deleted: bool = False
    """The record says that the document was deleted."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The state, what it asks for, and every law that is broken, as `state: sentence`."""

    state: State
    action: Action
    findings: list[str] = []


TABLE: tuple[tuple[bool, bool, bool | None, State], ...] = (
    (True, True, True, State.HEALTHY),
    (True, True, False, State.MISSING_LINKS),
    (True, False, None, State.NOT_PROCESSED),
    (False, True, None, State.ORPHANED_CHUNKS),
    (False, False, None, State.NULL_POINTER),
)
"""File? Chunks? Pictures linked (None: does not matter)? -> state."""

ACTIONS: dict[State, Action] = {
    State.NULL_POINTER: Action.DELETE_DOCUMENT,
    State.ORPHANED_CHUNKS: Action.DELETE_CHUNKS,
    State.MISSING_LINKS: Action.MIGRATE,
    State.NOT_PROCESSED: Action.REPROCESS,
    State.HEALTHY: Action.NONE,
    State.HASH_MISMATCH: Action.REUPLOAD,
    State.MISSING_TWIN: Action.REPROCESS,
    State.STALE_GENERATION: Action.REPROCESS,
    State.COUNTS_DIFFER: Action.REPROCESS,
    State.STUCK: Action.TRIGGER,
    State.IN_WORK: Action.WAIT,
    State.DELETED: Action.NONE,
}


def by_table(file: bool, chunks: bool, linked: bool) -> State:
    """The source's table."""
    row = next(row for row in TABLE if row[:2] == (file, chunks) and row[2] in (None, linked))
    return row[3]


def judge(facts: Facts) -> Judgement:
    """The table first; what it finds healthy, or only badly linked, the laws look at more closely."""
    chunks = facts.chunk_count > 0 or (facts.object_in_store and facts.nothing_to_chunk)
    state = by_table(facts.object_in_store, chunks, facts.image_chunks_without_key == 0)
    broken = list(laws(facts)) if facts.object_in_store else []
    findings = [f"{law}: {said}" for law, said in broken]
    if state == State.NULL_POINTER and facts.deleted:
        state = State.DELETED
    elif facts.object_in_store and facts.job:
        state = State.STUCK if facts.job_stuck else State.IN_WORK
    elif broken and state in (State.HEALTHY, State.MISSING_LINKS):
        state = broken[0][0]
    elif broken and broken[0][0] == State.HASH_MISMATCH:
        state = State.HASH_MISMATCH
    action = ACTIONS[state]
    if state == State.HASH_MISMATCH and not facts.source_changed:
        action = Action.REPROCESS  # the twin can be made again from the PDF, which is well
    return Judgement(state=state, action=action, findings=findings)


def laws(facts: Facts) -> Iterator[tuple[State, str]]:
    """Every conservation law that is broken, the gravest first."""
    if facts.source_changed:
        yield State.HASH_MISMATCH, facts.source_changed
    if facts.twin_changed:
        yield State.HASH_MISMATCH, f"not the recorded bytes: {', '.join(facts.twin_changed)}"
    if facts.twin_missing:
        yield State.MISSING_TWIN, f"recorded, but not stored: {', '.join(facts.twin_missing)}"
    current = facts.current_chunks
    if current == 0 and facts.chunk_count:
        yield State.STALE_GENERATION, f"all {facts.chunk_count} chunks are of a generation that no search shows"
    elif facts.former_rows and current is not None:
        yield State.STALE_GENERATION, f"{facts.former_rows} rows of former generations are left"
    if current is not None and facts.expected_chunks is not None and facts.chunk_count:
        if 0 < current != facts.expected_chunks:
            yield State.COUNTS_DIFFER, f"{current} chunks in the index, {facts.expected_chunks} in the record"
        elif current and facts.current_summaries != facts.expected_summaries:
            said = f"{facts.current_summaries} summaries in the index, {facts.expected_summaries} in the record"
            yield State.COUNTS_DIFFER, said
    if not facts.doc_row and facts.chunk_count:
        yield State.COUNTS_DIFFER, "the document's own row is not in the index"


class Selection(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which documents are looked at (checklist A0.9, A0.14). `status`: failed | stuck | all (both) | any (well ones
    too). A document that is named is looked at whatever its status."""

    status: str = "failed"
    limit: int | None = None
    error_filter: str = ""
    library_id: str | None = None
    document_id: str | None = None
    check_other_buckets: bool = False

    def takes(self, document: Document) -> bool:
        """Whether the document is one of them."""
        if self.library_id is not None and document.library_id != self.library_id:
            return False
        if self.error_filter and self.error_filter.lower() not in document.error.lower():
            return False
        if self.document_id is not None or self.status == "any":
            return True
        kinds = ("failed", "stuck") if self.status == "all" else (self.status,)
        return any(_is(kind, document) for kind in kinds)


STATUSES = ("failed", "stuck", "all", "any")
FILE_ERRORS = ("NoSuchKey", "artefact_missing")
"""Texts of an error that make a document count as failed whatever its status."""


def _is(kind: str, document: Document) -> bool:
    if document.status == DocumentStatus.DELETED:
        return False
    if kind == "stuck":
        return document.status in (DocumentStatus.PENDING, DocumentStatus.PROCESSING)
    return document.status == DocumentStatus.ERROR or any(text in document.error for text in FILE_ERRORS)


def cause_of(*, recorded: bool, error: str) -> Cause:
    """Why a file that is nowhere is not there. `recorded`: the record holds its key and hash, so it was there once."""
    if not recorded:
        return Cause.URL_EXPIRED if "expired" in error.lower() else Cause.NEVER_UPLOADED
    return Cause.DELETED_LATER


class Strategy(StrEnum):
    """The source's decision matrix for a missing file (checklist A0.25)."""

    NONE = "none"
    FIX = "use_fix"
    SET_KEY = "set_key"
    CONFIGURE = "configure_bucket_and_reupload"
    REUPLOAD = "reupload_and_process"
    MARK_DELETED = "mark_deleted"


def strategy(found: Place | None, *, source_available: bool = False) -> Strategy:
    """What helps a document whose file is not where its record says."""
    if found is not None:
        steps = {Place.OTHER_KEY: Strategy.FIX, Place.OTHER_PREFIX: Strategy.SET_KEY}
        return steps.get(found, Strategy.CONFIGURE)
    return Strategy.REUPLOAD if source_available else Strategy.MARK_DELETED


def fix(*, exists: bool, found: Place | None) -> str:
    """What `--fix` does (checklist A0.15): `none` where the object is at its key, `set_object_key` where it was found
    under another key of its prefix, else `no_match`."""
    if exists:
        return "none"
    return "set_object_key" if strategy(found) == Strategy.FIX else "no_match"
