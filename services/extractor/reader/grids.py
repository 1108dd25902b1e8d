"""Ruled tables: grids found in the drawn lines of a page and filled with its text."""

from __future__ import annotations

from bisect import bisect_right

from services.extractor.reader.segments import Rule, Segment, Sheet
from services.extractor.reader.text import join

_THIN = 3.0
_TOUCH = 3.0
_MIN_LINE = 6.0


class Table:
    """A table as rows of cells, with its place on the page."""

    __slots__ = ("bbox", "rows")

    def __init__(self, bbox: tuple[float, float, float, float], rows: list[list[str]]) -> None:
        self.bbox, self.rows = bbox, rows


def take_grids(sheet: Sheet) -> list[Segment]:
    """The segments of the sheet with those inside ruled tables replaced by one segment for each table."""
    if len(sheet.rules) < 4:
        return sheet.segments
    left = sheet.segments
    for lines in _components(_lines(sheet)):
        left = _take(lines, left)
    return left


def _lines(sheet: Sheet) -> list[Rule]:
    """Thin lines of the page; the edges of boxes count as lines."""
    lines: list[Rule] = []
    limit_x, limit_y = sheet.width * 0.98, sheet.height * 0.9
    for rule in sheet.rules:
        width, height = rule.x1 - rule.x0, rule.y1 - rule.y0
        if width <= _THIN or height <= _THIN:
            if width >= _MIN_LINE or height >= _MIN_LINE:
                lines.append(rule)
        elif width < limit_x and height < limit_y and width >= 8 and height >= 6:
            lines.append(Rule(rule.x0, rule.y0, rule.x1, rule.y0))
            lines.append(Rule(rule.x0, rule.y1, rule.x1, rule.y1))
            lines.append(Rule(rule.x0, rule.y0, rule.x0, rule.y1))
            lines.append(Rule(rule.x1, rule.y0, rule.x1, rule.y1))
    return lines


def _components(lines: list[Rule]) -> list[list[Rule]]:
    """Groups of lines that touch each other, found by sweeping downwards."""
    open_groups: list[tuple[list[Rule], Rule]] = []
    done: list[list[Rule]] = []
    for line in sorted(lines, key=lambda rule: rule.y0):
        hit: tuple[list[Rule], Rule] | None = None
        still: list[tuple[list[Rule], Rule]] = []
        for group in open_groups:
            box = group[1]
            if box.y1 + _TOUCH < line.y0:
                done.append(group[0])
            elif box.x0 - _TOUCH <= line.x1 and box.x1 + _TOUCH >= line.x0:
                if hit is None:
                    hit = group
                    _grow(box, line)
                    group[0].append(line)
                    still.append(group)
                else:
                    hit[0].extend(group[0])
                    _grow(hit[1], box)
            else:
                still.append(group)
        if hit is None:
            still.append(([line], Rule(line.x0, line.y0, line.x1, line.y1)))
        open_groups = still
    return [group for group in [*done, *(g for g, _ in open_groups)] if len(group) >= 4]


def _grow(box: Rule, line: Rule) -> None:
    box.x0, box.y0 = min(box.x0, line.x0), min(box.y0, line.y0)
    box.x1, box.y1 = max(box.x1, line.x1), max(box.y1, line.y1)


def _positions(values: list[float], tolerance: float = 3.0) -> list[float]:
    out: list[float] = []
    for value in sorted(values):
        if not out or value - out[-1] > tolerance:
            out.append(value)
    return out


def _take(lines: list[Rule], segments: list[Segment]) -> list[Segment]:
    upright = [line for line in lines if line.y1 - line.y0 > line.x1 - line.x0]
    level = [line for line in lines if line.y1 - line.y0 <= line.x1 - line.x0]
    xs = _positions([(line.x0 + line.x1) / 2 for line in upright])
    ys = _positions([(line.y0 + line.y1) / 2 for line in level])
    if len(xs) < 3 or len(ys) < 2 or len(xs) * len(ys) > 20000:
        return segments
    inside = [
        s
        for s in segments
        if s.table is None and xs[0] - 2 < (s.x0 + s.x1) / 2 < xs[-1] + 2 and ys[0] - 2 < (s.y0 + s.y1) / 2 < ys[-1] + 2
    ]
    if len(inside) < 4:
        return segments
    built = _fill(xs, ys, upright, inside)
    if built is None:
        return segments
    table, used = built
    stand_in = Segment(*table.bbox, table.bbox[3], 10.0, "\ufffc", "", min(s.order for s in used))
    stand_in.table = table
    taken = set(map(id, used))
    return [*(s for s in segments if id(s) not in taken), stand_in]


