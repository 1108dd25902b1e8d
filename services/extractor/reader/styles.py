"""What a document looks like: its body type, its heading styles and its outline."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from services.extractor.pages import OutlineEntry
from services.extractor.reader.language import common_words, knows, language_of
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Segment, Sheet

_NUMBERING = re.compile(
    r"^(?:(?:chapter|kapitel|appendix|anhang|section|part|teil|chapitre|cap[ií]tulo|capitolo)\s+)?"
    r"(?:[0-9]+(?:\.[0-9]+)*[.)]?|[IVXLC]+(?:-[A-Z])?[.)]?|[A-Z](?:[.-][0-9A-Z]+)*[.)]?)[\s:]+",
    re.I,
)
_NUMBERED = re.compile(r"^(?:\d{1,2}(?:\.\d{1,2})*[.)]?|[IVX]+\.|[A-Z]\.|\(\d{1,2}\)|§+ ?\d+\w?)\s+\S")
_DEPTH = re.compile(r"^(\d{1,2}(?:\.\d{1,2})*)\.?\s")
_LOWER = bytes(range(256)).lower()
_NO_WORD = bytes(code for code in range(128) if not chr(code).isalnum())
_LINE = 14.0  # ems: from here on a run is a line of running text and no cell, label or title
_PROSE = 0.25
_SAMPLE = 6000
_SIGNS = 0.02  # the most signs of code in it
_EVEN = 0.6  # the least share of one size in text that was set rather than recognised
_SENTENCES = 0.15  # the least share of a language's commonest words in running text


@lru_cache(2048)
def plain(text: str) -> str:
    """Letters and digits of `text` only, for comparing titles."""
    if text.isascii():
        return text.encode().translate(_LOWER, _NO_WORD).decode()
    return "".join(filter(str.isalnum, text)).casefold()


@lru_cache(2048)
def without_number(text: str) -> str:
    """`text` without a leading section number, for comparing titles."""
    text = text.strip()
    number = _NUMBERING.match(text)
    return plain(text[number.end() :] if number else text)


def is_numbered(text: str) -> bool:
    """Whether `text` starts like a numbered section title."""
    return _NUMBERED.match(text) is not None


class Styles:
    """Statistics over sampled sheets, and the heading levels that follow from them."""

    def __init__(self, sheets: list[Sheet], outline: list[OutlineEntry]) -> None:
        sizes: Counter[float] = Counter()
        fonts: Counter[str] = Counter()
        prose: Counter[float] = Counter()
        self.starts: Counter[int] = Counter()  # where lines of running text begin, in points from the left
        bold = total = mono = 0
        for segment in (segment for sheet in sheets for segment in sheet.segments):
            count, size = len(segment.text), round(segment.size * 2) / 2
            sizes[size] += count
            fonts[segment.font] += count
            bold += segment.bold
            total += count
            mono += segment.mono
            if segment.x1 - segment.x0 > _LINE * size and segment.mono * 2 < count:
                prose[size] += count
                self.starts[round(segment.x0)] += 1
        lines = prose.total()
        self.body = max(sizes, key=lambda size: (sizes[size], size)) if sizes else 10.0
        if lines > 0.3 * total:  # else it consists of tables, labels or code
            self.body = max(self.body, max(prose, key=lambda size: (prose[size], size)))
        self.prose = {size for size in prose if size > self.body and prose[size] > max(_PROSE * lines, 400)}
        self.font = max(fonts, key=lambda font: fonts[font]) if fonts else ""
        self.bold_body = bold * 2 > total
        self.typewritten = mono * 2 > total and _is_prose(sheets)
        self.uneven = self.typewritten and max(sizes.values()) < _EVEN * total
        self.large = self._large(sizes, total)
        self.titles: dict[int, dict[str, int]] = {}
        for entry in outline:
            names = self.titles.setdefault(entry.page, {})
            names.setdefault(plain(entry.title), entry.level)
            names.setdefault(without_number(entry.title), entry.level)
        self.initials = {page: {name[:1] for name in names} for page, names in self.titles.items()}
        self.few = 0.05 * self.starts.total()
        self.learned: dict[tuple[float, bool], int] = {}
        if outline:
            self._learn(sheets)

    def even_out(self, sheet: Sheet) -> None:
        """Give the lines of recognised text one size: the recognition fits the type to the width of each."""
        for segment in sheet.segments:
            if 0.5 * self.body < segment.size < 2.2 * self.body:
                segment.size = self.body

    def _large(self, sizes: Counter[float], total: int) -> list[float]:
        """Sizes used for headings, largest first; near sizes count as one."""
        out: list[float] = []
        for size in sorted(sizes, reverse=True):
            if size < self.body * 1.08 + 0.3:
                break
            if sizes[size] < max(400, 0.25 * total) and (not out or out[-1] > size * 1.12):
                out.append(size)
        return out

    def _learn(self, sheets: list[Sheet]) -> None:
        votes: dict[tuple[float, bool], Counter[int]] = {}
        for sheet in sheets:
            for segment in sheet.segments:
                level = self.outline_level(sheet.number, segment.text)
                if level and (segment.size > self.body + 0.5 or segment.bold):
                    votes.setdefault(style_of(segment), Counter())[level] += 1
        self.learned = {style: count.most_common(1)[0][0] for style, count in votes.items()}

    def outline_level(self, page: int, text: str) -> int:
        """The level of the bookmark of this page whose title is `text`, or 0."""
        names = self.titles.get(page)
        if not names or len(text) > 300 or not self._may_be_title(page, text):
            return 0
        key = plain(text)
        return (names.get(key, 0) or names.get(without_number(text), 0)) if key else 0

    def _may_be_title(self, page: int, text: str) -> bool:
        """Whether `text` begins with the letter of a title of this page or a number: a quick look first."""
        first = text[:1].casefold()[:1]
        return not first.isalnum() or first in self.initials[page] or _NUMBERING.match(text) is not None

    def opens_title(self, page: int, text: str) -> int:
        """The level of the bookmark of this page whose title begins with `text`, or 0."""
        names = self.titles.get(page)
        if not names or not self._may_be_title(page, text):
            return 0
        key = plain(text)
        bare = without_number(text)
        if len(key) < 10:
            return 0
        found = (
            level for name, level in names.items() if name.startswith(key) or (len(bare) > 9 and name.startswith(bare))
        )
        return next(found, 0)

    def level(self, size: float, bold: bool, text: str) -> int:
        """The level of a heading by its looks: learned from the outline, else by size and numbering."""
        learned = self.learned.get((round(size * 2) / 2, bold))
        if learned:
            return min(learned, 6)
        rank = 1 + sum(size < other - 0.3 for other in self.large)
        depth = _DEPTH.match(text)
        if depth and rank > len(self.large):
            rank = max(rank, depth.group(1).count(".") + 1)
        return min(rank, 5)

    def is_large(self, row: Row) -> bool:
        """Whether `row` is set clearly larger than the body, in a size that is no second size for running text."""
        return row.size >= self.body * 1.08 + 0.3 and (not self.prose or round(row.size * 2) / 2 not in self.prose)

    def begins_lines(self, x: float) -> bool:
        """Whether a good part of the lines of running text begins at `x`."""
        at = round(x)
        return sum(self.starts[at + step] for step in (-1, 0, 1)) > self.few


def _is_prose(sheets: list[Sheet]) -> bool:
    """Whether monospaced pages hold sentences rather than code: recognised or typewritten text."""
    sample = " ".join(segment.text for sheet in sheets for segment in sheet.segments)[:_SAMPLE]
    if sum(map(sample.count, "{}[]<>=;_\\")) > _SIGNS * len(sample):
        return False
    language = language_of(sample)
    return language != "und" and (not knows(language) or common_words(sample, [language]) > _SENTENCES)


def style_of(segment: Segment) -> tuple[float, bool]:
    """Size and weight, as a key."""
    return round(segment.size * 2) / 2, segment.bold * 2 > len(segment.text)
