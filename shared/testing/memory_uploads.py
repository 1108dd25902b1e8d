"""The UploadStore in memory."""

from __future__ import annotations

from datetime import datetime

from shared.cursor import page_size, read_cursor, write_cursor
from shared.upload import Upload


class MemoryUploads:
    """UploadStore; records are frozen, so that they may be shared."""

    def __init__(self) -> None:
        self.stored: dict[str, Upload] = {}

    async def add(self, upload: Upload) -> None:
        """Insert it."""
        self.stored.setdefault(upload.upload_id, upload)

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Upload], str | None]:
        """A page, newest first."""
        rows = [row for row in self.stored.values() if library_id in (None, row.library_id)]
        rows.sort(key=lambda row: (row.created_at, row.upload_id), reverse=True)
        if cursor is not None:
            rows = [row for row in rows if (row.created_at, row.upload_id) < read_cursor(cursor)]
        size = page_size(limit)
        more = write_cursor(rows[size - 1].created_at, rows[size - 1].upload_id) if len(rows) > size else None
        return rows[:size], more

    async def get(self, upload_id: str) -> Upload | None:
        """One of them."""
        return self.stored.get(upload_id)

    async def remove(self, upload_id: str) -> None:
        """Remove it."""
        self.stored.pop(upload_id, None)

    async def forget(self, before: datetime) -> int:
        """Remove what is older; how many."""
        old = [key for key, row in self.stored.items() if row.created_at < before]
        for key in old:
            del self.stored[key]
        return len(old)
