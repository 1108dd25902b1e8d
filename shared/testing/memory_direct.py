"""The DirectUploadStore in memory."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from shared.direct_upload import DirectUpload


class MemoryDirectUploads:
    """DirectUploadStore; records are frozen, so that they may be shared."""

    def __init__(self) -> None:
        self.stored: dict[str, DirectUpload] = {}

    async def add(self, upload: DirectUpload) -> None:
        """Insert it."""
        self.stored.setdefault(upload.upload_id, upload)

    async def get(self, upload_id: str) -> DirectUpload | None:
        """The record."""
        return self.stored.get(upload_id)

    async def swap(self, old: DirectUpload, new: DirectUpload) -> bool:
        """Replace it if nobody else has."""
        known = self.stored.get(old.upload_id)
        if known is None or known.revision != old.revision:
            return False
        self.stored[old.upload_id] = replace(new, revision=old.revision + 1)
        return True

    async def unsettled(self, after: str, limit: int) -> list[DirectUpload]:
        """By id."""
        ids = sorted(name for name, row in self.stored.items() if name > after and not row.settled)
        return [self.stored[name] for name in ids[:limit]]

    async def forget(self, before: datetime) -> int:
        """Remove what is older and settled."""
        old = [name for name, row in self.stored.items() if row.settled and row.created_at < before]
        for name in old:
            del self.stored[name]
        return len(old)
