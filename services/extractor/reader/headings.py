"""Which rows are headings, by the outline, their type, their numbering and the space around them."""

from __future__ import annotations

import itertools
import re

from services.extractor.reader.forms import FIELD
from services.extractor.reader.labels import is_address, is_dateline, is_label
from services.extractor.reader.piece import BULLET, CAPTION, TICK, Piece, solid
from services.extractor.reader.rows import Row
from services.extractor.reader.styles import Styles, is_numbered, plain, without_number

_ITEM = re.compile(r"^(?:\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)]|[•●○◦▪■–-])\s")
_LONG = 33.0  # ems: the length of a line of text in any script
_FULL = 25.0  # ems: the same where the line is as long as its column is wide
_APART = 3.0  # ems
_OPEN = 2.2  # ems: the most from line to line of text that is set open
_ENDS = frozenset(".!?:;。！？：؟…\"'”’)»]|")


class Headings:
    """The decision for the rows of one region."""

    def __init__(self, rows: list[Row], styles: Styles, page: int) -> None:
        self.styles, self.page = styles, page
        self.left = min((row.x0 for row in rows), default=0.0)
        self.right = max((row.x1 for row in rows), default=0.0)
        self.pitches, self.sure = _pitches(rows)

    def pitch(self, row: Row) -> float:
        """The distance from line to line that is usual for the type of `row`."""
        return max(self.pitches.get(round(row.size), 1.2 * row.size), 1.05 * row.size)

    def leading(self, row: Row) -> float:
        """The distance from line to line within a paragraph that `row` would have."""
        found = self.sure.get(round(row.size)) or self.sure.get(0, 1.2) * row.size
        return max(found, 1.05 * row.size)

    def level(self, row: Row, before: Row | None, after: Row | None, text: str, last: Piece | None) -> int:
        """The level of `row` as a heading, or 0."""
        styles = self.styles
        if len(text) > 200 or len(row.cells) > 2 or not any(map(str.isalpha, text)):
            return 0
        if len(row.cells) > 1 and row.cells[-1].text.isdigit():
            return 0  # an entry of a table of contents
        level = styles.outline_level(self.page, text) or self._part_of_title(row, text, last)
        if level:
            return min(level, 6)
        large = styles.is_large(row)
        if not large and (
            row.size < 0.93 * styles.body or text[0].islower() or len(text) > 120 or not self._is_set_apart(row, text)
        ):
            return 0
        if (
            text[0] in "#$%>@\\"
            or CAPTION.match(text)
            or BULLET.match(text)
            or TICK.match(text)
            or row.cells[-1].font == FIELD
            or text.count(" ... ")
            or text[-1] in ",;。，；"
            or is_address(text)
            or (row.size < 1.25 * styles.body and is_label(text))
            or (len(text) == 1 and text.isascii())
            or (text[0] in "(（" and text[-1] in ")）" and not is_numbered(text) and not _follows(row, before, last))
            or (len(row.cells) == 2 and row.size < 1.4 * styles.body and _is_parted(row, text))
            or (self.page == 1 and is_dateline(text))
        ):
            return 0
        bold = is_bold(row) and not _runs_in(row, after)
        if bold and len(text) > 60 and self._runs_down(row, after):
            return 0
        if large:
            if not bold and (self._among_alike(row, before, after, last) or _labels(row, after, last)):
                return 0
            return styles.level(row.size, bold, text)
        return self._small(row, before, after, text, last, bold)

    def _is_set_apart(self, row: Row, text: str) -> bool:
        """Whether anything but space could tell `row` from the lines of a paragraph: a quick look first."""
        return (
            any([cell.bold or cell.italic for cell in row.cells])
            or text.isupper()
            or (row.cells[0].font != self.styles.font and is_numbered(text))
        )

    def _part_of_title(self, row: Row, text: str, last: Piece | None) -> int:
        """The level of a title of the outline that takes several lines."""
        if last is not None and last.kind == "heading" and self.styles.opens_title(self.page, f"{last.text} {text}"):
            return last.level
        if row.size > self.styles.body or row.cells[0].bold or row.cells[0].font != self.styles.font:
            return self.styles.opens_title(self.page, text)
        return 0

    def _among_alike(self, row: Row, before: Row | None, after: Row | None, last: Piece | None) -> bool:
        """Whether `row` stands in a paragraph of its own size."""
        if before is not None and last is not None and last.kind != "heading" and abs(before.size - row.size) < 0.3:
            return row.base - before.base < (_OPEN if self._is_full(before) else 1.5) * row.size
        if after is None or abs(after.size - row.size) > 0.3:
            return False
        step = after.base - row.base
        if self._is_full(row):
            return step < _OPEN * row.size
        if row.size >= 1.25 * self.styles.body:
            return False
        return step < 1.5 * row.size and (len(row.text) > 70 or (len(row.text) > 40 and _begins_sentence(row, after)))

    def _is_full(self, row: Row) -> bool:
        """Whether `row` is as long as lines of running text are."""
        wide = row.x1 - row.x0
        return wide > _LONG * row.size or (wide > 0.9 * (self.right - self.left) and wide > _FULL * row.size)

    def _small(self, row: Row, before: Row | None, after: Row | None, text: str, last: Piece | None, bold: bool) -> int:
        """A heading in body size: set apart by weight, by numbering in another font, or in capitals."""
        styles = self.styles
        spaced = (
            before is None
            or last is None
            or last.kind == "heading"
            or row.base - before.base > 1.25 * self.leading(row)
        )
        if self._is_term(row, after, text) or text[-1] in "-\u2010\u00ad":
            return 0
        runs_on = not spaced and before is not None and last is not None and self._goes_on(before, last)
        if runs_on and not is_numbered(text):
            return 0
        italic = sum([cell.italic for cell in row.cells]) >= 0.85 * solid(text)
        if italic and not bold and any(cell.bold for cell in row.cells):
            return 0  # a title that runs into its text
        other_font = row.cells[0].font != styles.font
        fits = row.x1 < self.right - 0.1 * (self.right - self.left) or after is None or row.x0 > self.left + row.size
        if text[-1] == "." and len(text) > 60:
            return 0
        alike = after is not None and after.cells[0].font == row.cells[0].font and abs(after.size - row.size) < 0.3
        if bold and not styles.bold_body and (spaced or not alike):
            return styles.level(row.size, True, text)
        if is_numbered(text) and (italic or other_font) and spaced and not alike:
            return styles.level(row.size - 0.5, False, text)
        capitals = text.isupper() and _are_capitals(text)
        if italic and after is not None and last is not None and last.text[-1:] in ".!?:":
            spaced = spaced or after.base - row.base > 1.1 * self.leading(row)
        if text[-1] in ".:" or len(text) > 70 or not spaced or not fits:
            return 0
        if capitals and not (after is not None and after.text.isupper()):
            return styles.level(row.size - 0.2, False, text)
        if (
            italic
            and after is not None
            and not alike
            and text[0].isupper()
            and row.x1 - row.x0 < 0.75 * (self.right - self.left)
        ):
            return styles.level(row.size - 0.4, False, text)
        return 0

    def _runs_down(self, row: Row, after: Row | None) -> bool:
        """Whether `row` and the line below it, set alike, are two full lines of one paragraph."""
        return (
            after is not None
            and abs(after.size - row.size) < 0.3
            and after.text[0].islower()
            and after.base - row.base < _OPEN * row.size
            and min(row.x1, after.x1) > self.right - 0.1 * (self.right - self.left)
        )

    def _is_term(self, row: Row, after: Row | None, text: str) -> bool:
        """Whether `row` is a term whose meaning follows, set further in, where other text begins too."""
        if row.cells[0].note:
            return not is_numbered(text) and self.styles.begins_lines(row.x0)
        return (
            after is not None
            and not row.cells[0].rtl
            and row.size < after.x0 - row.x0 < 12 * row.size
            and after.base - row.base < 1.4 * self.leading(row)
            and not is_numbered(text)
            and not _ITEM.match(after.text)
            and self.styles.begins_lines(row.x0)
        )

    def _goes_on(self, before: Row, last: Piece) -> bool:
        """Whether the line above is full and ends within a sentence."""
        return before.x1 > self.right - 0.06 * (self.right - self.left) and last.text[-1] not in _ENDS


