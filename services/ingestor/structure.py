"""The structure-aware chunker: passages of whole paragraphs, list items and table rows that never leave their section.

A heading begins a passage and stays with what follows it; short sections of one page share a passage, so that a title
page is not five chunks. A table is cut between rows only, and every piece of it knows the columns. Nothing crosses a
page, so a passage always cites one. Where a single paragraph or row is longer than a passage may be, it is cut
between tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.ingestor.segments import Part
from services.ingestor.tokens import Tokenizer
from services.ingestor.windows import Shape

_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.+?)\s*#*\s*\Z")
_ITEM = re.compile(r" {0,3}(?:[-*+•]|\d{1,3}[.)])\s")
_RULE = re.compile(r"\|[\s|:-]+\Z")
_FENCE = re.compile(r" {0,3}(?:```|~~~)")
_LONGEST_COLUMNS = 200
"""Characters of a table's header row that go into the context header."""


class Passage(NamedTuple):
    """Characters `[start, end)` of the body, under headings; `columns` is the header row of the table it begins in."""

    start: int
    end: int
    tokens: int
    headings: tuple[str, ...]
    columns: str


class _Unit(NamedTuple):
    """What is not cut if it fits: a heading (`level` from 1), paragraph, list item or table row, with blank lines."""

    start: int
    end: int
    level: int
    heading: str
    columns: str


def families(
    body: str, parts: Sequence[Part], tokenizer: Tokenizer, small: Shape, large: Shape
) -> Iterator[list[Passage]]:
    """The passages of a segment in groups, each of which is one large chunk of at most `large.core` tokens (a single
    passage that is longer is a group by itself)."""
    group: list[Passage] = []
    for passage in passages(body, parts, tokenizer, small):
        if group and sum(known.tokens for known in group) + passage.tokens > large.core:
            yield group
            group = []
        group.append(passage)
    if group:
        yield group


def passages(body: str, parts: Sequence[Part], tokenizer: Tokenizer, small: Shape) -> Iterator[Passage]:
    """The passages of a segment; none is longer than `small` with its guards, none shorter than a guard needs company
    of the next section on its page."""
    most, least = small.left + small.core + small.right, max(small.left, small.right)
    path: list[tuple[int, str]] = []
    for part in parts:
        packer = _Packer(most, least)
        for unit in _units(body, part):
            if unit.level:
                while path and path[-1][0] >= unit.level:
                    path.pop()
                path.append((unit.level, unit.heading))
            headings = tuple(name for _, name in path)
            spans = tokenizer.spans(body[unit.start : unit.end])
            for first in range(0, len(spans), most):
                last = min(first + most, len(spans))
                start = unit.start if first == 0 else unit.start + spans[first][0]
                end = unit.end if last == len(spans) else unit.start + spans[last][0]
                if end > start:
                    yield from packer.take(Passage(start, end, last - first, headings, unit.columns), unit.level > 0)
        yield from packer.rest()


class _Packer:
    """Puts units of one page together while they fit and belong together."""

    def __init__(self, most: int, least: int) -> None:
        self.most, self.least = most, least
        self.open: Passage | None = None
        self.only_headings = True

    def take(self, unit: Passage, heading: bool) -> Iterator[Passage]:
        """The next unit; gives the passage that it closes."""
        held = self.open
        apart = held is not None and heading and not self.only_headings and held.tokens >= self.least
        if held is not None and (apart or held.tokens + unit.tokens > self.most):
            yield held
            held = None
        if held is None:
            self.open, self.only_headings = unit, heading
            return
        same = held.headings if not self.only_headings else unit.headings
        self.open = Passage(held.start, unit.end, held.tokens + unit.tokens, same, held.columns)
        self.only_headings = self.only_headings and heading

    def rest(self) -> Iterator[Passage]:
        """What is still open at the page's end."""
        if self.open is not None:
            yield self.open
            self.open = None


def _units(body: str, part: Part) -> Iterator[_Unit]:
    """The units of a page; together they cover it. One pass over the lines."""
    reader = _Reader()
    start = offset = part.start
    unit = reader.fresh()
    for line in _lines(body, part):
        begins, described = reader.read(line)
        if begins and offset > start:
            yield _Unit(start, offset, *unit)
            start, unit = offset, reader.fresh()
        unit = described or unit
        offset += len(line)
    if offset > start:
        yield _Unit(start, part.end, *unit)


class _Reader:
    """What a line is, given those before it on the page."""

    def __init__(self) -> None:
        self.fenced = self.blank = self.heading = self.row = False
        self.columns = ""

    @staticmethod
    def fresh() -> tuple[int, str, str]:
        """Level, heading and columns of a unit that is neither heading nor row."""
        return 0, "", ""

    def read(self, line: str) -> tuple[bool, tuple[int, str, str] | None]:
        """Whether a unit begins with this line, and what is known of that unit now."""
        bare = line.strip()
        if self.fenced:
            self.fenced = not _FENCE.match(line)
            return False, None
        found = _HEADING.match(line.rstrip("\n"))
        row = bare.startswith("|")
        begins = bool(found) or self.heading or (bool(bare) and self.blank) or bool(_ITEM.match(line))
        described: tuple[int, str, str] | None = None
        if found:
            described = (len(found[1]), found[2], "")
        elif row and not self.columns:
            self.columns = bare[:_LONGEST_COLUMNS]  # with its rule and the first row it is one unit
        elif row and self.row:
            begins, described = True, (0, "", self.columns)
        if not row:
            self.columns = ""
        self.row = row and not _RULE.match(bare)
        self.heading, self.blank, self.fenced = bool(found), not bare, bool(_FENCE.match(line))
        return begins and bool(bare), described


def _lines(body: str, part: Part) -> Iterator[str]:
    for match in _LINE.finditer(body, part.start, part.end):
        if match.group():
            yield match.group()