def _fill(
    xs: list[float], ys: list[float], upright: list[Rule], inside: list[Segment]
) -> tuple[Table, list[Segment]] | None:
    bands: list[list[Segment]] = [[] for _ in range(len(ys) - 1)]
    for segment in inside:
        bands[min(max(bisect_right(ys, (segment.y0 + segment.y1) / 2) - 1, 0), len(ys) - 2)].append(segment)
    rows: list[list[str]] = []
    used: list[Segment] = []
    tops: list[float] = []
    for index, band in enumerate(bands):
        if not band:
            continue
        walls = [x for x in xs if _crosses(upright, x, ys[index], ys[index + 1])]
        if len(walls) < 3 and (not rows or not any(len([x for x in xs if _crosses(upright, x, ys[k], ys[k + 1])]) > 2 and bands[k] for k in range(index + 1, len(bands)))):
            continue  # a title above or notes below, not a row
        for cells in _split_rows(band, walls):
            rows.append(_cells(cells, xs, walls))
            used.extend(cells)
            tops.extend((ys[index], ys[index + 1]))
    columns = sum(any(row[i] for row in rows) for i in range(len(xs) - 1))
    filled = sum(bool(cell) for row in rows for cell in row)
    if len(rows) < 2 or columns < 2 or filled < 4 or filled < 0.3 * len(rows) * columns:
        return None
    keep = [i for i in range(len(xs) - 1) if any(row[i] for row in rows)]
    rows = [[row[i] for i in keep] for row in rows]
    return Table((xs[0], min(tops), xs[-1], max(tops)), rows), used


def _crosses(upright: list[Rule], x: float, top: float, bottom: float) -> bool:
    """Whether a line at `x` runs through at least half of the band."""
    covered = 0.0
    for line in upright:
        if abs((line.x0 + line.x1) / 2 - x) <= 3.0:
            covered += max(0.0, min(line.y1, bottom) - max(line.y0, top))
    return covered >= 0.5 * (bottom - top)


def _split_rows(band: list[Segment], walls: list[float]) -> list[list[Segment]]:
    """A band without lines between its rows is cut at its baselines."""
    bases = _positions([segment.base for segment in band], 4.0)
    if len(bases) < 3 or len(walls) < 3:
        return [band]
    columns: dict[int, int] = {}
    for segment in band:
        column = bisect_right(walls, (segment.x0 + segment.x1) / 2)
        columns[column] = columns.get(column, 0) + 1
    full = sum(count >= 0.7 * len(bases) for count in columns.values())
    if full < 2 or full < 0.7 * len(columns) or max(len(s.text) for s in band) > 60:
        return [band]
    rows: list[list[Segment]] = [[] for _ in bases]
    for segment in band:
        rows[bisect_right(bases, segment.base + 0.01) - 1].append(segment)
    return rows


def _cells(band: list[Segment], xs: list[float], walls: list[float]) -> list[str]:
    cells = [""] * (len(xs) - 1)
    last: list[float] = [-1e9] * (len(xs) - 1)
    for segment in sorted(band, key=lambda s: (round(s.base / 3), -s.x0 if s.rtl else s.x0)):
        wall = bisect_right(walls, (segment.x0 + segment.x1) / 2) - 1
        start = walls[wall] if 0 <= wall < len(walls) else xs[0]
        column = min(max(bisect_right(xs, start + 0.5) - 1, 0), len(cells) - 1)
        same_line = abs(segment.base - last[column]) < 3
        cells[column] = f"{cells[column]} {segment.text}".strip() if same_line else join(cells[column], segment.text)
        last[column] = segment.base
    return cells
