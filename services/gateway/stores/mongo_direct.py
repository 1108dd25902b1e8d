"""Records of direct uploads in MongoDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from pymongo.errors import DuplicateKeyError

from services.gateway.stores.mongo_database import LostReply, MongoDatabase, new_write_id, told
from shared.direct_upload import DirectUpload
from shared.job import to_document


class MongoDirectUploads:
    """The DirectUploadStore of an installation with MongoDB; the job store opens the connection."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def add(self, upload: DirectUpload) -> None:
        """Insert it."""
        try:
            with told():
                await self._database.direct_uploads.insert_one(_row(upload))
        except DuplicateKeyError:
            return

    async def get(self, upload_id: str) -> DirectUpload | None:
        """The record."""
        rows = await self._select({"_id": upload_id}, 1)
        return rows[0] if rows else None

    async def swap(self, old: DirectUpload, new: DirectUpload) -> bool:
        """Replace it if nobody else has; a write whose reply was lost is looked for."""
        row = _row(replace(new, revision=old.revision + 1)) | {"writeId": new_write_id()}
        guard = {"_id": old.upload_id, "revision": old.revision}
        try:
            with told():
                return bool((await self._database.direct_uploads.replace_one(guard, row)).matched_count)
        except LostReply:
            mark = {"_id": old.upload_id, "writeId": row["writeId"]}
            with told():
                if await self._database.direct_uploads.find_one(mark, {"_id": 1}) is not None:
                    return True
            raise

    async def unsettled(self, after: str, limit: int) -> list[DirectUpload]:
        """By id."""
        return await self._select({"settled": False, "_id": {"$gt": after}}, limit)

    async def forget(self, before: datetime) -> int:
        """Remove what is older and settled; how many."""
        old = {"settled": True, "createdAt": {"$lt": before}}
        with told():
            return int((await self._database.direct_uploads.delete_many(old)).deleted_count)

    async def _select(self, wanted: dict[str, Any], limit: int) -> list[DirectUpload]:
        with told():
            rows = await self._database.direct_uploads.find(wanted).sort([("_id", 1)]).limit(limit).to_list(limit)
        return [msgspec.convert(row, DirectUpload) for row in rows]


def _row(upload: DirectUpload) -> dict[str, Any]:
    return {**to_document(upload), "_id": upload.upload_id}
