"""Webhooks: who wants to be told of what (an endpoint), and what becomes of telling it (a delivery).

After Standard Webhooks: one message has one id (`webhook-id`), however often it is tried. ADR 42.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from shared.job import Record

ALL_LIBRARIES = "*"
"""`library_id` of an endpoint that hears of every library."""


class EventType(StrEnum):
    """What endpoints can be told of; wildcards end in `.*`, and `*` is everything."""

    JOB_COMPLETED = "job.completed"
    """A run has ended well."""
    JOB_FAILED = "job.failed"
    """A run has failed or was cancelled."""
    DOCUMENT_UPLOADED = "document.uploaded"
    """A document, or a new version of its file, is stored and verified."""
    DOCUMENT_PROCESSED = "document.processed"
    """A document can be searched as its last job wanted it."""
    DOCUMENT_FAILED = "document.failed"
    """A document's last job has failed; what an earlier one made stays."""
    DOCUMENT_DELETED = "document.deleted"
    """A document is gone with everything that was made of it."""
    ALERT_OPENED = "alert.opened"
    """A library or a batch needs a person's eyes."""
    ALERT_RESOLVED = "alert.resolved"
    """An alert's cause is gone."""
    PING = "ping"
    """Somebody tries the endpoint; no subscription is needed."""


class Secret(Record, frozen=True, kw_only=True):
    """A signing secret, `whsec_` and base64; a former one signs as well `until` then."""

    value: str
    until: datetime | None = None


class Endpoint(Record, frozen=True, kw_only=True):
    """Who is told, and of what. `enabled` is false by hand (`disabled_reason` empty) or by the system: `gone` after an
    answer 410, `failing` after days without a success. `failing_since` is the first failure after the last success;
    `quiet_until` is what the receiver has asked for by Retry-After. Guarded by `revision`."""

    endpoint_id: str
    library_id: str
    url: str
    event_types: list[str]
    description: str = ""
    secrets: list[Secret]
    enabled: bool = True
    disabled_reason: str = ""
    failing_since: datetime | None = None
    quiet_until: datetime | None = None
    created_at: datetime
    revision: int = 0

    def wants(self, library_id: str, event_type: str) -> bool:
        """Whether it is to be told. One that the system disabled for failing still collects what happens, so that
        nothing is missing when it is enabled again."""
        return (
            (self.enabled or self.disabled_reason == "failing")
            and self.library_id in (ALL_LIBRARIES, library_id)
            and any(fnmatchcase(event_type, wanted) for wanted in self.event_types)
        )


class DeliveryState(StrEnum):
    """`pending` waits for its first or next attempt."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Attempt(Record, frozen=True, kw_only=True):
    """One request to the receiver: the answer's HTTP status, or 0 with an `error` when there was none."""

    at: datetime
    status: int = 0
    milliseconds: int = 0
    error: str = ""


class Delivery(Record, frozen=True, kw_only=True):
    """One event for one endpoint; `delivery_id` is its webhook-id.

    Deliveries of one `key` (a document, an alert) are made in the order of `place`. `tries` counts the attempts since
    the last replay, `due_at` is the next one. `proof` names what must be stored for the event to have happened, as
    long as that is not certain. Guarded by `revision`.
    """

    delivery_id: str
    endpoint_id: str
    library_id: str
    event_type: str
    key: str
    place: int
    body: str
    state: DeliveryState = DeliveryState.PENDING
    tries: int = 0
    due_at: datetime
    created_at: datetime
    attempts: list[Attempt] = []
    proof: str = ""
    revision: int = 0


class Backlog(Record, frozen=True, kw_only=True):
    """Deliveries that wait; `oldest` is when the first of them was made."""

    pending: int
    oldest: datetime | None


def delivery_id(event_id: str, endpoint_id: str) -> str:
    """The same for the same event and endpoint, whoever records it and however often."""
    return "msg_" + hashlib.sha256("\0".join((event_id, endpoint_id)).encode()).hexdigest()[:32]
