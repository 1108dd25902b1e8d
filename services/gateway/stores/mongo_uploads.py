"""Records of uploads in MongoDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from pymongo.errors import DuplicateKeyError

from services.gateway.stores.mongo_database import MongoDatabase, told
from shared.cursor import page_size, read_cursor, write_cursor
from shared.job import to_document
from shared.upload import Upload


class MongoUploads:
    """The UploadStore of an installation with MongoDB; the job store opens the connection."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def add(self, upload: Upload) -> None:
        """Insert it."""
        try:
            with told():
                await self._database.uploads.insert_one({**to_document(upload), "_id": upload.upload_id})
        except DuplicateKeyError:
            return

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Upload], str | None]:
        """A page, newest first."""
        wanted: dict[str, Any] = {} if library_id is None else {"libraryId": library_id}
        if cursor is not None:
            at, last = read_cursor(cursor)
            wanted["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": last}}]
        size = page_size(limit)
        with told():
            newest = self._database.uploads.find(wanted).sort([("createdAt", -1), ("_id", -1)])
            rows = await newest.limit(size + 1).to_list(size + 1)
        found = [msgspec.convert(row, Upload) for row in rows]
        more = write_cursor(found[size - 1].created_at, found[size - 1].upload_id) if len(found) > size else None
        return found[:size], more

    async def get(self, upload_id: str) -> Upload | None:
        """One of them."""
        with told():
            row = await self._database.uploads.find_one({"_id": upload_id})
        return msgspec.convert(row, Upload) if row else None

    async def remove(self, upload_id: str) -> None:
        """Remove it."""
        with told():
            await self._database.uploads.delete_one({"_id": upload_id})

    async def forget(self, before: datetime) -> int:
        """Remove what is older; how many."""
        with told():
            return int((await self._database.uploads.delete_many({"createdAt": {"$lt": before}})).deleted_count)
