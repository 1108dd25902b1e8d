"""Unruled tables: consecutive rows whose cells line up in columns."""

from __future__ import annotations

import re
from itertools import pairwise

from services.extractor.reader.grids import Table
from services.extractor.reader.lattice import Lattice, apart, is_value
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Rule, Segment
from services.extractor.reader.stacking import Line, stack_body, stack_header

Item = Row | Table
_NUMBERING = re.compile(r"^(?:\(?\w{1,3}[.)]|\d+(?:\.\d+)+\.?)$")
_HEADER = 10
_PROSE = 60  # letters: the length of a line of text rather than of a cell
_GAP = 0.7  # of the type size: the usual blank between cells
_LEADERS = re.compile(r"(?:\. ?){4,}|…{2,}|_{4,}")


def find_tables(rows: list[Row]) -> list[Item]:
    """`rows` with the runs that form a table replaced by it."""
    fine = _fine(rows)
    if sum(len(row.cells) > 1 for row in fine) < 2:
        return [row if row.table is None else row.table for row in rows]
    out: list[Item] = []
    index = 0
    while index < len(rows):
        row = rows[index]
        if row.table is not None:
            out.append(row.table)
            index += 1
            continue
        end = _run(fine, index) if len(fine[index].cells) > 1 else index
        table = None
        if end - index >= 2:
            spanning = _headings(fine, index)
            table = build(fine[index:end])
            if table is not None and spanning and _has_figures(table.rows):
                whole = build(fine[index - spanning : end])
                if whole is not None:
                    table = whole
                    del out[-spanning:]
        if table is None:
            out.append(row)
            index += 1
        else:
            out.append(table)
            index = end
    return out


def _fine(rows: list[Row]) -> list[Row]:
    """`rows` with their cells taken apart where wide blanks or numbers line up with those of a row beside."""
    found = [apart(row) if row.table is None else row.cells for row in rows]
    out: list[Row] = []
    for index, row in enumerate(rows):
        cells = found[index]
        beside = [found[i] for i in (index - 1, index + 1) if 0 <= i < len(rows)]
        if len(cells) > len(row.cells) and (len(row.cells) > 1 or any(_line_up(cells, other) for other in beside)):
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
    return end


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


def build(rows: list[Row], lines: list[float] | None = None, rules: list[Rule] | None = None) -> Table | None:
    """The table that `rows` make, or None; `lines` are the heights of rules drawn over its whole width."""
    cells = [row.cells for row in rows]
    many = [row for row in rows if len(row.cells) > 1]
    lattice = Lattice(cells)
    columns = len(lattice)
    if columns < 2 or len(many) < (3 if columns == 2 and not lines else 2) or len(many) < 0.4 * len(rows):
        return None
    if any(cell.mono * 2 > len(cell.text) for row in many[:3] for cell in row.cells):
        return None
    if sum(len(parts) >= min(columns, 3) for parts in cells) < 2:
        return None
    table = [_line(row, lattice.split(parts), lattice, lines or []) for row, parts in zip(rows, cells, strict=True)]
    placed = [line.texts for line in table]
    if not (_is_text_table(many, table, lattice) if lines else _is_table(many, placed)):
        return None
    if not lines and not _has_figures(placed) and not _stand_in_columns(table, lattice):
        return None
    header = _header_end(table, lattice, banded=bool(lines))
    pitch = _pitch(table[header:])
    merged = stack_header(table[:header], lattice, rules or [], pitch) if header else []
    merged += stack_body(table[header:], lattice, ruled=bool(lines and len(lines) > 3))
    if len(merged) < 2:
        return None
    x0, x1 = min(row.x0 for row in rows), max(row.x1 for row in rows)
    return Table((x0, min(row.y0 for row in rows), x1, max(row.y1 for row in rows)), merged)


def _is_table(many: list[Row], placed: list[list[str]]) -> bool:
    """Whether rows without rules are a table rather than text in columns."""
    columns = len(placed[0])
    lengths = [len(cell) for row in placed for cell in row if cell]
    if not _is_spaced(many) or sum(lengths) / max(1, len(lengths)) > 60:
        return False
    if columns == 2 and (not _is_pair_list(placed) or _is_contents(many) or not _is_aligned(many)):
        return False
    if columns == 2 and not _has_figures(placed) and (len(many) < 4 or _is_glossary(placed)):
        return False
    if columns == 2 and sum(_NUMBERING.match(row[0]) is not None for row in placed) > 0.6 * len(placed):
        return False
    return columns > 3 or not _flows(placed)


