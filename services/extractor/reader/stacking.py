"""Lines of a table made rows: wrapped cells joined, the levels of a header told apart."""

from __future__ import annotations

import re
from itertools import pairwise

from services.extractor.reader.lattice import Lattice, is_value
from services.extractor.reader.sheet import Rule, Segment
from services.extractor.reader.text import join

_ENOUGH = 15  # letters: the least in a line that goes on in the next
_OPEN = re.compile(r"(?:[/,&(–-]|\b(?:and|or|of|und|et|de|y|e|in|for|the))$")
_TIGHT = 1.45  # of the type size: the most from line to line within a cell


class Line:
    """Cells on one baseline of a table and the texts they give its columns; `band` counts the rules above."""

    __slots__ = ("band", "base", "cells", "size", "texts")

    def __init__(self, cells: list[Segment], base: float, size: float, band: int, texts: list[str]) -> None:
        self.cells, self.base, self.size, self.band, self.texts = cells, base, size, band, texts

    @property
    def filled(self) -> int:
        """How many columns have text."""
        return sum(map(bool, self.texts))


def stack_body(lines: list[Line], lattice: Lattice, *, ruled: bool) -> list[list[str]]:
    """The rows of a table's body."""
    out: list[list[str]] = []
    for group in _groups(lines):
        if len(group) > 1 and _is_one_row(group, lattice, ruled=ruled):
            out.append(_joined(group, len(lattice)))
        else:
            out.extend(_single(group, lattice, tight=len(group) < 5 and len(group) < len(lines)))
    return out


def _groups(lines: list[Line]) -> list[list[Line]]:
    """Lines that stand closer to each other than rows do, or between two rules."""
    steps = sorted(b.base - a.base for a, b in pairwise(lines) if a.band == b.band)
    tight = steps[len(steps) // 10] if steps else 0.0
    groups: list[list[Line]] = []
    for line in lines:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and last.band == line.band
            and line.base - last.base < min(1.18 * tight, _TIGHT * line.size)
        ):
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _is_one_row(group: list[Line], lattice: Lattice, *, ruled: bool) -> bool:
    """Whether the lines of a group are one row: some column has text in one of them only, others go on."""
    columns = list(zip(*(line.texts for line in group), strict=True))
    counts = [sum(map(bool, column)) for column in columns]
    used = [n for n in counts if n]
    if len(used) < 2:
        return ruled
    if any(_holds_values(column) for column in columns[1:]):
        return False
    if min(used) > 1:
        return len(group) < 5 and _flow(group)
    if group[0].filled == 1 and group[0].texts[0] and not ruled:
        return len(group) == 2 and _wraps(group[0], group[1], lattice)
    if not ruled and any(line.filled == 1 and line.texts[0] for line in group[1:]):
        return len(group) == 2 and _hangs(group[0], group[1], lattice)
    return True


def _holds_values(column: tuple[str, ...]) -> bool:
    """Whether a column holds a value and something else: these are cells, not the lines of one."""
    texts = [text for text in column if text]
    return len(texts) > 1 and any(map(is_value, texts))


def _flow(group: list[Line]) -> bool:
    """Whether cells go on from line to line in all the columns they have."""
    for above, below in pairwise(group):
        pairs = [(a, b) for a, b in zip(above.texts, below.texts, strict=True) if b]
        if not all(a and b[0].islower() and a[-1] not in ".:;" for a, b in pairs):
            return False
        if not any(len(a) > _ENOUGH for a, _ in pairs):
            return False
    return True


def _wraps(above: Line, below: Line, lattice: Lattice) -> bool:
    """Whether the label of a row takes two lines, its values standing on the second."""
    label, rest = above.texts[0], below.texts[0]
    if not rest or label[-1] in ":." or (above.cells[0].bold > 0) != (below.cells[0].bold > 0):
        return False
    return rest[0].islower() or _is_full(above, rest, lattice)


def _hangs(above: Line, below: Line, lattice: Lattice) -> bool:
    """Whether a line with nothing but a label goes on with the label above it."""
    label, rest = above.texts[0], below.texts[0]
    if not label or (above.cells[0].bold > 0) != (below.cells[0].bold > 0):
        return False
    if rest[0].islower() or rest[0] in "(/&":
        return True
    return below.cells[0].x0 > above.cells[0].x0 + 2 or _is_full(above, rest, lattice)


def _is_full(line: Line, rest: str, lattice: Lattice) -> bool:
    """Whether the first word of `rest` had no more room in the first column of `line`."""
    cell = line.cells[0]
    width = (cell.x1 - cell.x0) / max(1, len(cell.text))
    return cell.x1 + width * (len(rest.split(None, 1)[0]) + 1) > lattice.edges[0][1] + 1


def _is_open(above: Line, rest: str) -> bool:
    """Whether the label of a line asks for more, or `rest` can be no beginning."""
    return rest[0].islower() or _OPEN.search(above.texts[0]) is not None


