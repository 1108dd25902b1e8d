"""Alerts and leases in SQLite, in the same file as the jobs."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.stores.sqlite_file import SqliteFile
from shared.alert import Alert, AlertState
from shared.cursor import milliseconds, page_size, read_cursor, write_cursor

_INSERT = "INSERT OR IGNORE INTO alerts VALUES (?, ?, ?, ?, ?, ?)"
_REPLACE = """UPDATE alerts SET alertId = ?, libraryId = ?, state = ?, openedAt = ?, revision = ?, body = ?
WHERE alertId = ? AND revision = ?"""
_HOLD = """INSERT INTO leases VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET owner = excluded.owner,
until = excluded.until WHERE leases.owner = excluded.owner OR leases.until <= ?"""


class SqliteAlerts:
    """The AlertStore of one machine; the job store opens the file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def get(self, alert_id: str) -> Alert | None:
        """One of them."""

        def select(connection: sqlite3.Connection) -> Alert | None:
            row = connection.execute("SELECT body FROM alerts WHERE alertId = ?", (alert_id,)).fetchone()
            return msgspec.msgpack.decode(row[0], type=Alert) if row else None

        found: Alert | None = await self._file.read(select)
        return found

    async def put(self, alert: Alert) -> bool:
        """Insert or replace, by revision."""
        stored = replace(alert, revision=alert.revision + 1)
        key = (stored.alert_id, stored.library_id, str(stored.state), milliseconds(stored.opened_at), stored.revision)
        values: tuple[Any, ...] = (*key, msgspec.msgpack.encode(stored))
        statement = _REPLACE if alert.revision else _INSERT
        if alert.revision:
            values = (*values, alert.alert_id, alert.revision)
        changed: int = await self._file.write(lambda connection: connection.execute(statement, values).rowcount)
        return changed == 1

    async def find(
        self, library_id: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Alert], str | None]:
        """A page, last opened first."""
        terms: list[str] = ["1"]
        values: list[Any] = []
        for column, value in (("libraryId", library_id), ("state", state)):
            if value is not None:
                terms.append(f"{column} = ?")
                values.append(value)
        if cursor is not None:
            at, last = read_cursor(cursor)
            terms.append("(openedAt, alertId) < (?, ?)")
            values += [milliseconds(at), last]
        size = page_size(limit)
        statement = f"SELECT body FROM alerts WHERE {' AND '.join(terms)} ORDER BY openedAt DESC, alertId DESC LIMIT ?"

        def select(connection: sqlite3.Connection) -> list[Alert]:
            rows = connection.execute(statement, [*values, size + 1])
            return [msgspec.msgpack.decode(body, type=Alert) for (body,) in rows]

        found = await self._file.read(select)
        more = write_cursor(found[size - 1].opened_at, found[size - 1].alert_id) if len(found) > size else None
        return found[:size], more

    async def forget(self, before: datetime) -> int:
        """Remove old ones that are over."""
        values = (str(AlertState.RESOLVED), milliseconds(before))
        statement = "DELETE FROM alerts WHERE state = ? AND openedAt < ?"
        gone: int = await self._file.write(lambda connection: connection.execute(statement, values).rowcount)
        return gone

    async def hold(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a lease."""
        values = (name, owner, milliseconds(until), milliseconds(now))
        held: int = await self._file.write(lambda connection: connection.execute(_HOLD, values).rowcount)
        return held == 1
