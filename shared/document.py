"""The document: one canonical `itemId` in a library, its bytes, and pointers to everything derived from it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.job import Artefact, Record


class DocumentStatus(StrEnum):
    """Seed 004's states, kept from the last run; `deleted` is seed 000's: the record of a file that is gone.

    `processing` is never stored: it is what a pending document is shown as while its run goes on. `deleting` is a
    deletion that has begun.
    """

    PENDING = "pending"
    PROCESSING = "processing"
    PROCESSED = "processed"
    ERROR = "error"
    DELETED = "deleted"
    DELETING = "deleting"


HISTORY_KEPT = 50
"""Newest entries of a document's history."""


class Document(Record, frozen=True, kw_only=True):
    """What the system knows of one document; written by the gateway only, guarded by `revision`.

    `artefacts` maps a role (source, transcript, transformation, pages, images, chunks, ...) to the current file;
    `made_from` maps a phase to the fingerprint of the inputs its artefacts were made from (a gate exists only while
    that fingerprint is current); `generation` names the vectors that searches may see. `history` tells what repairs did
    to the document: {at, action, state, detail, ...}, the newest HISTORY_KEPT.
    """

    document_id: str
    library_id: str
    item_id: str
    sha256: str
    name: str
    aliases: list[str] = []
    size: int
    created_at: datetime
    updated_at: datetime
    revision: int = 0
    status: DocumentStatus = DocumentStatus.PENDING
    error: str = ""
    last_ingested_at: datetime | None = None
    last_job_id: str = ""
    last_job_at: datetime | None = None
    pages: int = 0
    artefacts: dict[str, Artefact] = {}
    made_from: dict[str, str] = {}
    metadata: dict[str, Any] = {}
    generation: str = ""
    chunk_count: int = 0
    chapters_count: int = 0
    counts: dict[str, int] = {}
    history: list[dict[str, Any]] = []


def document_id_for(library_id: str, item_id: str) -> str:
    """The id of a document: the same for the same item of the same library, everywhere and always."""
    return "doc-" + hashlib.sha256(f"{library_id}\0{item_id}".encode()).hexdigest()[:24]
