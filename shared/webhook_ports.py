"""The port of webhook endpoints and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.webhook import Backlog, Delivery, Endpoint


class WebhookStore(Protocol):
    """Endpoints, and deliveries to them. All methods may raise TransientError."""

    async def endpoint(self, endpoint_id: str) -> Endpoint | None: ...

    async def endpoints(self, library_id: str | None) -> list[Endpoint]:
        """Those of a library (None: all), oldest first."""

    async def put_endpoint(self, endpoint: Endpoint) -> bool:
        """Insert (revision 0) or replace if the stored revision is the same; the stored one becomes one more. False
        when another writer was first."""

    async def remove_endpoint(self, endpoint_id: str) -> None:
        """Remove it with all its deliveries; no error when there is none."""

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Insert those whose id is not there yet."""

    async def delivery(self, delivery_id: str) -> Delivery | None: ...

    async def put(self, delivery: Delivery) -> bool:
        """Replace if the stored revision is the same; the stored one becomes one more."""

    async def remove(self, delivery_id: str) -> None:
        """Remove one; no error when there is none."""

    async def find(
        self, endpoint_id: str, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Delivery], str | None]:
        """One page of an endpoint's, newest first, and the cursor of the next (None on the last)."""

    async def waiting(self, now: datetime) -> list[str]:
        """Ids of endpoints with a pending delivery that is due."""

    async def due(self, endpoint_id: str, now: datetime, limit: int) -> list[Delivery]:
        """Pending ones of an endpoint that are due, longest due first."""

    async def head(self, endpoint_id: str, key: str) -> Delivery | None:
        """The first pending one of a key: no other of the key may be tried before it."""

    async def bring_forward(self, endpoint_id: str, now: datetime) -> None:
        """What is pending for the endpoint is due now."""

    async def replay(self, endpoint_id: str, since: datetime, now: datetime) -> int:
        """Make its failed ones that were made since then pending again, with all their tries; returns how many."""

    async def backlog(self, endpoint_ids: Sequence[str]) -> Backlog:
        """What is pending for these endpoints."""

    async def forget(self, before: datetime, most: int) -> int:
        """Remove deliveries made before that moment, and of those that are over the oldest beyond so many; returns
        how many."""
