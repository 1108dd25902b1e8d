"""The alert: something that a person should look at, told once however often it is seen, and over when its cause is."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from shared.job import Record


class AlertKind(StrEnum):
    """What there are alerts about."""

    LIBRARY_FAILS = "library_fails"
    """Several documents of one library have failed, in processing or in upload."""
    BATCH_SILENT = "batch_silent"
    """Jobs of a batch are open, and none of its jobs has moved for long."""
    LIBRARY_DAMAGED = "library_damaged"
    """Documents of a library are not what their records say."""

    WEBHOOK_DISABLED = "webhook_disabled"
    """The system has disabled a webhook endpoint: its receiver said that it is gone, or took nothing for days."""


class AlertState(StrEnum):
    """An alert of the same cause that comes again opens the same alert."""

    OPEN = "open"
    RESOLVED = "resolved"


class Alert(Record, frozen=True, kw_only=True):
    """One alert. `subject` is the batch for batch_silent, the endpoint for webhook_disabled, else empty; `count` how
    many documents, uploads or jobs are concerned now, `details` which (some of them) and why; `times` how often it was
    opened. `told` is the state that was last told over the broker. Guarded by `revision`."""

    alert_id: str
    kind: AlertKind
    library_id: str
    subject: str = ""
    state: AlertState = AlertState.OPEN
    message: str = ""
    advice: str = ""
    count: int = 0
    details: dict[str, Any] = {}
    times: int = 1
    opened_at: datetime
    seen_at: datetime
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    told: str = ""
    revision: int = 0


class AlertEvent(msgspec.Struct, frozen=True, rename="camel"):
    """What travels over the broker when an alert opens or is resolved: ids only."""

    alert_id: str
    kind: str
    library_id: str
    state: str


def alert_id(kind: AlertKind, library_id: str, subject: str = "") -> str:
    """The same for the same cause."""
    return "alert-" + hashlib.sha256("\0".join((kind, library_id, subject)).encode()).hexdigest()[:24]
