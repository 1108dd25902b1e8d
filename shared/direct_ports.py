"""The ports of direct uploads: their records, and storage that takes files from their senders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.direct_upload import DirectUpload


class DirectUploadStore(Protocol):
    """Records of direct uploads. All methods may raise TransientError."""

    async def add(self, upload: DirectUpload) -> None:
        """Insert; a second one of the same id changes nothing."""

    async def get(self, upload_id: str) -> DirectUpload | None: ...

    async def swap(self, old: DirectUpload, new: DirectUpload) -> bool:
        """Replace `old` by `new` if the stored revision is still old's; it becomes old.revision + 1 whatever new's is.
        False, and nothing changed, when the race was lost."""

    async def unsettled(self, after: str, limit: int) -> list[DirectUpload]:
        """Those about which something is left to do, by id, behind the given one."""

    async def forget(self, before: datetime) -> int:
        """Remove settled records made before that moment; returns how many."""


class DirectStorage(Protocol):
    """Storage with addresses at which a sender can put a file, or its parts, without any other credential. All methods
    may raise TransientError."""

    def own_key(self, bucket: str, name: str) -> str | None:
        """The key of an object that storage tells of by its own names; None for one that is not ours."""

    async def begin(self, upload: DirectUpload) -> str:
        """Get ready for its parts; the storage's own name of it, "" where it needs none or there are no parts."""

    async def addresses(self, upload: DirectUpload, numbers: Sequence[int], seconds: int) -> list[str]:
        """An address for each of the parts (from 1; 0 is the whole file), good for so long. One that begins with `/` is
        a path of this gateway."""

    async def parts(self, upload: DirectUpload) -> dict[int, int]:
        """Parts that have arrived: number -> bytes. Empty also when they have been put together."""

    async def assemble(self, upload: DirectUpload) -> None:
        """Make the object `upload.key` of all parts, atomically; repeating it changes nothing."""

    async def abandon(self, upload: DirectUpload) -> None:
        """Remove what has arrived of it, whole or in parts; no error when there is nothing."""
