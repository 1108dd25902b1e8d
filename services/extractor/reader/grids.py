"""Ruled tables: grids found in the drawn lines of a page and filled with its text."""

from __future__ import annotations

from bisect import bisect_right, insort

from services.extractor.reader.bidi import Part, compose
from services.extractor.reader.rulings import components, lines_of
from services.extractor.reader.sheet import Rule, Segment, Sheet
from services.extractor.reader.text import drop_leaders, join

_APART = 6.0
_TORN = 0.3  # the most of the lines in a table that its upright lines may cross
_BEGUN = 2  # upright lines of two columns at least


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
    for lines in components(lines_of(sheet)):
        left = _take(lines, left)
    return left


def _positions(values: list[float], tolerance: float = 3.0) -> list[float]:
    out: list[float] = []
    for value in sorted(values):
        if not out or value - out[-1] > tolerance:
            out.append(value)
    return out


def _take(lines: list[Rule], segments: list[Segment]) -> list[Segment]:
    grid = _Grid(lines)
    if grid.size == 0 or grid.size > 20000:
        return segments
    inside = [segment for segment in segments if segment.table is None and grid.holds(segment)]
    if len(inside) < 4:
        return segments
    built = grid.fill(inside)
    if built is None:
        return segments
    table, used = built
    taken = set(map(id, used))
    return [*(s for s in segments if id(s) not in taken), stand_in(table, used)]


def stand_in(table: Table, used: list[Segment]) -> Segment:
    """A segment in the place of those that a table took up."""
    made = Segment(*table.bbox, table.bbox[3], 10.0, "\ufffc", "", min(s.order for s in used))
    made.table = table
    return made


