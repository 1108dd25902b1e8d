"""The upload: what is known of a file on its way to us, apart from what processing makes of it (checklist A0.29)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from shared.job import Record


class UploadStatus(StrEnum):
    """Only uploads that did not become a document are written down."""

    FAILED = "failed"


class Upload(Record, frozen=True, kw_only=True):
    """One upload that failed: what was sent (the name as shown, the bytes that arrived), and why it was not taken.

    One that came by URL has its `source_url` and the `fields` of its request, so that it can be tried again."""

    upload_id: str
    library_id: str
    name: str
    item_id: str = ""
    batch_id: str = ""
    size: int = 0
    status: UploadStatus = UploadStatus.FAILED
    code: str = ""
    message: str = ""
    hint: str = ""
    source_url: str = ""
    fields: dict[str, str] = {}
    created_at: datetime
