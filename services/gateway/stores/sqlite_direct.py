"""Records of direct uploads in SQLite, in the same file as the jobs."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec
from msgspec.structs import replace

from services.gateway.stores.sqlite_file import SqliteFile
from shared.cursor import milliseconds
from shared.direct_upload import DirectUpload


class SqliteDirectUploads:
    """The DirectUploadStore of one machine; the job store opens the file."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def add(self, upload: DirectUpload) -> None:
        """Insert it."""
        values = (upload.upload_id, upload.revision, upload.settled, milliseconds(upload.created_at), _body(upload))
        statement = "INSERT OR IGNORE INTO direct_uploads VALUES (?, ?, ?, ?, ?)"
        await self._file.write(lambda connection: connection.execute(statement, values).rowcount)

    async def get(self, upload_id: str) -> DirectUpload | None:
        """The record."""
        rows = await self._select("uploadId = ?", (upload_id,), 1)
        return rows[0] if rows else None

    async def swap(self, old: DirectUpload, new: DirectUpload) -> bool:
        """Replace it if nobody else has."""
        new = replace(new, revision=old.revision + 1)
        statement = "UPDATE direct_uploads SET revision = ?, settled = ?, body = ? WHERE uploadId = ? AND revision = ?"
        values = (new.revision, new.settled, _body(new), old.upload_id, old.revision)
        return bool(await self._file.write(lambda connection: connection.execute(statement, values).rowcount))

    async def unsettled(self, after: str, limit: int) -> list[DirectUpload]:
        """By id."""
        return await self._select("settled = 0 AND uploadId > ?", (after,), limit)

    async def forget(self, before: datetime) -> int:
        """Remove what is older and settled; how many."""
        statement, values = "DELETE FROM direct_uploads WHERE settled = 1 AND createdAt < ?", (milliseconds(before),)
        gone: int = await self._file.write(lambda connection: connection.execute(statement, values).rowcount)
        return gone

    async def _select(self, where: str, values: tuple[str, ...], limit: int) -> list[DirectUpload]:
        statement = f"SELECT body FROM direct_uploads WHERE {where} ORDER BY uploadId LIMIT {int(limit)}"

        def select(connection: sqlite3.Connection) -> list[DirectUpload]:
            return [
                msgspec.msgpack.decode(body, type=DirectUpload) for (body,) in connection.execute(statement, values)
            ]

        rows: list[DirectUpload] = await self._file.read(select)
        return rows


def _body(upload: DirectUpload) -> bytes:
    return msgspec.msgpack.encode(upload)
