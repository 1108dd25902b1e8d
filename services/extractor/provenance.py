"""What an extraction was made with, for its manifest (shared.provenance)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from services.extractor.settings import ExtractorSettings
from services.extractor.task import PICTURES, READER
from shared.provenance import made_with, source_digest

LIBRARIES = ("pymupdf", "pymupdf4llm", "pymupdf-layout", "pillow", "numpy")
GOVERNING = (
    "max_pages", "max_restarts", "child_memory_bytes", "child_seconds", "page_seconds", "slow_page_seconds",
    "respect_permissions", "page_chars", "page_graphics", "ocr_languages", "ocr_pixels", "escalation_seconds",
)  # fmt: skip
"""Settings that decide about what is read."""


def made_by(settings: ExtractorSettings) -> dict[str, Any]:
    """The note; the first call reads the extractor's sources."""
    governing = {name: getattr(settings, name) for name in GOVERNING}
    sources = source_digest(Path(__file__).parent)
    return made_with(LIBRARIES, governing, reader=READER, pictures=PICTURES, sources=sources)
