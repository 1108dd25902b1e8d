"""Records of uploads in SQLite, in the same file as the jobs."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

import msgspec

from services.gateway.stores.sqlite_file import SqliteFile
from shared.cursor import milliseconds, page_size, read_cursor, write_cursor
from shared.upload import Upload


class SqliteUploads:
    """The UploadStore of one machine; the job store opens the file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def add(self, upload: Upload) -> None:
        """Insert it."""
        values = (upload.upload_id, upload.library_id, milliseconds(upload.created_at), msgspec.msgpack.encode(upload))
        await self._file.write(
            lambda connection: connection.execute("INSERT OR IGNORE INTO uploads VALUES (?, ?, ?, ?)", values).rowcount
        )

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Upload], str | None]:
        """A page, newest first."""
        terms: list[str] = ["1"]
        values: list[Any] = []
        if library_id is not None:
            terms.append("libraryId = ?")
            values.append(library_id)
        if cursor is not None:
            at, last = read_cursor(cursor)
            terms.append("(createdAt, uploadId) < (?, ?)")
            values += [milliseconds(at), last]
        size = page_size(limit)
        statement = (
            f"SELECT body FROM uploads WHERE {' AND '.join(terms)} ORDER BY createdAt DESC, uploadId DESC LIMIT ?"
        )

        def select(connection: sqlite3.Connection) -> list[Upload]:
            rows = connection.execute(statement, [*values, size + 1])
            return [msgspec.msgpack.decode(body, type=Upload) for (body,) in rows]

        found = await self._file.read(select)
        more = write_cursor(found[size - 1].created_at, found[size - 1].upload_id) if len(found) > size else None
        return found[:size], more

    async def get(self, upload_id: str) -> Upload | None:
        """One of them."""

        def select(connection: sqlite3.Connection) -> Upload | None:
            row = connection.execute("SELECT body FROM uploads WHERE uploadId = ?", (upload_id,)).fetchone()
            return msgspec.msgpack.decode(row[0], type=Upload) if row else None

        found: Upload | None = await self._file.read(select)
        return found

    async def remove(self, upload_id: str) -> None:
        """Remove it."""
        await self._file.write(
            lambda connection: connection.execute("DELETE FROM uploads WHERE uploadId = ?", (upload_id,)).rowcount
        )

    async def forget(self, before: datetime) -> int:
        """Remove what is older; how many."""
        moment = milliseconds(before)
        gone: int = await self._file.write(
            lambda connection: connection.execute("DELETE FROM uploads WHERE createdAt < ?", (moment,)).rowcount
        )
        return gone