class _Grid:
    """The columns and bands that a group of touching lines makes."""

    def __init__(self, lines: list[Rule]) -> None:
        self.upright = [line for line in lines if line.y1 - line.y0 > line.x1 - line.x0]
        self.level = [line for line in lines if line.y1 - line.y0 <= line.x1 - line.x0]
        xs = _positions([(line.x0 + line.x1) / 2 for line in self.upright], 7.0)
        ys = _positions([(line.y0 + line.y1) / 2 for line in self.level])
        self.size = 0 if not xs or len(ys) < 2 else len(xs) * len(ys)
        if self.size:
            self._open_sides(xs)
            self._open_ends(ys)
            self._add_undrawn(xs, ys)
        self.xs, self.ys = xs, ys
        self.at: dict[float, list[tuple[float, float]]] = {x: [] for x in xs}
        for line in self.upright:
            near = xs[max(0, bisect_right(xs, (line.x0 + line.x1) / 2 + 0.01) - 1)]
            self.at[near].append((line.y0, line.y1))

    def _open_sides(self, xs: list[float]) -> None:
        """Tables are often left open at the sides: their level lines reach further than the upright ones."""
        left, right = min(line.x0 for line in self.level), max(line.x1 for line in self.level)
        if left < xs[0] - 12:
            xs.insert(0, left)
            self.upright.append(self._edge(left))
        if right > xs[-1] + 12:
            xs.append(right)
            self.upright.append(self._edge(right))
        self.size = 0 if len(xs) < 3 else self.size

    def _open_ends(self, ys: list[float]) -> None:
        """The upright lines may reach above the first level line and below the last."""
        top, bottom = min(line.y0 for line in self.upright), max(line.y1 for line in self.upright)
        if top < ys[0] - 8:
            ys.insert(0, top)
        if bottom > ys[-1] + 8:
            ys.append(bottom)

    def _add_undrawn(self, xs: list[float], ys: list[float]) -> None:
        """A level line that is not drawn, under a cell over several columns: their upright lines begin there."""
        starts = sorted(line.y0 for line in self.upright)
        for y in _positions(starts):
            inside = ys[0] + _APART < y < ys[-1] - _APART and all(abs(y - other) > _APART for other in ys)
            begun = {self._column(xs, line) for line in self.upright if abs(line.y0 - y) < 2} if inside else set()
            begun -= {self._column(xs, line) for line in self.upright if line.y0 < y - 3 and line.y1 > y - 3}
            inner = [column for column in begun if 0 < column < len(xs) - 1]
            if len(inner) < _BEGUN:
                continue
            insort(ys, y)
            self.level += [Rule(xs[column - 1], y, xs[column + 1], y) for column in inner]

    @staticmethod
    def _column(xs: list[float], line: Rule) -> int:
        return bisect_right(xs, (line.x0 + line.x1) / 2 + 3.0) - 1

    def _edge(self, x: float) -> Rule:
        return Rule(x, min(line.y0 for line in self.upright), x, max(line.y1 for line in self.upright))

    def holds(self, segment: Segment) -> bool:
        """Whether the middle of `segment` lies in the grid."""
        x, y = (segment.x0 + segment.x1) / 2, (segment.y0 + segment.y1) / 2
        return self.xs[0] - 2 < x < self.xs[-1] + 2 and self.ys[0] - 2 < y < self.ys[-1] + 2

    def fill(self, inside: list[Segment]) -> tuple[Table, list[Segment]] | None:
        """The table and the segments it took up; None when the lines are no table."""
        bands: list[list[Segment]] = [[] for _ in range(len(self.ys) - 1)]
        for segment in inside:
            band = bisect_right(self.ys, (segment.y0 + segment.y1) / 2) - 1
            bands[min(max(band, 0), len(bands) - 1)].append(segment)
        walls = [self._walls(index) for index in range(len(bands))]
        self._extend_walls(bands, walls)
        real = [index for index, band in enumerate(bands) if band and len(walls[index]) > 2]
        if not real:
            return None
        if _cut_through(bands, walls) > max(1.0, _TORN * len(inside)):
            return None  # boxes that lie over each other, their edges crossing the text of one
        rows: list[list[str]] = []
        used: list[Segment] = []
        for index in range(real[0], real[-1] + 1):  # a title above and notes below are no rows
            whole = _cut(bands[index], walls[index])
            for part, cells in enumerate(_split_rows(whole, walls[index], few=len(real) < 6)):
                row = _cells(cells, self.xs, walls[index])
                if rows and part == 0 and index > 0:
                    self._merge_down(rows[-1], row, self.ys[index])
                if any(row):
                    rows.append(row)
            used.extend(bands[index])
        keep = [i for i in range(len(self.xs) - 1) if any(row[i] for row in rows)]
        filled = sum(bool(cell) for row in rows for cell in row)
        if len(rows) < 2 or len(keep) < 2 or filled < 4 or filled < 0.3 * len(rows) * len(keep):
            return None
        rows = [[row[i] for i in keep] for row in rows]
        return Table((self.xs[0], self.ys[real[0]], self.xs[-1], self.ys[real[-1] + 1]), rows), used

    def _walls(self, band: int) -> list[float]:
        """The upright lines that run through at least half of a band; its open sides count as lines."""
        top, bottom = self.ys[band], self.ys[band + 1]
        inner = [x for x in self.xs[1:-1] if self._covered(x, top, bottom) >= 0.5 * (bottom - top)]
        return [self.xs[0], *inner, self.xs[-1]]

    def _extend_walls(self, bands: list[list[Segment]], walls: list[list[float]]) -> None:
        """The upright lines of a header go on, undrawn, through a tall band of many rows when no text crosses them."""
        for index in range(1, len(bands)):
            band, own = bands[index], walls[index]
            missing = [x for x in walls[index - 1] if x not in own]
            if not missing or len(band) < 12 or len(_positions([s.base for s in band], 4.0)) < 4:
                continue
            free = [x for x in missing if not any(s.x0 + 2 < x < s.x1 - 2 for s in band)]
            if len(free) == len(missing):
                walls[index] = sorted([*own, *free])

    def _covered(self, x: float, top: float, bottom: float) -> float:
        return sum(
            (y1 if y1 < bottom else bottom) - (y0 if y0 > top else top)
            for y0, y1 in self.at[x]
            if y1 > top and y0 < bottom
        )

    def _merge_down(self, above: list[str], row: list[str], y: float) -> None:
        """Where no line is drawn between two cells of a column they are one."""
        here = [line for line in self.level if abs((line.y0 + line.y1) / 2 - y) <= 3.0]
        for column, text in enumerate(row):
            middle = (self.xs[column] + self.xs[column + 1]) / 2
            if text and not any(line.x0 - 2 <= middle <= line.x1 + 2 for line in here):
                above[column], row[column] = join(above[column], text), ""


