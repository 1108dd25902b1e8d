"""Tables set between level rules only: the rules say where a table begins and ends.

Rules of the same width, one under the other, make a frame; it is read as a table when the rows between
them fall into columns. Text between two tables, or between the rules of a running header and footer, does not.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from services.extractor.reader.grids import Table, stand_in
from services.extractor.reader.headed import rows_under
from services.extractor.reader.lattice import apart
from services.extractor.reader.rows import Row, rows_of
from services.extractor.reader.rulings import THIN
from services.extractor.reader.sheet import Rule, Segment, Sheet
from services.extractor.reader.tables import build

_SHORT = 8.0
_DRAWN = 1.5  # the most between the pieces of one rule
_MIN_WIDTH = 60.0
_SAME = 4.0
_LONG = 70
_REACH = 60.0
_MOST = 40  # rules of one sheet under which a table is sought
_CLOSE = 1.2  # of the type size: the most from a header to its rule


def take_frames(sheet: Sheet) -> list[Segment]:
    """The segments of the sheet with those of tables between level rules replaced by one segment for each table."""
    level = [r for r in sheet.rules if r.y1 - r.y0 <= THIN and r.x1 - r.x0 > _SHORT]
    if not level:
        return sheet.segments
    segments = sheet.segments
    whole = _whole(level)
    for chain in _chains(whole):
        for top, bottom in _runs(chain, segments):
            segments = _take(chain, top, bottom, level, segments)
    for rule in whole[:_MOST]:
        segments = _take_under(rule, segments)
    return segments


def _whole(level: list[Rule], reach: float = _SHORT, least: float = _MIN_WIDTH) -> list[Rule]:
    """Rules drawn piece by piece joined to whole ones, from top to bottom, and the others that are wide enough."""
    out: list[Rule] = []
    for rule in sorted(level, key=lambda r: (round((r.y0 + r.y1) / 2), r.x0)):
        last = out[-1] if out else None
        if last is not None and abs(last.y0 + last.y1 - rule.y0 - rule.y1) < 2.4 and rule.x0 - last.x1 < reach:
            last.x1 = max(last.x1, rule.x1)
        else:
            out.append(Rule(rule.x0, rule.y0, rule.x1, rule.y1))
    return [rule for rule in out if rule.x1 - rule.x0 > least]


def _chains(rules: list[Rule]) -> list[list[Rule]]:
    """Rules of the same extent."""
    chains: list[list[Rule]] = []
    for rule in rules:
        for chain in chains:
            if abs(chain[0].x0 - rule.x0) < _SAME and abs(chain[0].x1 - rule.x1) < _SAME:
                chain.append(rule)
                break
        else:
            chains.append([rule])
    return [chain for chain in chains if len(chain) > 1]


def _runs(chain: list[Rule], segments: list[Segment]) -> list[tuple[int, int]]:
    """The stretches of a chain between whose rules stand tabular rows."""
    left, right = min(r.x0 for r in chain) - 3, max(r.x1 for r in chain) + 3
    segments = [s for s in segments if left < (s.x0 + s.x1) / 2 < right]
    middles = sorted([((s.y0 + s.y1) / 2, index) for index, s in enumerate(segments)])
    out: list[tuple[int, int]] = []
    start: int | None = None
    for index, (above, below) in enumerate(pairwise(chain)):
        if _is_tabular(_between(_level_with(segments, middles, above, below), above, below), below.x1 - below.x0):
            start = index if start is None else start
        else:
            out.extend([(start, index)] if start is not None else [])
            start = None
    return [*out, (start, len(chain) - 1)] if start is not None else out


def _level_with(segments: list[Segment], middles: list[tuple[float, int]], above: Rule, below: Rule) -> list[Segment]:
    """Those of `segments` that may stand between two rules by the height of their `middles`, in their order."""
    first, end = bisect_left(middles, (above.y0 - 1, -1)), bisect_left(middles, (below.y1 + 1, -1))
    return [segments[index] for index in sorted(index for _, index in middles[first:end])]


def _between(segments: list[Segment], above: Rule, below: Rule) -> list[Segment]:
    return [
        s
        for s in segments
        if above.y0 - 1 < (s.y0 + s.y1) / 2 < below.y1 + 1 and above.x0 - 3 < (s.x0 + s.x1) / 2 < above.x1 + 3
    ]


def _is_tabular(segments: list[Segment], width: float) -> bool:
    """Whether what stands between two rules may be rows of a table."""
    if not segments or any(s.table is not None for s in segments):
        return False
    lines = {round(s.base / 3) for s in segments}
    wide = sum(len(s.text) > _LONG or (len(s.text) > _LONG / 2 and s.x1 - s.x0 > 0.6 * width) for s in segments)
    return 2 * wide < len(lines)


def _take(chain: list[Rule], top: int, bottom: int, level: list[Rule], segments: list[Segment]) -> list[Segment]:
    inside = _between(segments, chain[top], chain[bottom])
    rows = _rows(inside)
    lines = [(rule.y0 + rule.y1) / 2 for rule in chain[top : bottom + 1]]
    above, below = _beyond(chain[top], chain[bottom], rows, segments)
    rows = [*above, *rows, *below]
    y0, y1 = min(lines[0], rows[0].y0), max(lines[-1], rows[-1].y1)
    near = _whole([r for r in level if y0 - 2 < r.y0 < y1 + 2], _DRAWN, _SHORT)
    table: Table | None = build(rows, lines, near) if len(rows) > 1 else None
    if table is None:
        return segments
    used = [
        *inside,
        *_between(segments, Rule(chain[top].x0, y0, chain[top].x1, y0), Rule(chain[top].x0, y1, chain[top].x1, y1)),
    ]
    taken = set(map(id, used))
    return [*(s for s in segments if id(s) not in taken), stand_in(table, used)]


def _rows(segments: list[Segment]) -> list[Row]:
    return [Row(apart(row)) for row in rows_of(segments)]


def _beyond(top: Rule, bottom: Rule, rows: list[Row], segments: list[Segment]) -> tuple[list[Row], list[Row]]:
    """Rows of the table above its first rule and below its last: they stand close and line up with its cells."""
    x0, x1 = top.x0, top.x1
    many = [row for row in rows if len(row.cells) > 1]
    if not many:
        return [], []
    over = _rows(_between(segments, Rule(x0, top.y0 - _REACH, x1, top.y0), top))
    above = _adjoining(over[::-1], many, top.y0, spans=True)
    under = _rows(_between(segments, bottom, Rule(x0, bottom.y1 + 20 * _REACH, x1, bottom.y1 + 20 * _REACH)))
    return above[::-1], _adjoining(under, many, bottom.y1, spans=False)


def _adjoining(rows: list[Row], many: list[Row], edge: float, *, spans: bool) -> list[Row]:
    """Those of `rows`, told away from the table, that go on with it; lines of a single cell only between others."""
    out: list[Row] = []
    for row in rows:
        gap = edge - row.y1 if spans else row.y0 - edge
        if gap > 1.2 * row.size or row.table is not None or not _lines_up(row, many, spans=spans):
            break
        if len(row.cells) < 2 and (gap > 0.3 * row.size or row.x0 < many[0].cells[0].x1):
            break
        out.append(row)
        edge = row.y0 if spans else row.y1
    while out and len(out[-1].cells) < 2:
        out.pop()
    return out


def _lines_up(row: Row, many: list[Row], *, spans: bool) -> bool:
    """Whether the cells of `row` stand over those of the fullest row, each over one unless it may span several."""
    model = max(many, key=lambda other: len(other.cells)).cells
    over = [sum(c.x0 < m.x1 and m.x0 < c.x1 for m in model) for c in row.cells]
    brief = max(len(cell.text) for cell in row.cells) < 40
    return (max(over) < 2 or (spans and brief)) and sum(map(bool, over)) > 0.6 * len(over)


def _take_under(rule: Rule, segments: list[Segment]) -> list[Segment]:
    """The same for a table whose only rule is `rule`, under its header."""
    header = _header(rule, segments)
    if header is None:
        return segments
    below = [s for s in segments if s.y0 > rule.y1 - 2 and rule.x0 - 3 < (s.x0 + s.x1) / 2 < rule.x1 + 3]
    rows = rows_under(header, rows_of(below), rule.y1)
    if not rows:
        return segments
    over = _rows_over(rule, header, segments)
    table = build([*over, header, *rows], [(rule.y0 + rule.y1) / 2], [rule], headed=True)
    if table is None:
        return segments
    top, bottom = table.bbox[1] - 1, table.bbox[3] + 1
    used = _between(segments, Rule(rule.x0, top, rule.x1, top), Rule(rule.x0, bottom, rule.x1, bottom))
    taken = set(map(id, used))
    return [*(s for s in segments if id(s) not in taken), stand_in(table, used)]


def _header(rule: Rule, segments: list[Segment]) -> Row | None:
    """The row of cells that stands on `rule`."""
    found = [s for s in segments if s.table is None and _stands_over(s, rule, 2.0 * s.size)]
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
    reach = rule.y0 - header.y0 + 4 * header.size
    found = [s for s in segments if _stands_over(s, rule, reach) and s.base < header.base - 1]
    for row in rows_of(found)[::-1]:
        over = [any(c.x0 < cell.x1 and cell.x0 < c.x1 for c in header.cells) for cell in row.cells]
        near = below.y0 - row.y1 < 0.4 * row.size and abs(row.size - header.size) < 1.0
        if row.table is not None or not near or not all(over) or row.x1 - row.x0 > 0.9 * (rule.x1 - rule.x0):
            break
        out.append(Row(apart(row)))
        below = row
    return out[::-1]


def _stands_over(segment: Segment, rule: Rule, most: float) -> bool:
    middle = (segment.y0 + segment.y1) / 2
    return rule.y0 - most < middle < rule.y0 and rule.x0 - 3 < (segment.x0 + segment.x1) / 2 < rule.x1 + 3
