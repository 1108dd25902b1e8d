"""Bodies of requests that only one route reads."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from shared import twin
from shared.job import StepName

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class HeartbeatRequest(msgspec.Struct, frozen=True, rename="camel"):
    """Which attempt is alive."""

    process_id: str
    attempt: int


class LeftRequest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which step's attempt was given up, and where it may have written."""

    step: StepName
    library_id: str = ""
    document_id: str = ""
    process_id: str = ""
    attempt: int = 0

    def folder(self) -> str:
        """The attempt's folder, "" when the worker does not say enough."""
        if not (self.library_id and _ID.fullmatch(self.document_id) and _ID.fullmatch(self.process_id)):
            return ""
        library = twin.library_id(self.library_id)
        return twin.run_folder(library, self.document_id, self.process_id, self.step, self.attempt)


class TemplateText(msgspec.Struct, frozen=True):
    """A template as JSON; as text/markdown the body is the text itself."""

    text: str


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /api/alerts/{alertId}/acknowledge`."""

    by: str = ""


class Announcement(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `POST /api/uploads`: the file (`size` in bytes, `sha256` in hex if it is known), and the job as with
    `POST /api/jobs`. `expiresIn` is in seconds."""

    library_id: str = "default"
    filename: str = "document.pdf"
    size: int
    sha256: str = ""
    multipart: bool = False
    expires_in: int | None = None
    item_id: str = ""
    parent_id: str = ""
    user_email: str = ""
    batch_id: str | None = None
    batch_name: str | None = None
    priority: int = 0
    parameters: dict[str, Any] = {}
    password: str = ""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `POST /api/uploads/{id}/parts`: numbers from 1; none for the first that are missing."""

    parts: list[int] = []
