"""What a transformation was made with, for its manifest (shared.provenance)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from services.transformer.settings import TransformerSettings
from shared.adapters.model_choice import ModelSettings
from shared.provenance import made_with, source_digest

LIBRARIES = ("pillow", "jsonschema")
GOVERNING = ("analysis_chars", "child_seconds", "image_quality_least")


class Asked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which models are asked; never where, nor with what key."""

    model: str
    vision_model: str = ""
    purposes: dict[str, str] = {}

    @classmethod
    def of(cls, settings: ModelSettings) -> Asked | None:
        """As configured; None with the offline analyzer."""
        if settings.analyzer == "offline":
            return None
        return cls(model=settings.model_name, vision_model=settings.model_vision_name, purposes=settings.model_purposes)


def made_by(settings: TransformerSettings, asked: Asked | None, analyzer: str) -> dict[str, Any]:
    """The note; `analyzer` is its name and version."""
    governing = {name: getattr(settings, name) for name in GOVERNING}
    sources = source_digest(Path(__file__).parent)
    return made_with(LIBRARIES, governing, analyzer=analyzer, models=msgspec.to_builtins(asked), sources=sources)