def is_bold(row: Row) -> bool:
    """Whether `row` is set in bold type, but for a sign or a number."""
    return sum([cell.bold for cell in row.cells]) >= 0.85 * solid(row.text)


def _follows(row: Row, before: Row | None, last: Piece | None) -> bool:
    """Whether `row` may be the next line of a heading."""
    return (
        last is not None and before is not None and last.kind == "heading" and row.base - before.base < 1.7 * row.size
    )


def _labels(row: Row, after: Row | None, last: Piece | None) -> bool:
    """Whether `row` stands between a caption and its table: "Unit: EUR m"."""
    return last is not None and last.kind == "caption" and (after is None or after.table is not None)


def _begins_sentence(row: Row, after: Row) -> bool:
    """Whether a sentence that began in `row` ends in the line below it."""
    return after.text[-1] == "." and after.text[0].islower() and row.text[-1] not in _ENDS


def _runs_in(row: Row, after: Row | None) -> bool:
    """Whether the text that `row` is the bold head of begins at its end: "CONTACT: Ian", and goes on below."""
    head, colon, rest = row.text.rpartition(": ")
    if not colon or after is None or is_bold(after):
        return False
    return len(head) < sum([cell.bold for cell in row.cells]) <= len(row.text) - len(rest) + 1 and len(rest) > 1


def _is_parted(row: Row, text: str) -> bool:
    """Whether the two cells of `row` stand far apart and the first is no number of the second: labels of a form."""
    wide = row.cells[1].x0 - row.cells[0].x1 > _APART * row.size
    return wide and without_number(text) == plain(text) and len(row.cells[0].text) > 3


def _pitches(rows: list[Row]) -> tuple[dict[int, float], dict[int, float]]:
    """The usual distance of lines, for each type size; and the same of the sizes that stand in many lines.

    At 0 the second holds the distance in ems of the commonest size: a few titles tell nothing of their own.
    """
    steps: dict[int, list[float]] = {}
    for above, row in itertools.pairwise(rows):
        step = row.base - above.base
        if abs(above.size - row.size) < 1 and 2 < step < 3 * row.size:
            steps.setdefault(round(row.size), []).append(step)
    pitches = {size: sorted(found)[len(found) // 3] for size, found in steps.items()}
    if not pitches:
        return {}, {}
    common = max(steps, key=lambda size: len(steps[size]))
    sure = {size: pitch for size, pitch in pitches.items() if len(steps[size]) > 3 or size == common}
    sure[0] = pitches[common] / max(1, common)
    return pitches, sure


def _are_capitals(text: str) -> bool:
    letters = [char for char in text if char.isalpha()]
    return len(letters) > 4 and all(char.isupper() for char in letters)