def _is_glossary(placed: list[list[str]]) -> bool:
    """Whether lines of text stand behind labels, as in a list of references or of terms."""
    texts = [row[1] for row in placed if row[1]]
    return sum(map(len, texts)) > 45 * len(texts)


def _is_text_table(many: list[Row], table: list[Line], lattice: Lattice) -> bool:
    """Whether rows between rules are a table rather than text in columns."""
    if _is_contents(many):
        return False
    letters = [len(cell.text) for line in table for cell in line.cells]
    if sum(n for n in letters if n > _PROSE) > 0.5 * sum(letters) and table[-1].band < 4:
        return False
    if _has_figures([line.texts for line in table]):
        return True
    return _is_spaced(many) and not _runs_down(many) and _stand_in_columns(table, lattice)


def _has_figures(placed: list[list[str]]) -> bool:
    """Whether a fair part of the cells behind the first column are values."""
    cells = [text for texts in placed for text in texts[1:] if text]
    return sum(map(is_value, cells)) > 0.3 * len(cells)


def _stand_in_columns(table: list[Line], lattice: Lattice) -> bool:
    """Whether the cells of each column share an edge or their middle; words of spaced out lines do not."""
    aligned = total = 0
    for column in range(len(lattice)):
        cells = [cell for line in table for cell in line.cells if lattice.column(cell) == column][:40]
        total += len(cells)
        edges = ([c.x0 for c in cells], [c.x1 for c in cells], [(c.x0 + c.x1) / 2 for c in cells])
        aligned += max(max(sum(abs(a - b) < 2.0 for b in edge) for a in edge) for edge in edges) if cells else 0
    return aligned >= 0.7 * total


def _runs_down(rows: list[Row]) -> bool:
    """Whether the content stream writes column by column: text columns, not the cells of rows."""
    pairs = [(above.cells, row.cells) for above, row in pairwise(rows)]
    return sum(row[0].order < above[-1].order for above, row in pairs) > 0.6 * len(pairs)


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


def _is_spaced(rows: list[Row]) -> bool:
    """Wide gaps part cells; narrow ones are words of a spaced out line, lone signs parts of a formula."""
    gaps = sorted((b.x0 - a.x1) / row.size for row in rows for a, b in pairwise(row.cells))
    signs = sum(not any(map(str.isalnum, cell.text)) for row in rows for cell in row.cells)
    total = sum(len(row.cells) for row in rows)
    return gaps[len(gaps) // 2] > _GAP and not (len(rows) < 5 and signs > 0.3 * total)


def _is_contents(rows: list[Row]) -> bool:
    """A table of contents: dot leaders between titles and page numbers."""
    return sum(any(_LEADERS.search(cell.text) for cell in row.cells) for row in rows) > 0.4 * len(rows)


def _is_aligned(rows: list[Row]) -> bool:
    """Whether the last cells share an edge or their middle; in spaced out prose they do not."""
    cells = [row.cells[-1] for row in rows]
    for edges in ([c.x0 for c in cells], [c.x1 for c in cells], [(c.x0 + c.x1) / 2 for c in cells]):
        common = max(sum(abs(edge - other) < 3.0 for other in edges) for edge in edges[:12])
        if common >= 0.5 * len(cells):
            return True
    return False


def _flows(placed: list[list[str]]) -> bool:
    """Whether long cells go on from row to row while the cells beside them do too: text in columns."""
    beside = went_on = 0
    for above, row in pairwise(placed):
        if sum(map(bool, row)) < 2 or sum(map(bool, above)) < 2:
            continue
        pairs = [(a, b) for a, b in zip(above, row, strict=True) if len(a) > 30 and b]
        beside += 1
        went_on += any(a[-1] not in ".:;!?" and b[0].islower() for a, b in pairs)
    return beside > 0 and went_on > 0.5 * beside


def _is_pair_list(placed: list[list[str]]) -> bool:
    both = sum(bool(row[0] and row[1]) for row in placed)
    return both >= 0.6 * len(placed)
