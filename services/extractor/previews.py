"""A picture of a whole page for people: JPEG, bounded in pixels."""

from __future__ import annotations

import math

import pymupdf

MAX_PIXELS = 1_500_000
_SCALE = 2.0
_QUALITY = 80


def page_preview(doc: pymupdf.Document, page_number: int) -> bytes:
    """Sheet `page_number` (from 1) as it is shown, on white."""
    page = doc.load_page(page_number - 1)
    scale = min(_SCALE, math.sqrt(MAX_PIXELS / max(page.rect.width * page.rect.height, 1.0)))
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False, colorspace=pymupdf.csRGB)
    return bytes(pixmap.tobytes("jpg", jpg_quality=_QUALITY))
