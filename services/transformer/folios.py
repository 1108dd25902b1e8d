"""Printed page numbers (folios) and sheets: told apart by their difference, which is constant over most of a document.

A *sheet* is a physical page of the PDF, counted from 1, as in the anchors. A *folio* is the number printed on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_AGREEING = 0.5


def folio_of(label: str) -> int | None:
    """The number that a page's label prints; None for roman numbers and words. Of a spread (`12 13`) the first."""
    parts = label.replace("/", " ").replace("-", " ").replace("–", " ").split()
    numbers = [part for part in parts if part.isascii() and part.isdigit() and len(part) <= 4]
    return int(numbers[0]) if numbers and len(numbers) == len(parts) else None


def offset_of(labels: Mapping[int, str]) -> int | None:
    """sheet - folio where most printed numbers agree on it (0: they are equal); None when they do not."""
    differences = Counter(sheet - folio for sheet, label in labels.items() if (folio := folio_of(label)) is not None)
    if not differences:
        return None
    offset, count = differences.most_common(1)[0]
    return offset if count >= 2 and count >= _AGREEING * differences.total() else None


def sheet_of(folio: int, labels: Mapping[int, str], pages: int) -> int | None:
    """The sheet that prints this folio: by its own label, else by the offset; None when there is none."""
    printed = [sheet for sheet, label in labels.items() if folio_of(label) == folio]
    if len(printed) == 1:
        return printed[0]
    offset = offset_of(labels)
    if offset is None:
        return None
    return folio + offset if 1 <= folio + offset <= pages else None
