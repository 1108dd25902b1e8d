"""A printed table of contents: its lines, and how far the printed folio is from the sheet (checklist A3, issue 5)."""

from __future__ import annotations

import re
from collections import Counter

from services.transformer.reading import Block, Reading
from services.transformer.titles import fold, is_contents

PAGES = 25
"""First sheets on which a table of contents is looked for."""

_LINE = re.compile(r"(?P<title>\S.{0,250}?)(?P<gap>\s*(?:[.·…_]\s?){2,}\s*|\s{1,20})(?P<page>\d{1,4})\Z")
_ROW = re.compile(r"\|\s*(?P<title>[^|]{2,250}?)\s*\|(?:[^|]{0,40}\|){0,2}?\s*(?P<page>\d{1,4})\s*\|?\Z")
_LEADERS = re.compile(r"\s*(?<![.·…_])(?<![.·…_]\s)(?:[.·…_]\s?){3,}+\s*(\d{1,4})(?:\s+|\Z)")
_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})\.?\s+\D")


def entries(reading: Reading) -> list[dict[str, object]]:
    """Outline rows {level, title, page} of the printed contents, pages as sheets; empty unless at least three stand."""
    rows: list[tuple[str, int]] = []
    last = 0
    for sheet in reading.sheets[:PAGES]:
        here = [row for block in sheet.blocks for row in rows_of(block)]
        titled = any(is_contents(block.text) for block in sheet.blocks[:4])
        if (titled or rows) and len(here) >= max(3, 0.3 * len(sheet.blocks)) and (not last or sheet.number == last + 1):
            rows += here
            last = sheet.number
    rows = _rising(rows)
    if len(rows) < 3:
        return []
    offset = _offset(reading, rows, last)
    placed = [(title, page + offset) for title, page in rows if last - 1 <= page + offset <= reading.pages]
    return [{"level": _level(title), "title": title, "page": page} for title, page in placed]


def rows_of(block: Block) -> list[tuple[str, int]]:
    """The (title, folio) lines of a block: several on one line when leaders part them, else at most one."""
    if block.kind in ("heading", "code") or len(block.text) > 3000:
        return []
    parts = _LEADERS.split(block.text)
    rows = list(zip(parts[0:-1:2], parts[1::2], strict=True))
    if not rows and len(block.text) <= 300:
        match = (_ROW if block.kind == "table" else _LINE).match(block.text)
        rows = [(match["title"], match["page"])] if match else []
    return [(title.strip(" .·…_|"), int(page)) for title, page in rows if sum(c.isalpha() for c in title) >= 2]


def _rising(rows: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The rows without those whose page falls back: contents never do."""
    kept: list[tuple[str, int]] = []
    for title, page in rows:
        if not kept or page >= kept[-1][1]:
            kept.append((title, page))
    return kept


def _offset(reading: Reading, rows: list[tuple[str, int]], after: int) -> int:
    """Sheet minus folio: the difference most titles agree on, else the printed labels', else 0."""
    wanted = {fold(title): page for title, page in rows}
    votes: Counter[int] = Counter()
    for sheet in reading.sheets:
        if sheet.number > after:
            here = {fold(block.text) for block in sheet.blocks if block.kind == "heading" or len(block.text) < 150}
            votes.update(sheet.number - wanted[title] for title in here if title in wanted)
    if not votes:
        votes.update(n - int(label) for n, label in reading.labels.items() if label.isdecimal() and len(label) < 5)
    return votes.most_common(1)[0][0] if votes else 0


def _level(title: str) -> int:
    match = _NUMBER.match(title)
    return match.group(1).count(".") + 1 if match else 1
