"""The direct upload: a file that its sender puts into storage himself, at a signed address, before we look at it.

Until it is completed nothing is known of it but what was announced; it becomes a document by the same checks as any
other upload (checklist A0.28, A0.31).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.job import Record

FOLDER = "_direct"
"""Where direct uploads lie until they are documents; no library has such a name."""


class DirectStatus(StrEnum):
    """`open` until it is decided; the other three are final."""

    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"


class DirectUpload(Record, frozen=True, kw_only=True):
    """One direct upload, guarded by `revision`. Sizes in bytes.

    `request` is the job that was asked for, until it is decided; `answer` what the completion has answered. `part_size`
    is 0 for an upload in one piece, `multipart_id` the storage's own name of one in parts. `takers`: how many
    gateways are making it a document just now, so that it cannot be aborted (one that was killed still counts).
    `settled`: nothing is left to do about it.
    """

    upload_id: str
    library_id: str
    name: str
    size: int
    sha256: str = ""
    part_size: int = 0
    multipart_id: str = ""
    request: dict[str, Any] = {}
    status: DirectStatus = DirectStatus.OPEN
    takers: int = 0
    answer: dict[str, Any] = {}
    code: str = ""
    message: str = ""
    hint: str = ""
    settled: bool = False
    created_at: datetime
    expires_at: datetime
    revision: int = 0

    @property
    def key(self) -> str:
        """Where its bytes are put."""
        return f"{FOLDER}/{self.upload_id}"

    @property
    def part_count(self) -> int:
        """How many parts it has; 0 for an upload in one piece."""
        return -(-self.size // self.part_size) if self.part_size else 0

    def part_bytes(self, number: int) -> int:
        """Size of a part (from 1), of the whole for 0; 0 for a part that it does not have."""
        if not self.part_size or not number:
            return 0 if number or self.part_size else self.size
        return max(0, min(self.part_size, self.size - (number - 1) * self.part_size)) if number > 0 else 0
