"""A catalogue as discovery sees it: sheets of lines and table rows, with what runs along the margins told apart.

Header and footer of a sheet are split at their separators; the parts that most sheets share (brand, edition) are
dropped, so that what stays names the sheet's own section.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.transformer.reading import Block, Reading, plain, read
from services.transformer.titles import fold

_PARTS = re.compile(r"\s*[|•·—–]\s*|\s{2,}|\n|\s+[-/:]\s+")
_EDGE = re.compile(r"\A[\W_]+(?=\s)|(?<=\s)[\W_]+\Z")
_CELLS = re.compile(r"(?<!\\)\|")
COMMON = 0.5
"""Share of the sheets with margins from which on a part of them belongs to all."""


class Line(NamedTuple):
    """One block of a sheet; `cells` are a table row's, empty otherwise."""

    kind: str
    level: int
    text: str
    cells: tuple[str, ...]


class Sheet(NamedTuple):
    """One sheet: its lines, the own parts of its margins, and its pictures (images.jsonl rows) without furniture."""

    number: int
    lines: list[Line]
    running: tuple[str, ...]
    images: list[Mapping[str, Any]]

    @property
    def text(self) -> str:
        """All lines, one on each line."""
        return "\n".join(line.text for line in self.lines)


class View(NamedTuple):
    """The whole document; `repeated` are pictures that stand on many sheets, such as a logo."""

    sheets: dict[int, Sheet]
    reading: Reading
    repeated: list[Mapping[str, Any]]

    @property
    def total(self) -> int:
        """Sheets of the document."""
        return self.reading.pages


def look(
    body: str, info: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], images: Sequence[Mapping[str, Any]]
) -> View:
    """The view of a transcript with its rows. Misshapen facts count as absent."""
    reading = read(body, info, rows)
    margins = {
        int(row["number"]): _margins(f"{row.get('header') or ''}\n{row.get('footer') or ''}")
        for row in rows
        if isinstance(row.get("number"), int)
    }
    counts = Counter(key for n, parts in margins.items() for key in {_key(part, n, reading) for part in parts})
    common = {key for key, count in counts.items() if key and count >= max(3, COMMON * len(reading.sheets))}
    own, repeated = _pictures(images, len(reading.sheets))
    sheets = {}
    for sheet in reading.sheets:
        number = sheet.number
        parts = list(margins.get(number, ()))
        blocks = list(sheet.blocks)
        for at in (0, -1):
            if blocks and _is_margin(blocks[at], common, number, reading):
                parts += _margins(blocks.pop(at).text)
        parts = [part for part in parts if not {fold(part), _key(part, number, reading)} & {*common, ""}]
        running = tuple(dict.fromkeys(_once(_bare(part, number, reading)) for part in parts))
        lines = [_line(block) for block in blocks]
        sheets[number] = Sheet(number, lines, running, own.get(number, []))
    return View(sheets, reading, repeated)


def _margins(text: str) -> list[str]:
    return [part for part in (_EDGE.sub("", part).strip() for part in _PARTS.split(text)[:24]) if part][:12]


def _bare(part: str, number: int, reading: Reading) -> str:
    """A part without the number by which its sheet goes: that stands beside the running words, and is none of them."""
    own = part.split()
    numbers = {str(number), *reading.labels.get(number, "").split()}
    for at in (-1, 0):
        if own and own[at] in numbers:
            own.pop(at)
    return " ".join(own)


def _key(part: str, number: int, reading: Reading) -> str:
    return fold(_bare(part, number, reading))


def _is_margin(block: Block, common: set[str], number: int, reading: Reading) -> bool:
    """Whether a line at a sheet's edge is a running one that was taken for text."""
    if block.kind == "table" or len(block.text) >= 160:
        return False
    return any(_key(part, number, reading) in common or fold(part) in common for part in _margins(block.source))


def _once(part: str) -> str:
    """A part that is printed twice in a row, as a running line above a heading, once."""
    half = len(part) // 2
    first, second = part[:half].strip(), part[half:].strip()
    return first if first and fold(first) == fold(second) else part


def _line(block: Block) -> Line:
    if block.kind != "table":
        return Line(block.kind, block.level, block.text, ())
    cells = tuple(plain(cell.replace("\\|", "|")) for cell in _CELLS.split(block.source.strip().strip("|")))
    filled = [cell for cell in cells if cell]
    if len(filled) == 1:  # a line that a table has swallowed
        return Line("text", 0, filled[0], ())
    return Line("table", 0, block.text, cells)


def _pictures(
    images: Sequence[Mapping[str, Any]], sheets: int
) -> tuple[dict[int, list[Mapping[str, Any]]], list[Mapping[str, Any]]]:
    """Pictures by sheet, and those that stand on many sheets, once each."""
    counts = Counter(str(row.get("sha256") or row.get("name")) for row in images)
    many = {key for key, count in counts.items() if count >= max(4, 0.25 * sheets)}
    own: dict[int, list[Mapping[str, Any]]] = {}
    repeated: dict[str, Mapping[str, Any]] = {}
    for row in images:
        key = str(row.get("sha256") or row.get("name"))
        if key in many:
            repeated.setdefault(key, row)
        elif isinstance(row.get("page"), int):
            own.setdefault(int(row["page"]), []).append(row)
    return own, list(repeated.values())
