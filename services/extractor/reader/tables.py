"""Unruled tables: consecutive rows whose cells line up in columns."""

from __future__ import annotations

import re
from itertools import pairwise

from services.extractor.reader.grids import Table
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Segment
from services.extractor.reader.text import join, shorten_leaders

Item = Row | Table
_LEADERS = re.compile(r"(?:\. ?){4,}|…{2,}|_{4,}")


def find_tables(rows: list[Row]) -> list[Item]:
    """`rows` with the runs that form a table replaced by it."""
    if sum(len(row.cells) > 1 for row in rows) < 2:
        return [row if row.table is None else row.table for row in rows]
    out: list[Item] = []
    index = 0
    while index < len(rows):
        row = rows[index]
        if row.table is not None:
            out.append(row.table)
            index += 1
            continue
        end = _run(rows, index) if len(row.cells) > 1 else index
        table = _build(rows[index:end]) if end - index >= 2 else None
        if table is None:
            out.append(row)
            index += 1
        else:
            out.append(table)
            index = end
    return out


def _run(rows: list[Row], start: int) -> int:
    """The end of the run of table-like rows from `start`; single cells may stand between them."""
    end = last_many = start
    while end < len(rows):
        row = rows[end]
        if row.table is not None or (
            end > start and row.y0 - rows[end - 1].y1 > 2.2 * max(row.size, rows[end - 1].size)
        ):
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


def _build(rows: list[Row]) -> Table | None:
    many = [row for row in rows if len(row.cells) > 1]
    starts = _column_starts(many)
    columns = len(starts)
    if columns < 2 or len(many) < (3 if columns == 2 else 2) or len(many) < 0.4 * len(rows):
        return None
    if any(cell.mono * 2 > len(cell.text) for row in many[:3] for cell in row.cells):
        return None
    if not _is_spaced(many) or sum(len(row.cells) >= min(columns, 3) for row in many) < 2:
        return None
    placed = [_place(row.cells, starts) for row in rows]
    lengths = [len(cell) for row in placed for cell in row if cell]
    if sum(lengths) / max(1, len(lengths)) > 60 or (columns == 2 and not _is_pair_list(placed)):
        return None
    if columns == 2 and (_is_contents(many) or not _is_aligned(many)):
        return None
    if columns <= 3 and _flows(placed):
        return None
    x0, x1 = min(row.x0 for row in rows), max(row.x1 for row in rows)
    merged = _merge_lines(rows, placed)
    if len(merged) < 2:
        return None
    return Table((x0, min(row.y0 for row in rows), x1, max(row.y1 for row in rows)), merged)


def _is_spaced(rows: list[Row]) -> bool:
    """Wide gaps part cells; narrow ones are words of a spaced out line, lone signs parts of a formula."""
    gaps = sorted((b.x0 - a.x1) / row.size for row in rows for a, b in pairwise(row.cells))
    signs = sum(not any(map(str.isalnum, cell.text)) for row in rows for cell in row.cells)
    total = sum(len(row.cells) for row in rows)
    return gaps[len(gaps) // 2] > 0.9 and not (len(rows) < 5 and signs > 0.3 * total)


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


def _column_starts(rows: list[Row]) -> list[float]:
    """Left edges of the columns: between them, almost no row has text."""
    events: list[tuple[float, int]] = []
    for row in rows:
        for cell in row.cells:
            events.append((cell.x0, 1))
            events.append((cell.x1, -1))
    events.sort()
    allowed = int(0.1 * len(rows))
    starts: list[float] = []
    depth, inside, left = 0, False, -1e9
    for x, step in events:
        depth += step
        if not inside and depth > allowed:
            if not starts or x - left > 1.0:
                starts.append(x)
            inside = True
        elif inside and depth <= allowed:
            inside, left = False, x
    return starts


def _place(cells: list[Segment], starts: list[float]) -> list[str]:
    """The texts of a row in their columns; a wide cell goes where most of it begins."""
    out = [""] * len(starts)
    for cell in cells:
        anchor = cell.x0 + min(6.0, 0.5 * (cell.x1 - cell.x0)) if len(cells) > 1 else cell.x0 + 0.5
        column = max(0, sum(anchor >= start - 0.5 for start in starts) - 1)
        if out[column] and len(cells) <= len(starts):
            column = next((i for i in range(column, len(starts)) if not out[i]), column)
        out[column] = f"{out[column]} {shorten_leaders(cell.text)}".strip()
    return out


def _merge_lines(rows: list[Row], placed: list[list[str]]) -> list[list[str]]:
    """Join lines that continue the cells above them: tight below, and nothing in the first column."""
    out: list[list[str]] = []
    for index, (row, texts) in enumerate(zip(rows, placed, strict=True)):
        tight = index > 0 and row.y0 - rows[index - 1].y1 < 0.25 * row.size
        if (
            (
                out
                and tight
                and not texts[0]
                and all(above or not text for above, text in zip(out[-1], texts, strict=True))
            )
            and sum(map(bool, texts)) < sum(map(bool, out[-1]))
            and out[-1][0]
        ):
            out[-1] = [join(above, text) for above, text in zip(out[-1], texts, strict=True)]
            continue
        out.append(texts)
    return out
