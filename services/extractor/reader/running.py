"""Running headers, footers and page numbers: lines that return on neighbouring pages in the same place."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from services.extractor.reader.piece import CAPTION
from services.extractor.reader.rows import Row, rows_of
from services.extractor.reader.sheet import Segment, Sheet

_DIGITS = re.compile(r"\d+")
_ROMAN = re.compile(r"^[ivxlcdm]{1,7}$", re.I)
_FOLIO = re.compile(
    r"^(?:\W*|(?:page|seite|p\.|s\.|página|pagina|pág\.)\s*)(\d{1,4}|[ivxlc]{1,6})(?:\s*(?:/|of|von|de|di|sur)\s*\d+)?\W*$",
    re.I,
)
_PAGE_NUMBER = re.compile(
    r"(?<=page )\d+|(?<=seite )\d+|(?<=página )\d+|\d+(?: (?:of|von|de|di|sur) |\s?/\s?)\d+", re.I
)
_MARKING = re.compile(
    r"^\W*(?:(?:top |streng )?secret|confidential|restricted|unclassified|cui|fouo|for official use only|"
    r"controlled unclassified information|internal use only|(?:streng )?vertraulich|nur für den dienstgebrauch|"
    r"vs-nfd|confidentiel|confidencial|riservato)\b",
    re.I,
)
_ZONE = 0.15
_DEEP = 0.25  # of the height: how far in a page number may stand where wide margins leave the edges empty


class Margins:
    """The lines near the top and bottom edge of one sheet; keys of the bottom end with a line break."""

    __slots__ = ("alone", "bottom", "ends", "keys", "top")

    def __init__(self, sheet: Sheet) -> None:
        top_end, bottom_start = sheet.height * _ZONE, sheet.height * (1 - _ZONE)
        lowest = max(sheet.segments, key=_top, default=None)
        if lowest is not None and sheet.height * (1 - _DEEP) < lowest.y0 <= bottom_start and _folio(lowest.text):
            bottom_start = lowest.y0 - 1.0
        self.ends = (top_end, bottom_start)
        above = [s for s in sheet.segments if s.y1 < top_end]
        below = [s for s in sheet.segments if s.y0 > bottom_start]
        self.top, self.bottom = rows_of(above)[:4], rows_of(below)[-4:]
        self.keys = _places(self.top) | _places(self.bottom, "\n")
        self.alone = len(above) + len(below) == len(sheet.segments)  # nothing else is there


def _top(segment: Segment) -> float:
    return segment.y0


def _places(rows: list[Row], mark: str = "") -> dict[str, float]:
    """The baselines of lines by their text, both with all numbers and with only page numbers levelled."""
    cells = [cell for row in rows for cell in row.cells]
    places = {_foliated(cell.text) + mark: cell.base for cell in cells}
    places.update((_levelled(cell.text) + mark, cell.base) for cell in cells)
    return places


@lru_cache(1024)
def _levelled(text: str) -> str:
    """A line's text with its numbers levelled, so that "Page 3" equals "Page 4"."""
    text = _DIGITS.sub("#", text)
    return "#" if _ROMAN.match(text) else text.casefold()


@lru_cache(1024)
def _foliated(text: str) -> str:
    """A line's text with page numbers levelled but other numbers kept: "Exhibit 3" is not "Exhibit 4"."""
    return "#" if _folio(text) else _PAGE_NUMBER.sub("#", text).casefold()


def _worded(cell: Segment) -> str:
    """Text and type size of a line when it is words enough to be known again at another height."""
    return f"{_levelled(cell.text)} {cell.size:.0f}" if sum(map(str.isalpha, cell.text)) > 7 else ""


