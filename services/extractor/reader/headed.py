"""The rows of a table told by its header: how far they keep to its columns is how far the table goes.

For tables without rules around them: set with a single line under the header, or with nothing but a caption or bold
type above, and the parts of tables that go on overleaf.
"""

from __future__ import annotations

import re

from services.extractor.reader.lattice import apart
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Segment

_CAPTION = re.compile(r"^(?:tab(?:le(?:au)?|elle|ella|la)?|tab\.|表|표)\s*[\dA-Z(][\w.\-]*", re.I)
_APART = 2.5  # of the type size: the most between rows
_WITHIN = 0.5  # of the type size: the most between the lines of a cell
_SAME = 2.5  # points: how well cells line up with their header
_LEAST = 3  # rows that line up
_EVEN = 0.6  # the share of lines as long as the longest from which on they are the lines of a text column
_BRIEF = 45  # letters of a cell in a header


def rows_under(header: Row, rows: list[Row], bottom: float) -> list[Row]:
    """Those of `rows`, from `bottom` on, that keep to the columns of `header`; none when they make no table."""
    out: list[Row] = []
    for row in rows:
        if row.table is not None or row.y0 - bottom > _APART * row.size or abs(row.size - header.size) > 2.0:
            break
        made = Row(apart(row))
        if not _keeps_to(made, header):
            break
        out.append(made)
        bottom = row.y1
    while out and len(out[-1].cells) < 2 and out[-1].x0 < header.cells[1].x0 - _SAME:
        out.pop()  # a line that follows the table
    if sum(_lines_up(row, header) for row in out) < _LEAST or _are_columns_of_text(out):
        return []
    return out


def is_header(rows: list[Row], index: int) -> bool:
    """Whether the row at `index` of a region heads a table: below a caption, or in bold over other type."""
    row = rows[index]
    if row.table is not None or len(row.cells) < 2 or max(len(cell.text) for cell in row.cells) > _BRIEF:
        return False
    above = rows[index - 1] if index else None
    if above is not None and len(above.cells) == 1 and above.table is None and _CAPTION.match(above.text):
        return True
    below = rows[index + 1] if index + 1 < len(rows) else None
    return all(map(_is_bold, row.cells)) and below is not None and not any(map(_is_bold, below.cells))


def lines_of_header(rows: list[Row], index: int) -> int:
    """How many rows from `index` on are lines of the header: closer to each other than to what follows."""
    end = index + 1
    while end + 1 < len(rows):
        gap, then = rows[end].y0 - rows[end - 1].y1, rows[end + 1].y0 - rows[end].y1
        if gap > _WITHIN * rows[end].size or then < gap + 2.0:
            break
        end += 1
    return end - index


def _is_bold(cell: Segment) -> bool:
    return 2 * cell.bold > len(cell.text)


def _keeps_to(row: Row, header: Row) -> bool:
    """Whether no cell of `row` stands over the left edge of a column further right."""
    edges = [cell.x0 for cell in header.cells[1:]]
    return row.x0 > header.x0 - _SAME and not any(
        cell.x0 < edge - _SAME < edge + _SAME < cell.x1 for cell in row.cells for edge in edges
    )


def _lines_up(row: Row, header: Row) -> bool:
    """Whether `row` has cells of several columns and each begins where one of `header` does."""
    starts = [cell.x0 for cell in header.cells]
    return len(row.cells) > 1 and all(any(abs(cell.x0 - x) < _SAME for x in starts) for cell in row.cells)


def _are_columns_of_text(rows: list[Row]) -> bool:
    """Whether the first cells are as long as each other: lines of a text column beside another."""
    ends = [row.cells[0].x1 for row in rows if len(row.cells) > 1]
    longest = max(ends)
    return sum(longest - end < 3.0 for end in ends) > _EVEN * len(ends)
