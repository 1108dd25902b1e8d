"""Unruled tables: consecutive rows whose cells line up in columns."""

from __future__ import annotations

from itertools import pairwise

from services.extractor.reader.evidence import (
    has_figures,
    is_contents,
    is_dense,
    is_entry,
    is_framed_table,
    is_spaced,
    is_table,
    stand_in_columns,
)
from services.extractor.reader.grids import Table
from services.extractor.reader.headed import is_header, lines_of_header, rows_under
from services.extractor.reader.lattice import Lattice, apart, is_value
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Rule, Segment
from services.extractor.reader.stacking import Line, stack_body, stack_header

Item = Row | Table
_HEADER = 10
_TRIES = 6  # rows from which a table is sought in a run that makes none from its first


def find_tables(rows: list[Row]) -> list[Item]:
    """`rows` with the runs that form a table replaced by it."""
    fine = _fine(rows)
    if sum(len(row.cells) > 1 for row in fine) < 2:
        return [row if row.table is None else row.table for row in rows]
    out: list[Item] = []
    index = tried = failed = 0
    while index < len(rows):
        row = rows[index]
        if row.table is not None:
            out.append(row.table)
            index += 1
            continue
        if is_header(fine, index):
            end = _take_headed(fine, index, out)
            if end > index:
                index = end
                continue
        end = _run(fine, index) if len(fine[index].cells) > 1 else index
        if end - index > 2 and is_contents(rows[index:end]):
            out.extend(rows[index:end])
            index = end
            continue
        table = None
        tried = tried + 1 if end == failed else 0
        if end - index >= 2 and tried < _TRIES:
            spanning = _headings(fine, index)
            table = build(fine[index:end])
            if table is not None and spanning and has_figures(table.rows):
                whole = build(fine[index - spanning : end])
                if whole is not None:
                    table = whole
                    del out[-spanning:]
        if table is None:
            out.append(row)
            failed = end
            index += 1
        else:
            out.append(table)
            index = end
    return out


def _take_headed(rows: list[Row], index: int, out: list[Item]) -> int:
    """The end of the table that the row at `index` heads, appended to `out`; `index` when it heads none."""
    count = lines_of_header(rows, index)
    last = rows[index + count - 1]
    found = rows_under(rows[index], rows[index + count :], last.y1)
    if not found:
        return index
    headers = rows[index : index + count]
    table = build([*headers, *found], [(last.y1 + found[0].y0) / 2], headed=True)
    if table is None:
        return index
    out.append(table)
    return index + count + len(found)


def _fine(rows: list[Row]) -> list[Row]:
    """`rows` with their cells taken apart where wide blanks or numbers line up with those of a row beside."""
    found = [apart(row) if row.table is None else row.cells for row in rows]
    out: list[Row] = []
    for index, row in enumerate(rows):
        cells = found[index]
        beside = [found[i] for i in (index - 1, index + 1) if 0 <= i < len(rows)]
        if is_entry(row.text):
            out.append(row)
        elif len(cells) > len(row.cells) and (len(row.cells) > 1 or any(_line_up(cells, other) for other in beside)):
            out.append(Row(cells))
        else:
            out.append(row)
    return out


def _line_up(cells: list[Segment], others: list[Segment]) -> bool:
    """Whether all cells but the first of one row stand at an edge of those of another."""
    if len(others) < 2:
        return False
    fewer = min(len(cells), len(others)) - 1
    edges = sum(any(abs(a.x0 - b.x0) < 1.5 or abs(a.x1 - b.x1) < 1.5 for b in others[1:]) for a in cells[1:])
    return edges >= 0.6 * fewer


def _headings(rows: list[Row], start: int) -> int:
    """How many rows above a table are headings that span some of its columns, the first left out."""
    count = 0
    while count < min(3, start):
        row, below = rows[start - count - 1], rows[start - count]
        tight = row.table is None and 0 <= below.base - row.base < 2.0 * row.size
        above = rows[start - count - 2] if start > count + 1 else None
        if (
            above is not None
            and above.x0 < row.x0 - 2
            and row.base - above.base < 1.5 * row.size
            and len(above.cells) < 2
        ):
            break  # the last line of a caption
        if not tight or len(row.cells) != 1 or row.x0 < rows[start].cells[0].x1 or row.x1 > rows[start].x1 + 20:
            break
        if len(row.text) > 60 or row.text[0].islower():
            break
        count += 1
    return count


def _run(rows: list[Row], start: int) -> int:
    """The end of the run of table-like rows from `start`; single cells may stand between them."""
    end = last_many = start
    while end < len(rows):
        row = rows[end]
        if row.table is not None or (end > start and _is_far(rows, start, end)):
            break
        if len(row.cells) > 1:
            last_many = end
        elif end - last_many >= 3 or not _fits(row, rows[start : end + 4]):
            break
        end += 1
    end = last_many + 1
    while end < len(rows) and len(rows[end].cells) == 1 and _continues(rows[end], rows[end - 1]):
        end += 1
    if end < len(rows) and end - start > 2 and _ends_label(rows[end], rows[end - 1], rows[end - 2]):
        end += 1
    return end


