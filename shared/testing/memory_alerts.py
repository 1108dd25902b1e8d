"""The AlertStore in memory."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from shared.alert import Alert, AlertState
from shared.cursor import page_size, read_cursor, write_cursor


class MemoryAlerts:
    """AlertStore; alerts are frozen, so that they may be shared."""

    def __init__(self) -> None:
        self.stored: dict[str, Alert] = {}
        self.leases: dict[str, tuple[str, datetime]] = {}

    async def get(self, alert_id: str) -> Alert | None:
        """One of them."""
        return self.stored.get(alert_id)

    async def put(self, alert: Alert) -> bool:
        """Insert or replace, by revision."""
        known = self.stored.get(alert.alert_id)
        if (known.revision if known else 0) != alert.revision:
            return False
        self.stored[alert.alert_id] = replace(alert, revision=alert.revision + 1)
        return True

    async def find(
        self, library_id: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Alert], str | None]:
        """A page, last opened first."""
        rows = [
            row for row in self.stored.values() if library_id in (None, row.library_id) and state in (None, row.state)
        ]
        rows.sort(key=lambda row: (row.opened_at, row.alert_id), reverse=True)
        if cursor is not None:
            rows = [row for row in rows if (row.opened_at, row.alert_id) < read_cursor(cursor)]
        size = page_size(limit)
        more = write_cursor(rows[size - 1].opened_at, rows[size - 1].alert_id) if len(rows) > size else None
        return rows[:size], more

    async def forget(self, before: datetime) -> int:
        """Remove old ones that are over."""
        old = [key for key, row in self.stored.items() if row.state == AlertState.RESOLVED and row.opened_at < before]
        for key in old:
            del self.stored[key]
        return len(old)

    async def hold(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a lease."""
        held = self.leases.get(name)
        if held is not None and held[0] != owner and held[1] > now:
            return False
        self.leases[name] = (owner, until)
        return True
