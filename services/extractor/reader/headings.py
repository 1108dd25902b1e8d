"""Which rows are headings, by the outline, their type, their numbering and the space around them."""

from __future__ import annotations

import itertools

from services.extractor.reader.piece import BULLET, CAPTION, Piece, solid
from services.extractor.reader.rows import Row
from services.extractor.reader.styles import Styles, is_numbered


class Headings:
    """The decision for the rows of one region."""

    def __init__(self, rows: list[Row], styles: Styles, page: int) -> None:
        self.styles, self.page = styles, page
        self.left = min((row.x0 for row in rows), default=0.0)
        self.right = max((row.x1 for row in rows), default=0.0)
        self.pitches = _pitches(rows)

    def pitch(self, row: Row) -> float:
        """The distance from line to line that is usual for the type of `row`."""
        return max(self.pitches.get(round(row.size), 1.2 * row.size), 1.05 * row.size)

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
        if (
            text[0] in "#$%>@"
            or CAPTION.match(text)
            or BULLET.match(text)
            or text.count(" ... ")
            or text[-1] in ",;。，；"
        ):
            return 0
        bold = sum(cell.bold for cell in row.cells) >= 0.85 * solid(text)
        if styles.is_large(row):
            if not bold and self._among_alike(row, before, after, last):
                return 0
            return styles.level(row.size, bold, text)
        if row.size < 0.93 * styles.body or text[0].islower():
            return 0
        return self._small(row, before, after, text, last, bold)

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
            return row.base - before.base < 1.5 * row.size
        if row.size >= 1.25 * self.styles.body:
            return False
        alike = after is not None and abs(after.size - row.size) < 0.3 and after.base - row.base < 1.5 * row.size
        return alike and len(row.text) > 70

    def _small(self, row: Row, before: Row | None, after: Row | None, text: str, last: Piece | None, bold: bool) -> int:
        """A heading in body size: set apart by weight, by numbering in another font, or in capitals."""
        styles = self.styles
        spaced = (
            before is None or last is None or last.kind == "heading" or row.base - before.base > 1.25 * self.pitch(row)
        )
        italic = sum(cell.italic for cell in row.cells) >= 0.85 * solid(text)
        other_font = row.cells[0].font != styles.font
        fits = row.x1 < self.right - 0.1 * (self.right - self.left) or after is None or row.x0 > self.left + row.size
        if len(text) > 120 or (text.endswith(".") and len(text) > 60):
            return 0
        alike = after is not None and after.cells[0].font == row.cells[0].font and abs(after.size - row.size) < 0.3
        if bold and not styles.bold_body and (spaced or not alike):
            return styles.level(row.size, True, text)
        if is_numbered(text) and (italic or other_font) and spaced and not alike:
            return styles.level(row.size - 0.5, False, text)
        letters = [char for char in text if char.isalpha()]
        capitals = len(letters) > 4 and all(char.isupper() for char in letters) and text.isupper()
        if italic and after is not None and last is not None and last.text[-1:] in ".!?:":
            spaced = spaced or after.base - row.base > 1.1 * self.pitch(row)
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


def _pitches(rows: list[Row]) -> dict[int, float]:
    """The usual distance of lines, for each type size."""
    steps: dict[int, list[float]] = {}
    for above, row in itertools.pairwise(rows):
        step = row.base - above.base
        if abs(above.size - row.size) < 1 and 2 < step < 3 * row.size:
            steps.setdefault(round(row.size), []).append(step)
    return {size: sorted(found)[len(found) // 3] for size, found in steps.items()}