class Running:
    """Which lines are running lines, learned from sampled sheets and the neighbours of each page."""

    def __init__(self, sample: list[Margins], body: float = 10.0) -> None:
        self.largest = max(1.4 * body, body + 3)  # on slides anything larger is a title that returns
        self.slots: dict[tuple[int, str], int] = {}
        self.words: Counter[str] = Counter()
        for margins in sample:
            self.words.update({name for row in margins.top[:2] for cell in row.cells if (name := _worded(cell))})
            self.words.update(
                {name + "\n" for row in margins.bottom[-2:] for cell in row.cells if (name := _worded(cell))}
            )
        for index, margins in enumerate(sample):
            others = sample[:index] + sample[index + 1 :]
            lines = [(_levelled(c.text), c) for row in margins.top for c in row.cells]
            lines += [(_levelled(c.text) + "\n", c) for row in margins.bottom for c in row.cells]
            for name, cell in lines:
                if _returns(name, cell, others):
                    slot = (round(cell.base / 3), cell.font)
                    self.slots[slot] = self.slots.get(slot, 0) + 1
        self.enough = max(2, len(sample) // 3)
        self.most = max(3.0, 0.45 * len(sample))

    def take(
        self, sheet: Sheet, own: Margins, neighbours: list[Margins], title: Callable[[str], int]
    ) -> tuple[str, str, str]:
        """Remove the running lines of `sheet`; header, footer and the printed folio come back.

        `title` tells the level of a line that the outline names as a title of this very sheet, else 0.
        """
        titles = [row for row in own.top if title(row.text) or title(row.cells[0].text)]
        if titles and not any(title(s.text) for s in sheet.segments if s not in titles[0].cells):
            own_top = own.top[: own.top.index(titles[0])]
        else:
            own_top = own.top
        header, gone_top = self._side(own_top, own.bottom, neighbours, sheet)
        footer, gone_bottom = self._side(own.bottom[::-1], own.top, neighbours, sheet)
        gone = [*gone_top, *gone_bottom]
        if gone:
            boxes = [(s.x0 - 1, s.y0 - 1, s.x1 + 1, s.y1 + 1) for s in gone]
            top, bottom = own.ends
            rest = [
                s for s in sheet.segments if (s.y1 > top and s.y0 < bottom) or not any(_within(s, box) for box in boxes)
            ]
            bare = all(margins.alone for margins in neighbours)
            if not rest and bare and any(_folio(cell.text) == "" for cell in gone):
                return "", "", ""  # the same few words on every page are its text
            sheet.segments = rest
        label = next((found for cell in gone if (found := _folio(cell.text))), "")
        return " ".join(header), " ".join(footer[::-1]), label

    def _side(
        self, rows: list[Row], opposite: list[Row], neighbours: list[Margins], sheet: Sheet
    ) -> tuple[list[str], list[Segment]]:
        texts: list[str] = []
        gone: list[Segment] = []
        mark = "\n" if rows and rows[0].y0 > 0.5 * sheet.height else ""
        across = set() if neighbours else {cell.text for row in opposite for cell in row.cells}
        for number, row in enumerate(rows):
            if number and _keeps_inward(row, rows[number - 1], sheet.segments):
                break
            outer = abs(row.base - rows[0].base) < 1.6 * max(row.size, rows[0].size)
            hits = [cell for cell in row.cells if self._is_running(cell, mark, neighbours, outer=outer)]
            if sheet.width > sheet.height:
                hits = [cell for cell in hits if cell.size <= self.largest or _folio(cell.text)]
            if len(row.cells) > 3:  # the numbers of a table return by chance
                hits = [cell for cell in hits if any(map(str.isalpha, cell.text))]
            if not mark and CAPTION.match(row.text):  # of tables that begin at the top of every page
                hits = [cell for cell in hits if self.words.get(_worded(cell) + mark, 0) >= self.most]
            alone = number == 0 and len(row.cells) == 1
            lone = alone and (_is_lone_folio(row.cells[0], sheet) or _is_marking(row.cells[0], across, sheet))
            lone = lone or (number == 0 and not neighbours and self._names_page(row, sheet))
            if (len(hits) * 2 < len(row.cells) or not hits) and not lone:
                break
            texts.append(row.text)
            gone.extend(row.cells)
        return texts, gone

    def _names_page(self, row: Row, sheet: Sheet) -> bool:
        """Whether `row`, at the edge of a sheet without neighbours, is a page number beside a few words."""
        cells = row.cells
        if not 1 < len(cells) < 4 or max(len(cell.text) for cell in cells) > 60 or row.size > self.largest:
            return False
        folios = [cell for cell in cells if _is_lone_folio(cell, sheet)]
        stands_off = all(abs(s.base - row.base) > 2 * row.size for s in sheet.segments if s not in cells)
        return len(folios) == 1 and folios[0] in (cells[0], cells[-1]) and stands_off

    def _is_running(self, cell: Segment, mark: str, neighbours: list[Margins], *, outer: bool) -> bool:
        if len(cell.text) > 150:
            return False
        if not outer:
            if cell.size > self.largest:  # a title below the running line, over two pages of one section
                return False
            return _returns(_foliated(cell.text) + mark, cell, neighbours)
        if _returns(_levelled(cell.text) + mark, cell, neighbours):
            return True
        if self.words.get(_worded(cell) + mark, 0) >= self.most and cell.size < 20:
            return True
        base = round(cell.base / 3)
        return any(self.slots.get((base + step, cell.font), 0) >= self.enough for step in (-1, 0, 1)) and cell.size < 20


def _keeps_inward(row: Row, outward: Row, segments: list[Segment]) -> bool:
    """Whether `row` stands clearly closer to the text of the page than to the running line at its outer side."""
    step = row.base - outward.base
    if abs(step) < 1.5 * max(row.size, outward.size):
        return False
    inward = (s.base - row.base for s in segments)
    if step > 0:
        least = min((gap for gap in inward if gap > 0.5 * row.size), default=1e9)
    else:
        least = min((-gap for gap in inward if gap < -0.5 * row.size), default=1e9)
    return least < 0.7 * abs(step)


def _returns(name: str, cell: Segment, others: list[Margins]) -> bool:
    return any(abs(margins.keys.get(name, -99.0) - cell.base) < 4.0 for margins in others)


def _is_marking(cell: Segment, across: set[str], sheet: Sheet) -> bool:
    """A classification, or words that stand at both edges of the only sheet."""
    if len(cell.text) > 60 or (sheet.height * 0.07 < cell.y1 and cell.y0 < sheet.height * 0.93):
        return False
    return _MARKING.match(cell.text) is not None or (cell.text in across and any(map(str.isalpha, cell.text)))


def _within(segment: Segment, box: tuple[float, float, float, float]) -> bool:
    return box[0] <= segment.x0 and box[1] <= segment.y0 and box[2] >= segment.x1 and box[3] >= segment.y1


def _folio(text: str) -> str:
    found = _FOLIO.match(text.strip())
    return found.group(1) if found else ""


def _is_lone_folio(cell: Segment, sheet: Sheet) -> bool:
    """A number alone at the very edge of the sheet, even when there is no neighbour to compare with."""
    edge = cell.y1 < sheet.height * 0.09 or cell.y0 > sheet.height * 0.91
    return edge and len(cell.text) < 18 and _folio(cell.text) != ""
