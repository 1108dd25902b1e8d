"""What an extraction finds, before it is known what of it is new."""

from __future__ import annotations

from typing import Any

import msgspec


class Found(msgspec.Struct, frozen=True):
    """One candidate: its values as they were read, the sheet (0 = unknown) and the words it was read from."""

    values: dict[str, Any]
    page: int = 0
    quote: str = ""


class Finds(msgspec.Struct, frozen=True):
    """Candidates in the order of the document, and sentences about what could not be read."""

    found: list[Found]
    warnings: list[str] = []


class Refined(msgspec.Struct, frozen=True):
    """Better values for a stored record; fields that are left out stay."""

    record_id: str
    values: dict[str, Any]
