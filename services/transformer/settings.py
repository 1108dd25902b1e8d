"""Settings of the transformer."""

from __future__ import annotations

from shared.settings import Settings


class TransformerSettings(Settings):
    """Sizes in bytes, times in seconds."""

    concurrency: int = 2
    """Documents at a time."""
    child_memory_bytes: int = 2 << 30
    """The most memory of a child that analyses."""
    child_seconds: float = 300.0
    """The longest time of such a child."""
    analysis_chars: int = 160_000
    """Characters of a document that one question to a model may hold."""
    images_at_once: int = 24
    """Pictures that a vision model looks at at the same time, for each document; half of what may be under way in all
    (SHADOWTWIN_MODEL_IN_FLIGHT), so that pictures leave room for questions about products (ADR 17)."""
    image_quality_least: float = 0.7
    """Pictures with a lower quality score are queued for the quality pass."""
