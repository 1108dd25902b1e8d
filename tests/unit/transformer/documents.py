"""Small transcripts for the tests of the analysis."""

from __future__ import annotations

from typing import Any

from services.transformer import reading
from shared import templates

PROSE = (
    "The survey counted the tracks of otters at twelve sites along the upper valley of the river. "
    "Every site was visited twice at low water by two observers. "
    "The number of sites with fresh tracks has doubled since the last survey of the valley."
)


def transcript(*pages: str) -> str:
    """The pages with their anchors."""
    return "\n".join(f"--- Seite {number} ---\n\n{page}\n" for number, page in enumerate(pages, start=1))


def info(pages: int, outline: list[dict[str, Any]] | None = None, **metadata: str) -> dict[str, Any]:
    """What the extractor knows of a document."""
    return {"pages": pages, "metadata": metadata, "outline": outline or []}


def read(*pages: str, outline: list[dict[str, Any]] | None = None, **metadata: str) -> reading.Reading:
    """The pages as the analysis sees them."""
    return reading.read(transcript(*pages), info(len(pages), outline, **metadata), [])


TEMPLATE = templates.load()
