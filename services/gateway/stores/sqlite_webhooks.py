"""Webhook endpoints and deliveries in SQLite, in the same file as the jobs.

State, tries, due time and revision stand in columns, so that one statement changes them for many; the body's are those
of its last single write.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.stores.sqlite_file import SqliteFile
from shared.cursor import milliseconds, moment, page_size, read_cursor, write_cursor
from shared.webhook import Backlog, Delivery, DeliveryState, Endpoint

SLICE = 1000
"""Rows that are removed in one go."""
_COLUMNS = "state, tries, dueAt, revision, body"
_PUT = "UPDATE webhook_deliveries SET state = ?, tries = ?, dueAt = ?, revision = ?, body = ? "
_PUT += "WHERE deliveryId = ? AND revision = ?"
_REMOVE = "DELETE FROM webhook_deliveries WHERE deliveryId IN "
_REMOVE += "(SELECT deliveryId FROM webhook_deliveries WHERE endpointId = ? LIMIT ?)"
_REPLAY = "UPDATE webhook_deliveries SET state = 'pending', tries = 0, dueAt = ?, revision = revision + 1 "
_REPLAY += "WHERE endpointId = ? AND state = 'failed' AND createdAt >= ?"
_FORGET = """DELETE FROM webhook_deliveries WHERE createdAt < ? OR deliveryId IN (SELECT deliveryId
FROM webhook_deliveries WHERE state != 'pending' ORDER BY createdAt DESC, deliveryId DESC LIMIT -1 OFFSET ?)"""

_BACKLOG = "SELECT count(*), min(createdAt) FROM webhook_deliveries WHERE state = 'pending' "
_BACKLOG += "AND endpointId IN (SELECT value FROM json_each(?))"


class SqliteWebhooks:
    """The WebhookStore of one machine; the job store opens the file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """One of them."""
        rows = await self._bodies("WHERE endpointId = ?", [endpoint_id])
        return rows[0] if rows else None

    async def endpoints(self, library_id: str | None) -> list[Endpoint]:
        """Oldest first."""
        order = "ORDER BY createdAt, endpointId"
        if library_id is None:
            return await self._bodies(order, [])
        return await self._bodies(f"WHERE libraryId = ? {order}", [library_id])

    async def put_endpoint(self, endpoint: Endpoint) -> bool:
        """Insert or replace, by revision."""
        stored = replace(endpoint, revision=endpoint.revision + 1)
        body = msgspec.msgpack.encode(stored)
        if endpoint.revision:
            statement = "UPDATE webhooks SET revision = ?, body = ? WHERE endpointId = ? AND revision = ?"
            return await self._write(statement, (stored.revision, body, endpoint.endpoint_id, endpoint.revision)) == 1
        made = milliseconds(endpoint.created_at)
        values = (endpoint.endpoint_id, endpoint.library_id, made, stored.revision, body)
        return await self._write("INSERT OR IGNORE INTO webhooks VALUES (?, ?, ?, ?, ?)", values) == 1

    async def remove_endpoint(self, endpoint_id: str) -> None:
        """With its deliveries, a slice at a time: what else waits to be written is not held up by all of them."""
        await self._write("DELETE FROM webhooks WHERE endpointId = ?", (endpoint_id,))
        while await self._write(_REMOVE, (endpoint_id, SLICE)) == SLICE:
            pass

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Insert what is not there."""
        rows = [_values(replace(row, revision=1)) for row in deliveries]
        statement = "INSERT OR IGNORE INTO webhook_deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        await self._file.write(lambda connection: connection.executemany(statement, rows).rowcount, several=True)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One of them."""
        rows = await self._rows("WHERE deliveryId = ?", [delivery_id])
        return rows[0] if rows else None

    async def put(self, delivery: Delivery) -> bool:
        """Replace, by revision."""
        row = replace(delivery, revision=delivery.revision + 1)
        values = (str(row.state), row.tries, milliseconds(row.due_at), row.revision, msgspec.msgpack.encode(row))
        return await self._write(_PUT, (*values, delivery.delivery_id, delivery.revision)) == 1

    async def remove(self, delivery_id: str) -> None:
        """Remove one."""
        await self._write("DELETE FROM webhook_deliveries WHERE deliveryId = ?", (delivery_id,))

    async def find(
        self, endpoint_id: str, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Delivery], str | None]:
        """A page, newest first."""
        terms, values = ["endpointId = ?"], [endpoint_id]
        if state is not None:
            terms.append("state = ?")
            values.append(state)
        size, given = page_size(limit), list[Any](values)
        if cursor is not None:
            at, last = read_cursor(cursor)
            terms.append("(createdAt, deliveryId) < (?, ?)")
            given += [milliseconds(at), last]
        tail = f"WHERE {' AND '.join(terms)} ORDER BY createdAt DESC, deliveryId DESC LIMIT ?"
        found = await self._rows(tail, [*given, size + 1])
        more = write_cursor(found[size - 1].created_at, found[size - 1].delivery_id) if len(found) > size else None
        return found[:size], more

    async def waiting(self, now: datetime) -> list[str]:
        """Endpoints with something due."""
        statement = "SELECT DISTINCT endpointId FROM webhook_deliveries WHERE state = 'pending' AND dueAt <= ? "
        rows = await self._select(statement + "ORDER BY endpointId", [milliseconds(now)])
        return [name for (name,) in rows]

    async def due(self, endpoint_id: str, now: datetime, limit: int) -> list[Delivery]:
        """What is due, longest first."""
        tail = "WHERE endpointId = ? AND state = 'pending' AND dueAt <= ? ORDER BY dueAt, place LIMIT ?"
        return await self._rows(tail, [endpoint_id, milliseconds(now), limit])

    async def head(self, endpoint_id: str, key: str) -> Delivery | None:
        """The first pending one of a key."""
        tail = "WHERE endpointId = ? AND key = ? AND state = 'pending' ORDER BY place, deliveryId LIMIT 1"
        rows = await self._rows(tail, [endpoint_id, key])
        return rows[0] if rows else None

    async def bring_forward(self, endpoint_id: str, now: datetime) -> None:
        """Pending ones are due now."""
        statement = "UPDATE webhook_deliveries SET dueAt = ? WHERE endpointId = ? AND state = 'pending' AND dueAt > ?"
        await self._write(statement, (milliseconds(now), endpoint_id, milliseconds(now)))

    async def replay(self, endpoint_id: str, since: datetime, now: datetime) -> int:
        """Failed ones once more."""
        return await self._write(_REPLAY, (milliseconds(now), endpoint_id, milliseconds(since)))

    async def backlog(self, endpoint_ids: Sequence[str]) -> Backlog:
        """What is pending."""
        ((count, oldest),) = await self._select(_BACKLOG, [msgspec.json.encode(endpoint_ids).decode()])
        return Backlog(pending=count, oldest=moment(oldest) if oldest is not None else None)

    async def forget(self, before: datetime, most: int) -> int:
        """Old ones, and those that are too many."""
        return await self._write(_FORGET, (milliseconds(before), most))

    async def _bodies(self, tail: str, values: list[Any]) -> list[Endpoint]:
        rows = await self._select(f"SELECT body FROM webhooks {tail}", values)
        return [msgspec.msgpack.decode(body, type=Endpoint) for (body,) in rows]

    async def _rows(self, tail: str, values: list[Any]) -> list[Delivery]:
        return [
            _delivery(row) for row in await self._select(f"SELECT {_COLUMNS} FROM webhook_deliveries {tail}", values)
        ]

    async def _select(self, statement: str, values: list[Any]) -> list[Any]:
        found: list[Any] = await self._file.read(lambda connection: connection.execute(statement, values).fetchall())
        return found

    async def _write(self, statement: str, values: tuple[Any, ...]) -> int:
        changed: int = await self._file.write(lambda connection: connection.execute(statement, values).rowcount)
        return changed


def _delivery(row: tuple[str, int, int, int, bytes]) -> Delivery:
    state, tries, due, revision, body = row
    known = msgspec.msgpack.decode(body, type=Delivery)
    return replace(known, state=DeliveryState(state), tries=tries, due_at=moment(due), revision=revision)


def _values(row: Delivery) -> tuple[Any, ...]:
    due, made = milliseconds(row.due_at), milliseconds(row.created_at)
    state, body = str(row.state), msgspec.msgpack.encode(row)
    return (row.delivery_id, row.endpoint_id, row.key, row.place, state, row.tries, due, made, row.revision, body)
