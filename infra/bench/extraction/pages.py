"""What the bench asks a PDF itself, by PyMuPDF."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pymupdf

_WIDE = 0.25
_TALL = 36.0


def count_pages(path: Path) -> int:
    """The number of sheets; 0 for a file that cannot be opened."""
    try:
        with pymupdf.open(path) as doc:
            return int(doc.page_count)
    except Exception:  # MuPDF raises many types for damaged files
        return 0


def has_columns(path: Path) -> bool:
    """Whether a third of the pages or more sets text in columns: tall blocks stand side by side."""
    try:
        with pymupdf.open(path) as doc:
            beside = [_beside(page) for page in doc]
    except Exception:  # as above
        return False
    return 3 * sum(beside) >= len(beside) > 0


def _beside(page: pymupdf.Page) -> bool:
    width = page.rect.width
    blocks = [block[:4] for block in page.get_text("blocks") if block[6] == 0]
    tall = sorted(b for b in blocks if b[3] - b[1] > _TALL and b[2] - b[0] > _WIDE * width)
    return any(a[2] <= b[0] and min(a[3], b[3]) - max(a[1], b[1]) > _TALL / 2 for a, b in combinations(tall[:100], 2))
