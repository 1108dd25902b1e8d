"""Alerts and leases in MongoDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from pymongo.errors import DuplicateKeyError

from services.gateway.stores.mongo_database import MongoDatabase, told
from shared.alert import Alert, AlertState
from shared.cursor import page_size, read_cursor, write_cursor
from shared.job import to_document


class MongoAlerts:
    """The AlertStore of an installation with MongoDB; the job store opens the connection. A lost reply makes a write
    look lost: whoever put it reads again and puts the same."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def get(self, alert_id: str) -> Alert | None:
        """One of them."""
        with told():
            row = await self._database.alerts.find_one({"_id": alert_id})
        return msgspec.convert(row, Alert) if row else None

    async def put(self, alert: Alert) -> bool:
        """Insert or replace, by revision."""
        stored = {**to_document(replace(alert, revision=alert.revision + 1)), "_id": alert.alert_id}
        try:
            with told():
                if not alert.revision:
                    await self._database.alerts.insert_one(stored)
                    return True
                known = {"_id": alert.alert_id, "revision": alert.revision}
                return (await self._database.alerts.replace_one(known, stored)).matched_count == 1
        except DuplicateKeyError:
            return False

    async def find(
        self, library_id: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Alert], str | None]:
        """A page, last opened first."""
        wanted: dict[str, Any] = {}
        if library_id is not None:
            wanted["libraryId"] = library_id
        if state is not None:
            wanted["state"] = state
        if cursor is not None:
            at, last = read_cursor(cursor)
            wanted["$or"] = [{"openedAt": {"$lt": at}}, {"openedAt": at, "_id": {"$lt": last}}]
        size = page_size(limit)
        with told():
            newest = self._database.alerts.find(wanted).sort([("openedAt", -1), ("_id", -1)])
            rows = await newest.limit(size + 1).to_list(size + 1)
        found = [msgspec.convert(row, Alert) for row in rows]
        more = write_cursor(found[size - 1].opened_at, found[size - 1].alert_id) if len(found) > size else None
        return found[:size], more

    async def forget(self, before: datetime) -> int:
        """Remove old ones that are over."""
        old = {"state": str(AlertState.RESOLVED), "openedAt": {"$lt": before}}
        with told():
            return int((await self._database.alerts.delete_many(old)).deleted_count)

    async def hold(self, name: str, owner: str, now: datetime, until: datetime) -> bool:
        """Take or prolong a lease: no free one of that name matches while another has it, and inserting fails then."""
        free = {"_id": name, "$or": [{"owner": owner}, {"until": {"$lte": now}}]}
        try:
            with told():
                await self._database.leases.update_one(free, {"$set": {"owner": owner, "until": until}}, upsert=True)
        except DuplicateKeyError:
            return False
        return True
