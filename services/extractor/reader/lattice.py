"""The columns of a table: found as the gutters its full rows leave free, and the cells put into them."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache

from services.extractor.reader.bidi import compose
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Segment
from services.extractor.reader.text import drop_leaders, shorten_leaders

_VALUE = re.compile(
    r"^[^\w]{0,3}\d[\d.,:'’%‰*†‡()\[\]/–-]*[^\w]{0,3}$|^[—–\-―†‡#*.…]{1,5}$|^\(?[XNZDn][./]?[aA]?\.?\)?$"
)
_MARKER = re.compile(r"^(?:[^\w\s$€£¥%()\[\]–—-]|\(?\w{1,3}[.)]|\d{1,2}(?:\.\d{1,2})+\.?|[o*])$")
_NUMBER = re.compile(
    r"^[-–+(*]{0,3}[$€£]?(?:\d{1,3}(?:[,.]\d{3})+|\d+)(?:[.,]\d+)?[%)*†‡]{0,3}$|^\(?[\d.,]+–[\d.,]+\)?$|^\([\d.,]+-[\d.,]+\)$"
)
_THOUSANDS = re.compile(r"^\d{3}(?:[.,]\d+)?[^\w]{0,2}$")
_LEAD = re.compile(r"^[^\w]{0,2}\d{1,3}$")
_BLANK = 0.62  # of the type size: wider than the blanks between the words of a line
_NEAR = 0.5  # of the type size: how well the place of a word within a run is known
_SHARE = 0.6  # of the usual number of cells: rows with fewer are headers, labels or unfinished
Word = tuple[float, float, str]


class Lattice:
    """Columns as their left and right edges, from left to right."""

    def __init__(self, rows: list[list[Segment]]) -> None:
        counts = sorted(len(row) for row in rows if len(row) > 1)
        usual = counts[(3 * len(counts)) // 4] if counts else 1
        full = [row for row in rows if len(row) >= max(2, usual)]
        if len(full) < max(4, 0.3 * len(counts)):
            full = [row for row in rows if len(row) >= max(2, _SHARE * usual)]
        self.edges = _covered(full, int(0.1 * len(full)))
        self._add_outliers(rows)
        self.ends = [x1 for _, x1 in self.edges]
        self.figures = [self._holds_figures(full, index) for index in range(len(self.edges))]

    def _holds_figures(self, rows: list[list[Segment]], index: int) -> bool:
        """Whether most cells of a column are values."""
        x0, x1 = self.edges[index]
        texts = [cell.text for row in rows for cell in row if cell.x0 >= x0 - 1 and cell.x1 <= x1 + 1]
        return 2 * sum(map(is_value, texts)) > len(texts)

    def _add_outliers(self, rows: list[list[Segment]]) -> None:
        """Columns filled in few rows only: cells that touch none of those found so far."""
        strange = [
            [cell for cell in row if all(cell.x1 < x0 - 1 or cell.x0 > x1 + 1 for x0, x1 in self.edges)]
            for row in rows
            if len(row) > 1
        ]
        found = _covered([row for row in strange if row], 0)
        usual = [
            (x0, x1)
            for x0, x1 in found
            if sum(any(x0 <= c.x0 <= x1 for c in row) for row in strange) > min(1, len(rows) // 4)
        ]
        self.edges = sorted([*self.edges, *usual])

    def __len__(self) -> int:
        return len(self.edges)

    def under(self, cell: Segment) -> list[int]:
        """The columns that `cell` stands over."""
        left, right = cell.x0, cell.x1
        least = min(2.0, 0.3 * (right - left))
        out: list[int] = []
        for index in range(bisect_left(self.ends, left), len(self.edges)):
            x0, x1 = self.edges[index]
            if x0 >= right:
                break
            if (right if right < x1 else x1) - (left if left > x0 else x0) > least:
                out.append(index)
        return out

    def split(self, cells: list[Segment]) -> list[Segment]:
        """`cells` with those cut that hold the values of several columns."""
        out: list[Segment] = []
        for cell in cells:
            over = self.under(cell) if " " in cell.text and not cell.rtl else []
            out.extend(self._cut(cell) if len(over) > 1 else [cell])
        return out

    def _cut(self, cell: Segment) -> list[Segment]:
        groups: list[list[Word]] = []
        columns: list[int] = []
        for word in words_of(cell):
            column = self._nearest((word[0] + word[1]) / 2)
            if not columns or column != columns[-1]:
                groups.append([])
                columns.append(column)
            groups[-1].append(word)
        level = abs(cell.x0 - self.edges[columns[0]][0]) < 2 or abs(cell.x1 - self.edges[columns[-1]][1]) < 2
        for at in range(1, len(groups)):
            word = groups[at][0]
            known = bool(cell.parts) and word[0] - groups[at - 1][-1][1] > _BLANK * cell.size
            if self.figures[columns[at]]:
                fits = bool(_VALUE.match(word[2]))
            else:
                fits = level and abs(word[0] - self.edges[columns[at]][0]) < _NEAR * cell.size
            if not known and not fits:
                return [cell]
        return [piece(cell, group) for group in groups]

    def _nearest(self, x: float) -> int:
        return min(range(len(self.edges)), key=lambda i: max(self.edges[i][0] - x, x - self.edges[i][1], 0.0))

    def column(self, cell: Segment) -> int:
        """The column of `cell`: the one it covers most, the first of those when it spans several."""
        over = self.under(cell)
        if len(over) > 1:
            share = [min(cell.x1, self.edges[i][1]) - max(cell.x0, self.edges[i][0]) for i in over]
            if max(share) > 0.75 * (cell.x1 - cell.x0):
                return over[share.index(max(share))]
        return over[0] if over else self._nearest((cell.x0 + cell.x1) / 2)

    def place(self, cells: list[Segment]) -> list[str]:
        """The texts of one row in their columns; two that fall into one stand beside each other when there is room."""
        out = [""] * len(self.edges)
        for cell in cells:
            column = self.column(cell)
            text = shorten_leaders(drop_leaders(cell.text))
            if out[column]:
                if column and not out[column - 1]:
                    out[column - 1], out[column] = out[column], ""
                elif column + 1 < len(out) and not out[column + 1]:
                    column += 1
            out[column] = _beside(out[column], text, rtl=cell.rtl)
        return out


def _beside(left: str, right: str, *, rtl: bool) -> str:
    return f"{right} {left}".strip() if rtl else f"{left} {right}".strip()


def _covered(rows: list[list[Segment]], allowed: int) -> list[tuple[float, float]]:
    """The stretches of the width where more than `allowed` rows have text."""
    events = sorted(
        [(c.x0, 1) for row in rows for c in row] + [(max(c.x1, c.x0 + 0.1), -1) for row in rows for c in row]
    )
    out: list[tuple[float, float]] = []
    depth, left = 0, 0.0
    for x, step in events:
        before, depth = depth, depth + step
        if before <= allowed < depth:
            left = x
        elif depth <= allowed < before:
            if out and left - out[-1][1] <= 1.0:
                out[-1] = (out[-1][0], x)
            else:
                out.append((left, x))
    return out


def words_of(cell: Segment) -> list[Word]:
    """The words of a segment with their places, known from its parts or reckoned from its letters."""
    out: list[Word] = []
    for x0, x1, text in cell.parts or [(cell.x0, cell.x1, cell.text)]:
        weights = [2.0 if char.isalnum() else 1.0 for char in text]
        unit = (x1 - x0) / max(1.0, sum(weights))
        x, start, word = x0, x0, ""
        for char, weight in zip(text, weights, strict=True):
            if char == " ":
                if word:
                    out.append((start, x, word))
                word, start = "", x + unit * weight
            else:
                word += char
            x += unit * weight
        if word:
            glued = bool(out) and out[-1][1] > start - 0.5 and not text.startswith(" ") and start == x0
            out.append((start, x, word)) if not glued else out.append((out[-1][0], x, out.pop()[2] + word))
    return out


def piece(cell: Segment, words: list[Word]) -> Segment:
    """A part of `cell` as a segment of its own."""
    made = Segment(
        words[0][0], cell.y0, words[-1][1], cell.y1, cell.base, cell.size, " ".join(word[2] for word in words),
        cell.font, cell.order,
    )  # fmt: skip
    share = len(made.text) / max(1, len(cell.text))
    made.bold, made.italic, made.mono = (round(n * share) for n in (cell.bold, cell.italic, cell.mono))
    return made


def apart(row: Row) -> list[Segment]:
    """The cells of a row, cut at blanks wider than between words and between numbers that stand side by side."""
    out: list[Segment] = []
    for cell in [part for whole in row.cells for part in _at_blanks(whole)]:
        text = cell.text
        if " " not in text or text[0].isalpha() or not text.replace(" ", "")[-1].isascii() or not _is_values(text):
            out.append(cell)
            continue
        groups: list[list[Word]] = []
        for word in words_of(cell):
            goes_on = groups and _THOUSANDS.match(word[2]) and _LEAD.match(groups[-1][0][2])
            if goes_on and all(_THOUSANDS.match(w[2]) for w in groups[-1][1:]):
                groups[-1].append(word)
            else:
                groups.append([word])
        out.extend(piece(cell, group) for group in groups) if len(groups) > 1 else out.append(cell)
    return out


def _at_blanks(cell: Segment) -> list[Segment]:
    if cell.parts is None or cell.rtl:
        return [cell]
    groups: list[list[tuple[float, float, str]]] = []
    for part in sorted(cell.parts):
        after_marker = len(groups) == 1 and len(groups[0]) == 1 and is_marker(groups[0][0][2].strip())
        if groups and (part[0] - groups[-1][-1][1] < _BLANK * cell.size or after_marker):
            groups[-1].append(part)
        else:
            groups.append([part])
    if len(groups) < 2:
        return [cell]
    return [_of_parts(cell, group) for group in groups]


def is_marker(text: str) -> bool:
    """Whether `text` is a bullet or the number of an item or a section."""
    return _MARKER.match(text) is not None


def _of_parts(cell: Segment, parts: list[tuple[float, float, str]]) -> Segment:
    made = piece(cell, [(parts[0][0], parts[-1][1], compose(parts, cell.size))])
    made.parts = parts if len(parts) > 1 else None
    return made


def _is_values(text: str) -> bool:
    words = text.split()
    return len(words) > 1 and all(map(_NUMBER.match, words))


@lru_cache(2048)
def is_value(text: str) -> bool:
    """Whether `text` is a number, a percentage, a sum of money or a sign that stands for none."""
    words = text.split()
    return 0 < len(words) < 5 and sum(_VALUE.match(word) is not None or word in "$€£¥%" for word in words) == len(words)
