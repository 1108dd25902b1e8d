"""Ports of what is kept beside jobs and documents: `shared.ports` gives them on."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared.upload import Upload


class UploadStore(Protocol):
    """Records of uploads. All methods may raise TransientError."""

    async def add(self, upload: Upload) -> None:
        """Insert; a second one of the same id changes nothing."""

    async def find(self, library_id: str | None, cursor: str | None, limit: int) -> tuple[list[Upload], str | None]:
        """One page, newest first, and the cursor of the next (None on the last)."""

    async def get(self, upload_id: str) -> Upload | None: ...

    async def remove(self, upload_id: str) -> None:
        """Remove one; no error when there is none."""

    async def forget(self, before: datetime) -> int:
        """Remove records made before that moment; returns how many."""
