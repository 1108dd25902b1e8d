"""Rows: the cells that stand on one baseline of a region."""

from __future__ import annotations

import re

from services.extractor.reader.sheet import Segment
from services.extractor.reader.text import is_rtl, is_wide

_MARKER = re.compile(
    r"(?:[•●○◦▪■□◆◇►▶➢➤✓✔·∙‣⁃–—*o§-]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]|\d{1,2}(?:\.\d{1,2}){1,4}\.?|[A-Z]\.\d+(?:\.\d+)*|\d{1,2}|"
    r"[①-⑳]|[一二三四五六七八九十]{1,3}[、.]|제\d+[장조절])$"
)


class Row:
    """One line of a region: cells from left to right (right to left in right-to-left scripts)."""

    __slots__ = ("base", "cells", "size", "table", "x0", "x1", "y0", "y1")

    def __init__(self, cells: list[Segment]) -> None:
        self.cells = cells
        self.x0, self.x1 = cells[0].x0, cells[0].x1
        self.y0, self.y1 = cells[0].y0, cells[0].y1
        main = cells[0]
        for cell in cells[1:]:
            self.x0, self.x1 = min(self.x0, cell.x0), max(self.x1, cell.x1)
            self.y0, self.y1 = min(self.y0, cell.y0), max(self.y1, cell.y1)
            if len(cell.text) > len(main.text):
                main = cell
        self.base, self.size = main.base, main.size
        self.table = main.table if len(cells) == 1 else None

    @property
    def text(self) -> str:
        """The row as one line."""
        if len(self.cells) == 1:
            return self.cells[0].text
        cells = self.cells
        if sum(cell.rtl for cell in cells) * 2 > len(cells):
            cells = cells[::-1]
        return " ".join(cell.text for cell in cells)


def rows_of(region: list[Segment]) -> list[Row]:
    """The rows of `region` from top to bottom."""
    rows: list[Row] = []
    members: list[Segment] = []
    base = height = 0.0
    for segment in sorted(region, key=_baseline):
        if segment.table is not None:
            rows.append(Row([segment]))
            continue
        if members and abs(segment.base - base) <= 0.35 * min(segment.size, height):
            members.append(segment)
            continue
        if members:
            rows.append(_row(members))
        members, base, height = [segment], segment.base, segment.size
    if members:
        rows.append(_row(members))
    if any(row.table is not None for row in rows):
        rows.sort(key=lambda row: row.y0)
    return _absorb_scripts(rows)


def _baseline(segment: Segment) -> float:
    return segment.base


def _row(members: list[Segment]) -> Row:
    if len(members) == 1:
        return Row(members)
    members.sort(key=lambda s: s.x0)
    cells = [members[0]]
    for segment in members[1:]:
        last = cells[-1]
        gap = segment.x0 - last.x1
        size = max(segment.size, last.size)
        reach = 0.35 if segment.text[0].isdigit() and last.text[-1].isdigit() else 0.75
        if gap < reach * size or (gap < 4 * size and len(cells) == 1 and _MARKER.match(last.text)):
            cells[-1] = _merged(last, segment, gap)
        else:
            cells.append(segment)
    return Row(cells)


def _merged(left: Segment, right: Segment, gap: float) -> Segment:
    first, second = (right, left) if is_rtl(left.text + right.text) else (left, right)
    tight = gap < 0.12 * left.size or (is_wide(first.text[-1]) and is_wide(second.text[0]))
    main = left if len(left.text) > len(right.text) else right
    merged = Segment(
        left.x0, min(left.y0, right.y0), max(left.x1, right.x1), max(left.y1, right.y1), main.base, main.size,
        first.text + ("" if tight else " ") + second.text, main.font, min(left.order, right.order),
    )  # fmt: skip
    merged.bold, merged.italic = left.bold + right.bold, left.italic + right.italic
    merged.mono, merged.rtl = left.mono + right.mono, main.rtl
    merged.parts = [*(left.parts or [_part(left)]), *(right.parts or [_part(right)])]
    return merged


def _part(segment: Segment) -> tuple[float, float, str]:
    return segment.x0, segment.x1, segment.text


def _absorb_scripts(rows: list[Row]) -> list[Row]:
    """Put stray superscripts and subscripts back into the row they overlap."""
    out: list[Row] = []
    for row in rows:
        if out and row.table is None and out[-1].table is None:
            last = out[-1]
            small, big = (row, last) if row.size < last.size else (last, row)
            overlap = min(row.y1, last.y1) - max(row.y0, last.y0)
            if small.size < 0.8 * big.size and overlap > 0.6 * (small.y1 - small.y0) and len(small.text) < 6:
                out[-1] = _row([*last.cells, *row.cells])
                out[-1].base, out[-1].size = big.base, big.size
                continue
        out.append(row)
    return out
