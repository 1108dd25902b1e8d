"""Settings of the extractor."""

from __future__ import annotations

from shared.settings import Settings


class ExtractorSettings(Settings):
    """Sizes in bytes, times in seconds."""

    concurrency: int = 2
    max_pages: int = 5000
    child_memory_bytes: int = 3 << 30
    child_seconds: float = 1800.0
    page_seconds: float = 60.0
