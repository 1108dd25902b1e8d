"""What a child process of the transformer is asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.templates import Template


class Task(msgspec.Struct, frozen=True):
    """What the child is asked for."""

    transcript: str
    info: dict[str, Any]
    pages: list[dict[str, Any]]
    template: Template
