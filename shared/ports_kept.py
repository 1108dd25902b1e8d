"""Ports of what is kept beside jobs and documents: `shared.ports` gives them on."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from shared.alert import Alert
from shared.upload import Upload


class OpenJobs(msgspec.Struct, frozen=True, kw_only=True):
    """A library's open jobs in one state (queued or running): how many, how many of them are not admitted yet, and
    when the one that has not changed for longest was last changed."""

    library_id: str
    status: str
    count: int
    waiting: int
    stillest: datetime


class UploadStore(Protocol):
    """Records of uploads. All methods may raise TransientError."""

    async def add(self, upload: Upload) -> None:
        """Insert; a second one of the same id changes nothing."""

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Upload], str | None]:
        """One page, newest first, and the cursor of the next (None on the last)."""

    async def get(self, upload_id: str) -> Upload | None: ...

    async def remove(self, upload_id: str) -> None:
        """Remove one; no error when there is none."""

    async def forget(self, before: datetime) -> int:
        """Remove records made before that moment; returns how many."""


class AlertStore(Protocol):
    """Alerts, and leases for work that one gateway at a time does. All methods may raise TransientError."""

    async def get(self, alert_id: str) -> Alert | None: ...

    async def put(self, alert: Alert) -> bool:
        """Insert (alert.revision == 0) or replace if the stored revision equals alert.revision; the stored one becomes
        alert.revision + 1. False when another writer was first."""

    async def find(
        self, library_id: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Alert], str | None]:
        """One page, last opened first, and the cursor of the next (None on the last)."""

    async def forget(self, before: datetime) -> int:
        """Remove alerts that were resolved and opened before that moment; returns how many."""

    async def hold(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take the lease of that name until then, or prolong it; False while another owner has it."""
