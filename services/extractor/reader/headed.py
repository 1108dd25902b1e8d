"""Tables whose only rule stands under their header: how far their columns go on tells where they end.

The last part of a table that goes on overleaf is of this kind, and so are tables set with a single line.
"""

from __future__ import annotations

from services.extractor.reader.grids import stand_in
from services.extractor.reader.lattice import apart
from services.extractor.reader.rows import Row, rows_of
from services.extractor.reader.sheet import Rule, Segment
from services.extractor.reader.tables import build

_MOST = 40  # rules looked at on one sheet
_CLOSE = 1.2  # of the type size: the most from the header to its rule
_APART = 2.5  # of the type size: the most between rows
_SAME = 2.5  # points: how well cells line up with their header
_LEAST = 3  # rows that line up
_EVEN = 0.6  # the share of lines as long as the longest from which on they are the lines of a text column


def take_headed(rules: list[Rule], segments: list[Segment]) -> list[Segment]:
    """`segments` with those of tables under a header and its rule replaced by one segment for each table."""
    for rule in rules[:_MOST]:
        header = _header(rule, segments)
        if header is None:
            continue
        rows = _rows_under(rule, header, segments)
        if sum(_lines_up(row, header) for row in rows) < _LEAST or _are_columns_of_text(rows):
            continue
        over = _rows_over(rule, header, segments)
        table = build([*over, header, *rows], [(rule.y0 + rule.y1) / 2], [rule], headed=True)
        if table is None:
            continue
        top = over[0].y0 if over else header.y0
        taken = {id(s) for s in segments if _is_within(s, rule, top - 1, rows[-1].y1 + 1)}
        used = [s for s in segments if id(s) in taken]
        segments = [*(s for s in segments if id(s) not in taken), stand_in(table, used)]
    return segments


def _is_within(segment: Segment, rule: Rule, top: float, bottom: float) -> bool:
    middle = (segment.y0 + segment.y1) / 2
    return top < middle < bottom and rule.x0 - 3 < (segment.x0 + segment.x1) / 2 < rule.x1 + 3


def _header(rule: Rule, segments: list[Segment]) -> Row | None:
    """The row of cells that stands on `rule`."""
    found = [s for s in segments if s.table is None and _is_within(s, rule, rule.y0 - 2.0 * s.size, rule.y0)]
    if not found or all(s.x1 - s.x0 > 0.9 * (rule.x1 - rule.x0) for s in found):
        return None
    row = rows_of(found)[-1]
    if rule.y0 - row.y1 > _CLOSE * row.size or row.x0 < rule.x0 - _SAME or row.x1 > rule.x1 + _SAME:
        return None
    cells = apart(row)
    return Row(cells) if len(cells) > 1 else None


def _rows_over(rule: Rule, header: Row, segments: list[Segment]) -> list[Row]:
    """Further lines of the header, close above the one that stands on `rule` and each over a cell of it."""
    out: list[Row] = []
    below = header
    for row in rows_of([s for s in segments if _is_within(s, rule, header.y0 - 4 * header.size, header.y0)])[::-1]:
        over = [any(c.x0 < cell.x1 and cell.x0 < c.x1 for c in header.cells) for cell in row.cells]
        near = below.y0 - row.y1 < 0.4 * row.size and abs(row.size - header.size) < 1.0
        if row.table is not None or not near or not all(over) or row.x1 - row.x0 > 0.9 * (rule.x1 - rule.x0):
            break
        out.append(Row(apart(row)))
        below = row
    return out[::-1]


def _rows_under(rule: Rule, header: Row, segments: list[Segment]) -> list[Row]:
    """The rows below `rule` that keep to the columns of `header`, without lone labels at their end."""
    below = [s for s in segments if s.y0 > rule.y1 - 2 and rule.x0 - 3 < (s.x0 + s.x1) / 2 < rule.x1 + 3]
    rows: list[Row] = []
    bottom = rule.y1
    for row in rows_of(below):
        if row.table is not None or row.y0 - bottom > _APART * row.size or abs(row.size - header.size) > 2.0:
            break
        made = Row(apart(row))
        if not _keeps_to(made, header):
            break
        rows.append(made)
        bottom = row.y1
    while rows and len(rows[-1].cells) < 2 and rows[-1].x0 < header.cells[1].x0 - _SAME:
        rows.pop()
    return rows


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
