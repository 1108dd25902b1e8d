"""Webhook endpoints and deliveries in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from services.gateway.stores.mongo_database import MongoDatabase, told
from shared.cursor import page_size, read_cursor, write_cursor
from shared.job import to_document
from shared.webhook import Backlog, Delivery, DeliveryState, Endpoint

_PENDING, _FAILED = str(DeliveryState.PENDING), str(DeliveryState.FAILED)


class MongoWebhooks:
    """The WebhookStore of an installation with MongoDB; the job store opens the connection. A lost reply makes a write
    look lost: whoever put it reads again and puts the same."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        """One of them."""
        with told():
            row = await self._database.webhooks.find_one({"_id": endpoint_id})
        return msgspec.convert(row, Endpoint) if row else None

    async def endpoints(self, library_id: str | None) -> list[Endpoint]:
        """Oldest first."""
        wanted = {} if library_id is None else {"libraryId": library_id}
        with told():
            oldest = self._database.webhooks.find(wanted).sort([("createdAt", 1), ("_id", 1)])
            return [msgspec.convert(row, Endpoint) for row in await oldest.to_list(None)]

    async def put_endpoint(self, endpoint: Endpoint) -> bool:
        """Insert or replace, by revision."""
        changed = replace(endpoint, revision=endpoint.revision + 1)
        stored = {**to_document(changed), "_id": endpoint.endpoint_id}
        try:
            with told():
                if not endpoint.revision:
                    await self._database.webhooks.insert_one(stored)
                    return True
                known = {"_id": endpoint.endpoint_id, "revision": endpoint.revision}
                return (await self._database.webhooks.replace_one(known, stored)).matched_count == 1
        except DuplicateKeyError:
            return False

    async def remove_endpoint(self, endpoint_id: str) -> None:
        """With its deliveries."""
        with told():
            await self._database.webhooks.delete_one({"_id": endpoint_id})
            await self._database.webhook_deliveries.delete_many({"endpointId": endpoint_id})

    async def add(self, deliveries: Sequence[Delivery]) -> None:
        """Insert what is not there."""
        rows = [to_document(replace(row, revision=1)) for row in deliveries]
        wishes = [UpdateOne({"_id": row["deliveryId"]}, {"$setOnInsert": row}, upsert=True) for row in rows]
        if wishes:
            with told():
                await self._database.webhook_deliveries.bulk_write(wishes, ordered=True)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        """One of them."""
        rows = await self._rows({"_id": delivery_id}, [("_id", 1)], 1)
        return rows[0] if rows else None

    async def put(self, delivery: Delivery) -> bool:
        """Replace, by revision."""
        changed = replace(delivery, revision=delivery.revision + 1)
        stored = {**to_document(changed), "_id": delivery.delivery_id}
        known = {"_id": delivery.delivery_id, "revision": delivery.revision}
        with told():
            return (await self._database.webhook_deliveries.replace_one(known, stored)).matched_count == 1

    async def remove(self, delivery_id: str) -> None:
        """Remove one."""
        with told():
            await self._database.webhook_deliveries.delete_one({"_id": delivery_id})

    async def find(
        self, endpoint_id: str, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Delivery], str | None]:
        """A page, newest first."""
        wanted: dict[str, Any] = {"endpointId": endpoint_id}
        if state is not None:
            wanted["state"] = state
        if cursor is not None:
            at, last = read_cursor(cursor)
            wanted["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": last}}]
        size = page_size(limit)
        found = await self._rows(wanted, [("createdAt", -1), ("_id", -1)], size + 1)
        more = write_cursor(found[size - 1].created_at, found[size - 1].delivery_id) if len(found) > size else None
        return found[:size], more

    async def waiting(self, now: datetime) -> list[str]:
        """Endpoints with something due."""
        due = {"state": _PENDING, "dueAt": {"$lte": now}}
        with told():
            return sorted(await self._database.webhook_deliveries.distinct("endpointId", due))

    async def due(self, endpoint_id: str, now: datetime, limit: int) -> list[Delivery]:
        """What is due, longest first."""
        wanted = {"endpointId": endpoint_id, "state": _PENDING, "dueAt": {"$lte": now}}
        return await self._rows(wanted, [("dueAt", 1), ("place", 1)], limit)

    async def head(self, endpoint_id: str, key: str) -> Delivery | None:
        """The first pending one of a key."""
        wanted = {"endpointId": endpoint_id, "key": key, "state": _PENDING}
        rows = await self._rows(wanted, [("place", 1), ("_id", 1)], 1)
        return rows[0] if rows else None

    async def bring_forward(self, endpoint_id: str, now: datetime) -> None:
        """Pending ones are due now."""
        later = {"endpointId": endpoint_id, "state": _PENDING, "dueAt": {"$gt": now}}
        with told():
            await self._database.webhook_deliveries.update_many(later, {"$set": {"dueAt": now}})

    async def replay(self, endpoint_id: str, since: datetime, now: datetime) -> int:
        """Failed ones once more."""
        failed = {"endpointId": endpoint_id, "state": _FAILED, "createdAt": {"$gte": since}}
        again = {"$set": {"state": _PENDING, "tries": 0, "dueAt": now}, "$inc": {"revision": 1}}
        with told():
            return int((await self._database.webhook_deliveries.update_many(failed, again)).modified_count)

    async def backlog(self, endpoint_ids: Sequence[str]) -> Backlog:
        """What is pending."""
        waiting = {"endpointId": {"$in": list(endpoint_ids)}, "state": _PENDING}
        with told():
            pending = await self._database.webhook_deliveries.count_documents(waiting)
        oldest = await self._rows(waiting, [("createdAt", 1)], 1)
        return Backlog(pending=pending, oldest=oldest[0].created_at if oldest else None)

    async def forget(self, before: datetime, most: int) -> int:
        """Old ones, and those that are too many."""
        over = {"state": {"$in": [str(DeliveryState.DELIVERED), _FAILED]}}
        newest = [("createdAt", -1), ("_id", -1)]
        with told():
            deliveries = self._database.webhook_deliveries
            gone = int((await deliveries.delete_many({"createdAt": {"$lt": before}})).deleted_count)
            beyond = await deliveries.find(over, {"createdAt": 1}).sort(newest).skip(most).limit(1).to_list(1)
            for row in beyond:
                at, name = row["createdAt"], row["_id"]
                older = {"$or": [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lte": name}}]}
                gone += int((await deliveries.delete_many({**over, **older})).deleted_count)
        return gone

    async def _rows(self, wanted: dict[str, Any], order: list[tuple[str, int]], limit: int) -> list[Delivery]:
        with told():
            rows = await self._database.webhook_deliveries.find(wanted).sort(order).limit(limit).to_list(limit)
        return [msgspec.convert(row, Delivery) for row in rows]
