"""The port of analyzers: what turns a transcript into knowledge, by rules (`offline`) or by a model (`openai`)."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from services.transformer.stage import Material, Work
from shared.templates import Template


class Answer(msgspec.Struct):
    """What the analysis found: `values` by variable of the template, `chapters` in order, `warnings` as sentences."""

    values: dict[str, Any]
    chapters: list[dict[str, Any]]
    warnings: list[str]


class Analyzer(Protocol):
    """`name` holds kind and version (and the model), and is part of every result's fingerprint."""

    name: str

    async def describe(self, material: Material, template: Template, work: Work) -> Answer:
        """Answer the template's questions and find the chapters. Raises DocumentError, TransientError."""
