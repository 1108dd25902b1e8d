"""The WebhookStore in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from shared.cursor import page_size, read_cursor, write_cursor
from shared.webhook import Backlog, Delivery, DeliveryState, Endpoint


class MemoryWebhooks:
    """WebhookStore; records are frozen, so that they may be shared."""

    def __init__(self) -> None:
        self.kept: dict[str, Endpoint] = {}
        self.stored: dict[str, Delivery] = {}

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """One of them."""
        return self.kept.get(endpoint_id)

    async def endpoints(self, library_id: str | None) -> list[Endpoint]:
        """Oldest first."""
        rows = [row for row in self.kept.values() if library_id in (None, row.library_id)]
        return sorted(rows, key=lambda row: (row.created_at, row.endpoint_id))

    async def put_endpoint(self, endpoint: Endpoint) -> bool:
        """Insert or replace, by revision."""
        known = self.kept.get(endpoint.endpoint_id)
        if (known.revision if known else 0) != endpoint.revision:
            return False
        self.kept[endpoint.endpoint_id] = replace(endpoint, revision=endpoint.revision + 1)
        return True

    async def remove_endpoint(self, endpoint_id: str) -> None:
        """With its deliveries."""
        self.kept.pop(endpoint_id, None)
        for row in [row for row in self.stored.values() if row.endpoint_id == endpoint_id]:
            del self.stored[row.delivery_id]

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Insert what is not there."""
        for row in deliveries:
            self.stored.setdefault(row.delivery_id, replace(row, revision=1))

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One of them."""
        return self.stored.get(delivery_id)

    async def put(self, delivery: Delivery) -> bool:
        """Replace, by revision."""
        known = self.stored.get(delivery.delivery_id)
        if known is None or known.revision != delivery.revision:
            return False
        self.stored[delivery.delivery_id] = replace(delivery, revision=delivery.revision + 1)
        return True

    async def remove(self, delivery_id: str) -> None:
        """Remove one."""
        self.stored.pop(delivery_id, None)

    async def find(
        self, endpoint_id: str, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Delivery], str | None]:
        """A page, newest first."""
        rows = [row for row in self.stored.values() if row.endpoint_id == endpoint_id and state in (None, row.state)]
        rows.sort(key=lambda row: (row.created_at, row.delivery_id), reverse=True)
        if cursor is not None:
            rows = [row for row in rows if (row.created_at, row.delivery_id) < read_cursor(cursor)]
        size = page_size(limit)
        more = write_cursor(rows[size - 1].created_at, rows[size - 1].delivery_id) if len(rows) > size else None
        return rows[:size], more

    async def waiting(self, now: datetime) -> list[str]:
        """Endpoints with something due."""
        return sorted({row.endpoint_id for row in self._pending() if row.due_at <= now})

    async def due(self, endpoint_id: str, now: datetime, limit: int) -> list[Delivery]:
        """What is due, longest first."""
        rows = [row for row in self._pending() if row.endpoint_id == endpoint_id and row.due_at <= now]
        return sorted(rows, key=lambda row: (row.due_at, row.place))[:limit]

    async def head(self, endpoint_id: str, key: str) -> Delivery | None:
        """The first pending one of a key."""
        rows = [row for row in self._pending() if (row.endpoint_id, row.key) == (endpoint_id, key)]
        return min(rows, key=lambda row: (row.place, row.delivery_id), default=None)

    async def bring_forward(self, endpoint_id: str, now: datetime) -> None:
        """Pending ones are due now."""
        for row in self._pending():
            if row.endpoint_id == endpoint_id and row.due_at > now:
                self.stored[row.delivery_id] = replace(row, due_at=now)

    async def replay(self, endpoint_id: str, since: datetime, now: datetime) -> int:
        """Failed ones once more."""
        rows = [
            row
            for row in self.stored.values()
            if (row.endpoint_id, row.state) == (endpoint_id, DeliveryState.FAILED) and row.created_at >= since
        ]
        for row in rows:
            again = replace(row, state=DeliveryState.PENDING, tries=0, due_at=now, revision=row.revision + 1)
            self.stored[row.delivery_id] = again
        return len(rows)

    async def backlog(self, endpoint_ids: Sequence[str]) -> Backlog:
        """What is pending."""
        made = [row.created_at for row in self._pending() if row.endpoint_id in endpoint_ids]
        return Backlog(pending=len(made), oldest=min(made, default=None))

    async def forget(self, before: datetime, most: int) -> int:
        """Old ones, and those that are too many."""
        over = [row for row in self.stored.values() if row.state != DeliveryState.PENDING]
        over.sort(key=lambda row: (row.created_at, row.delivery_id), reverse=True)
        gone = {row.delivery_id for row in self.stored.values() if row.created_at < before}
        gone |= {row.delivery_id for row in over[most:]}
        for name in gone:
            del self.stored[name]
        return len(gone)

    def _pending(self) -> list[Delivery]:
        return [row for row in self.stored.values() if row.state == DeliveryState.PENDING]