def _ends_label(row: Row, last: Row, above: Row) -> bool:
    """The second line of the last label of a table, closer to it than rows are to each other."""
    closer = row.base - last.base < 0.75 * (last.base - above.base)
    return row.table is None and closer and len(row.cells) == 1 and len(last.cells) > 1 and row.x1 < last.cells[1].x0


def _is_far(rows: list[Row], start: int, end: int) -> bool:
    """Whether a row stands off from the one above, further than the rows of the run do from each other."""
    row, above = rows[end], rows[end - 1]
    size = max(row.size, above.size)
    if row.y0 - above.y1 <= 2.2 * size:
        return False
    if row.y0 - above.y1 > 4 * size or len(row.cells) < 2 or not _line_up(row.cells, above.cells):
        return True
    return end - start > 1 and row.base - above.base > 1.3 * (above.base - rows[end - 2].base)


def _fits(row: Row, around: list[Row]) -> bool:
    """A row of one cell belongs to a table when it keeps to a column or is a short label."""
    cell = row.cells[0]
    wide = max((other.x1 for other in around), default=0) - min((other.x0 for other in around), default=0)
    return cell.x1 - cell.x0 < 0.5 * wide or (len(cell.text) < 60 and cell.bold > 0)


def _continues(row: Row, before: Row) -> bool:
    """The second line of a cell that is not in the first column."""
    cell = row.cells[0]
    columns = before.cells
    return (
        len(columns) > 1
        and row.y0 - before.y1 < 0.3 * row.size
        and any(
            cell.x0 > columns[0].x1 and other.x0 - 2 <= cell.x1 and cell.x0 <= other.x1 + 2 for other in columns[1:]
        )
    )


def build(
    rows: list[Row], lines: list[float] | None = None, rules: list[Rule] | None = None, *, headed: bool = False
) -> Table | None:
    """The table that `rows` make, or None; `lines` are the heights of rules drawn over its whole width.

    `headed` says that the cells of its header are sure and that those below keep to them.
    """
    cells = [row.cells for row in rows]
    many = [row for row in rows if len(row.cells) > 1]
    if len(many) < 2 or not (lines or is_spaced(many)):
        return None
    if len(many) < 0.4 * (len(rows) - (_wrapped(rows, many) if headed else 0)):
        return None
    if any(cell.mono * 2 > len(cell.text) for row in many[:3] for cell in row.cells):
        return None
    lattice = Lattice(cells)
    columns = len(lattice)
    if columns < 2 or (len(many) < 3 and columns == 2 and not lines):
        return None
    if sum(len(parts) >= min(columns, 3) for parts in cells) < 2:
        return None
    table = [_line(row, lattice.split(parts), lattice, lines or []) for row, parts in zip(rows, cells, strict=True)]
    placed = [line.texts for line in table]
    if not (is_framed_table(many, table, lattice) if lines else is_table(many, placed)):
        return None
    if not lines and not has_figures(placed) and not stand_in_columns(table, lattice):
        return None
    header = _header_end(table, lattice, banded=bool(lines))
    pitch = _pitch(table[header:])
    merged = stack_header(table[:header], lattice, rules or [], pitch) if header else []
    merged += stack_body(table[header:], lattice, ruled=bool(lines and len(lines) > 3))
    if len(merged) < 2 or not is_dense(merged[header > 0 :]):
        return None
    x0, x1 = min(row.x0 for row in rows), max(row.x1 for row in rows)
    return Table((x0, min(row.y0 for row in rows), x1, max(row.y1 for row in rows)), merged)


def _wrapped(rows: list[Row], many: list[Row]) -> int:
    """How many rows are nothing but further lines of a cell behind the first column."""
    second = min(row.cells[1].x0 for row in many)
    return sum(len(row.cells) == 1 and row.x0 > second - 2.0 for row in rows)


def _line(row: Row, cells: list[Segment], lattice: Lattice, lines: list[float]) -> Line:
    return Line(cells, row.base, row.size, sum(y < row.base - 0.3 * row.size for y in lines), lattice.place(cells))


def _header_end(table: list[Line], lattice: Lattice, *, banded: bool) -> int:
    """How many lines the header has: those before the first rule under them, or before the first row of values."""
    first = next((i for i, line in enumerate(table) if _has_values(line, lattice)), 0)
    end = sum(line.band < table[first].band for line in table) if banded else 0
    if end == 0 and banded and first == 0:
        end = sum(line.band == table[0].band for line in table)
    if end == 0 or end == len(table):
        end = first
        while end > 1 and table[end - 1].filled == 1 and table[end - 1].texts[0] and table[end - 2].filled > 1:
            end -= 1  # the label of the first rows
    return end if end <= _HEADER else 0


def _has_values(line: Line, lattice: Lattice) -> bool:
    values = sum(map(is_value, line.texts[1:]))
    if not values or 2 * values < sum(map(bool, line.texts[1:])):
        return False
    return bool(line.texts[0]) or 2 * line.filled > len(lattice)


def _pitch(table: list[Line]) -> float:
    """The usual distance of rows."""
    steps = sorted(b.base - a.base for a, b in pairwise(table) if a.filled > 1 and b.filled > 1)
    return steps[len(steps) // 2] if steps else 1e9
