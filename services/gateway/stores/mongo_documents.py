"""Document records in MongoDB, guarded by their revision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from pymongo.errors import DuplicateKeyError

from services.gateway.stores.mongo_database import LostReply, MongoDatabase, new_write_id, told
from shared.cursor import page_size, read_cursor, write_cursor
from shared.document import Document
from shared.job import to_document

_NEWEST = [("createdAt", -1), ("_id", -1)]


class MongoDocuments:
    """The DocumentStore of an installation with MongoDB; the job store opens the connection."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database

    async def get(self, document_id: str) -> Document | None:
        """The record, or None."""
        return (await self.many([document_id])).get(document_id)

    async def by_hash(self, library_id: str, sha256: str) -> Document | None:
        """The newest record of these bytes."""
        found = await self._select({"libraryId": library_id, "sha256": sha256}, 1)
        return found[0] if found else None

    async def put(self, document: Document) -> bool:
        """Insert a record of revision 0, or replace the one of this revision."""
        write_id = new_write_id()
        body = to_document(replace(document, revision=document.revision + 1))
        body |= {"_id": document.document_id, "writeId": write_id}
        guard = {"_id": document.document_id, "revision": document.revision}
        try:
            with told():
                if document.revision:
                    return bool((await self._database.documents.replace_one(guard, body)).matched_count == 1)
                await self._database.documents.insert_one(body)
                return True
        except DuplicateKeyError:
            return await self._was_done(document.document_id, write_id)
        except LostReply:
            if await self._was_done(document.document_id, write_id):
                return True
            raise

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """A page, newest first."""
        wanted: dict[str, Any] = {} if library_id is None else {"libraryId": library_id}
        if cursor is not None:
            at, last = read_cursor(cursor)
            wanted["$or"] = [{"createdAt": {"$lt": at}}, {"createdAt": at, "_id": {"$lt": last}}]
        size = page_size(limit)
        found = await self._select(wanted, size + 1)
        more = write_cursor(found[size - 1].created_at, found[size - 1].document_id) if len(found) > size else None
        return found[:size], more

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those that exist."""
        found = await self._select({"_id": {"$in": list(document_ids)}}, max(1, len(document_ids)))
        return {document.document_id: document for document in found}

    async def delete(self, document_id: str) -> None:
        """Remove the record."""
        with told():
            await self._database.documents.delete_many({"_id": document_id})

    async def _was_done(self, document_id: str, write_id: str) -> bool:
        with told():
            found = await self._database.documents.find_one({"_id": document_id, "writeId": write_id}, {"_id": 1})
        return found is not None

    async def _select(self, wanted: dict[str, Any], limit: int) -> list[Document]:
        with told():
            rows = await self._database.documents.find(wanted).sort(_NEWEST).limit(limit).to_list(limit)
        return [msgspec.convert(row, Document) for row in rows]