def _cut_through(bands: list[list[Segment]], walls: list[list[float]]) -> int:
    """How many lines of text have a wall within a word or between words set as usual."""
    return sum(
        any(segment.x0 + 2 < wall < segment.x1 - 2 and not _has_blank(segment, wall) for wall in own[1:-1])
        for band, own in zip(bands, walls, strict=True)
        for segment in band
    )


def _has_blank(segment: Segment, wall: float) -> bool:
    """Whether a blank between the parts of `segment` lies at `wall`."""
    before = [part for part in segment.parts or () if part[0] + part[1] < 2 * wall]
    behind = [part for part in segment.parts or () if part[0] + part[1] >= 2 * wall]
    return bool(before and behind) and _is_open(before, behind, wall, segment.size)


def _cut(band: list[Segment], walls: list[float]) -> list[Segment]:
    """Segments that run through a wall are cut at the space next to it."""
    out: list[Segment] = []
    for segment in band:
        for wall in walls[1:-1]:
            if segment.x0 + 2 < wall < segment.x1 - 2 and " " in segment.text:
                left, segment = _halves(segment, wall)
                if left is not None:
                    out.append(left)
        out.append(segment)
    return out


def _halves(segment: Segment, wall: float) -> tuple[Segment | None, Segment]:
    if segment.parts:
        before = [part for part in segment.parts if part[0] + part[1] < 2 * wall]
        behind = [part for part in segment.parts if part[0] + part[1] >= 2 * wall]
        if before and behind and _is_open(before, behind, wall, segment.size):
            return _of_parts(segment, before), _of_parts(segment, behind)
    text = segment.text
    width = (segment.x1 - segment.x0) / len(text)
    at = (wall - segment.x0) / width
    space = min((i for i, char in enumerate(text) if char == " "), key=lambda i: abs(i + 0.5 - at))
    if abs(space + 0.5 - at) > max(2.0, 0.12 * len(text)) or segment.rtl:
        return None, segment
    y0, y1, base, size, font, order = segment.y0, segment.y1, segment.base, segment.size, segment.font, segment.order
    left = Segment(segment.x0, y0, wall - 1, y1, base, size, text[:space].strip(), font, order)
    right = Segment(wall + 1, y0, segment.x1, y1, base, size, text[space:].strip(), font, order)
    return left, right


def _is_open(before: list[Part], behind: list[Part], wall: float, size: float) -> bool:
    """Whether a blank lies between the parts on both sides of a wall, and none runs through it."""
    near, far = max(before, key=lambda part: part[1]), min(behind, key=lambda part: part[0])
    for x0, x1, _ in (near, far):
        reach = 0.35 * (x1 - x0)
        if x0 + reach < wall < x1 - reach:
            return False
    return far[0] - near[1] > 0.17 * size or near[2] != near[2].strip() or far[2] != far[2].strip()


def _of_parts(segment: Segment, parts: list[Part]) -> Segment:
    x0, x1 = min(part[0] for part in parts), max(part[1] for part in parts)
    text = compose(parts, segment.size)
    made = Segment(x0, segment.y0, x1, segment.y1, segment.base, segment.size, text, segment.font, segment.order)
    made.rtl, made.parts = segment.rtl, parts if len(parts) > 1 else None
    return made


def _split_rows(band: list[Segment], walls: list[float], *, few: bool) -> list[list[Segment]]:
    """A band without lines between its rows is cut at its baselines."""
    bases = _positions([segment.base for segment in band], 4.0)
    if len(bases) < 3 or len(walls) < 3 or max(len(segment.text) for segment in band) > 60:
        return [band]
    columns: dict[int, set[int]] = {}
    for segment in band:
        column = bisect_right(walls, (segment.x0 + segment.x1) / 2)
        columns.setdefault(column, set()).add(bisect_right(bases, segment.base + 0.01))
    full = sum(len(lines) >= (0.7 if few else 1.0) * len(bases) for lines in columns.values())
    if full < 2 or full < (0.7 if few else 0.8) * len(columns):
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
        text = drop_leaders(segment.text)
        cells[column] = f"{cells[column]} {text}".strip() if same_line else join(cells[column], text)
        last[column] = segment.base
    return cells