def _single(group: list[Line], lattice: Lattice, *, tight: bool) -> list[list[str]]:
    """The lines of a group as rows, save those that go on where the one above had no more room."""
    out: list[list[str]] = []
    above: Line | None = None
    for line in group:
        texts = line.texts
        if (
            above is not None
            and line.filled < sum(map(bool, out[-1]))
            and _continues(out[-1], above, line, lattice, tight)
        ):
            out[-1] = [join(a, b) for a, b in zip(out[-1], texts, strict=True)]
        else:
            out.append(list(texts))
        above = line
    return out


def _continues(row: list[str], above: Line, line: Line, lattice: Lattice, tight: bool) -> bool:
    """Whether a line goes on with the row above: under cells that have text, or as a label that had no more room."""
    texts = line.texts
    if texts[0]:
        return line.filled == 1 and (tight or _is_open(above, texts[0])) and _hangs(above, line, lattice)
    return bool(row[0]) and all(a or not b for a, b in zip(row, texts, strict=True)) and not any(map(is_value, texts))


def _joined(group: list[Line], width: int) -> list[str]:
    row = [""] * width
    for line in group:
        row = [join(above, text) for above, text in zip(row, line.texts, strict=True)]
    return row


class _Block:
    """A cell of a header, perhaps of several lines; `depth` counts the levels under it."""

    __slots__ = ("base", "bold", "columns", "depth", "lines", "text", "top", "x0", "x1")

    def __init__(self, cell: Segment, columns: list[int]) -> None:
        self.x0, self.x1, self.top, self.base = cell.x0, cell.x1, cell.base, cell.base
        self.text, self.columns, self.depth, self.lines = cell.text, columns, 0, 1

    def over(self, other: _Block) -> bool:
        """Whether the two share a column."""
        return bool(set(self.columns) & set(other.columns))


def stack_header(lines: list[Line], lattice: Lattice, rules: list[Rule], pitch: float) -> list[list[str]]:
    """The rows of a header: lines of one cell joined, cells over several columns above those they span."""
    blocks: list[_Block] = []
    for index, line in enumerate(lines):
        below = lines[index + 1] if index + 1 < len(lines) else None
        fresh: list[_Block] = []
        for cell in line.cells:
            made = _Block(cell, _reach(cell, line, below, lattice, rules))
            above = _wrapped(made, blocks, line, lines[index - 1] if index else None, rules, pitch)
            if above is None:
                fresh.append(made)
            else:
                above.text, above.base = join(above.text, made.text), made.base
                above.x0, above.x1 = min(above.x0, made.x0), max(above.x1, made.x1)
                above.columns = sorted({*above.columns, *made.columns})
        blocks.extend(fresh)
    for block in sorted(blocks, key=lambda b: -b.base):
        block.depth = max((b.depth + 1 for b in blocks if b.top > block.base + 1 and block.over(b)), default=0)
    levels = max((block.depth for block in blocks), default=-1) + 1
    rows = [[""] * len(lattice) for _ in range(levels)]
    for block in sorted(blocks, key=lambda b: b.x0):
        row = rows[levels - 1 - block.depth]
        column = next((c for c in block.columns if not row[c]), block.columns[0])
        row[column] = f"{row[column]} {block.text}".strip()
    return rows


def _reach(cell: Segment, line: Line, below: Line | None, lattice: Lattice, rules: list[Rule]) -> list[int]:
    """The columns a header cell stands for: those over which a rule is drawn under it, else those it covers."""
    floor = below.base - 0.6 * below.size if below else cell.base + 2 * cell.size
    for rule in rules:
        y = (rule.y0 + rule.y1) / 2
        if cell.base - 1 < y < max(floor, cell.base + 3) and rule.x0 - 2 <= (cell.x0 + cell.x1) / 2 <= rule.x1 + 2:
            if sum(rule.x0 - 2 <= (c.x0 + c.x1) / 2 <= rule.x1 + 2 for c in line.cells) > 1:
                continue
            over = [
                i for i, (x0, x1) in enumerate(lattice.edges) if min(rule.x1, x1) - max(rule.x0, x0) > 0.4 * (x1 - x0)
            ]
            if over:
                return over
    return lattice.under(cell) or [lattice.column(cell)]


def _wrapped(
    made: _Block, blocks: list[_Block], line: Line, before: Line | None, rules: list[Rule], pitch: float
) -> _Block | None:
    """The block of which `made` is a further line, if any."""
    over = [b for b in blocks if b.over(made)]
    if not over or before is None:
        return None
    above = max(over, key=lambda b: b.base)
    step = line.base - above.base
    if step > min(_TIGHT * line.size, max(0.93 * pitch, 1.22 * line.size)) or len(above.columns) > len(made.columns):
        return None
    if above.base < before.base - 1 or min(above.x1, made.x1) - max(above.x0, made.x0) < 0.3 * min(
        above.x1 - above.x0, made.x1 - made.x0
    ):
        return None
    middle = (made.x0 + made.x1) / 2
    for rule in rules:
        if (
            above.base - 1 < (rule.y0 + rule.y1) / 2 < line.base - 0.3 * line.size
            and rule.x0 - 2 <= middle <= rule.x1 + 2
        ):
            return None
    return above
