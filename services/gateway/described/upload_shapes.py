"""Shapes of direct uploads and storage events, as shapes.py has those of other answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from shared.direct_upload import DirectStatus


class DirectUploadShown(TypedDict):
    """A direct upload; with `code`, `message` and `hint` when it has failed, `documentId` when it is completed."""

    uploadId: str
    status: DirectStatus
    libraryId: str
    name: str
    size: int
    sha256: str
    partSize: int
    partCount: int
    createdAt: datetime
    expiresAt: datetime
    code: NotRequired[str]
    message: NotRequired[str]
    hint: NotRequired[str]
    documentId: NotRequired[str]
    jobId: NotRequired[str | None]


class DirectPart(TypedDict):
    """Where a part of `size` bytes is sent to."""

    number: int
    size: int
    url: str


class DirectAddresses(DirectUploadShown):
    """The same with where to send it: `url`, or `parts`; `missing` counts the parts that have not arrived."""

    method: str
    url: NotRequired[str]
    parts: NotRequired[list[DirectPart]]
    missing: NotRequired[int]


class DirectReceived(TypedDict):
    """What this address has taken; part 0 is the whole file."""

    uploadId: str
    part: int
    size: int


class StorageEventsHeard(TypedDict):
    """Each event with what it led to."""

    events: list[dict[str, Any]]
