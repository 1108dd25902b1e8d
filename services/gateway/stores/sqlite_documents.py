"""Document records in SQLite, in the same file as the jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway.stores.sqlite_file import SqliteFile
from shared.cursor import milliseconds, page_size, read_cursor, write_cursor
from shared.document import Document

_DOCUMENT = msgspec.msgpack.Decoder(Document)
_BATCH = 500


class SqliteDocuments:
    """The DocumentStore of one machine."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def get(self, document_id: str) -> Document | None:
        """The record, or None."""
        found = await self._select("WHERE documentId = ?", [document_id])
        return found[0] if found else None

    async def by_hash(self, library_id: str, sha256: str) -> Document | None:
        """The newest record of these bytes."""
        found = await self._select(
            "WHERE libraryId = ? AND sha256 = ? ORDER BY createdAt DESC, documentId DESC LIMIT 1", [library_id, sha256]
        )
        return found[0] if found else None

    async def put(self, document: Document) -> bool:
        """Insert a record of revision 0, or replace the one of this revision."""
        stored = replace(document, revision=document.revision + 1)
        values = {
            "libraryId": document.library_id,
            "itemId": document.item_id,
            "sha256": document.sha256,
            "revision": stored.revision,
            "createdAt": milliseconds(document.created_at),
            "body": msgspec.msgpack.encode(stored),
            "documentId": document.document_id,
        }
        if document.revision == 0:
            marks = ", ".join("?" * len(values))
            statement = f"INSERT OR IGNORE INTO documents ({', '.join(values)}) VALUES ({marks})"
            parameters = list(values.values())
        else:
            sets = ", ".join(f"{name} = ?" for name in values if name != "documentId")
            statement = f"UPDATE documents SET {sets} WHERE documentId = ? AND revision = ?"
            parameters = [*values.values(), document.revision]
        return bool(await self._file.write(lambda connection: connection.execute(statement, parameters).rowcount == 1))

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Document], str | None]:
        """A page, newest first."""
        terms: list[str] = []
        values: list[Any] = []
        if library_id is not None:
            terms, values = ["libraryId = ?"], [library_id]
        if cursor is not None:
            at, last = read_cursor(cursor)
            terms.append("(createdAt, documentId) < (?, ?)")
            values += [milliseconds(at), last]
        size = page_size(limit)
        where = f"WHERE {' AND '.join(terms)} " if terms else ""
        found = await self._select(f"{where}ORDER BY createdAt DESC, documentId DESC LIMIT ?", [*values, size + 1])
        more = write_cursor(found[size - 1].created_at, found[size - 1].document_id) if len(found) > size else None
        return found[:size], more

    async def many(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those that exist; asked for in batches, since a statement takes a limited number of values."""
        found: dict[str, Document] = {}
        for start in range(0, len(document_ids), _BATCH):
            ids = document_ids[start : start + _BATCH]
            for document in await self._select(f"WHERE documentId IN ({', '.join('?' * len(ids))})", ids):
                found[document.document_id] = document
        return found

    async def delete(self, document_id: str) -> None:
        """Remove the record."""
        await self._file.write(
            lambda connection: connection.execute("DELETE FROM documents WHERE documentId = ?", (document_id,)).rowcount
        )

    async def _select(self, rest: str, values: Sequence[Any]) -> list[Document]:
        def select(connection: sqlite3.Connection) -> list[Document]:
            return [
                _DOCUMENT.decode(body) for (body,) in connection.execute(f"SELECT body FROM documents {rest}", values)
            ]

        documents: list[Document] = await self._file.read(select)
        return documents
