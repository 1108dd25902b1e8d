"""Tables whose rows are told apart by shading: the rows left white get the cells of the shaded ones beside them."""

from __future__ import annotations

from itertools import pairwise

from services.extractor.reader.sheet import Rule, Segment, Sheet

_LOWEST, _HIGHEST = 8.0, 90.0  # of a shaded row, in points
_SAME = 2.0
_BANDS = 3  # the least that show a habit
_WIDE = 120.0


def close_bands(sheet: Sheet) -> None:
    """Add to the rules of `sheet` the boxes of white rows that stand between, or right below, shaded ones."""
    boxes = [r for r in sheet.rules if _LOWEST < r.y1 - r.y0 < _HIGHEST and r.x1 - r.x0 > _LOWEST]
    if len(boxes) < 4:
        return
    strips = _strips(boxes)
    made = _edges([strip[0] for strip in strips if len(strip) == 1])
    for chain in _chains([strip for strip in strips if len(strip) > 1]):
        for above, below in pairwise(chain):
            y0, y1 = above[0].y1, below[0].y0
            if _LOWEST < y1 - y0 < _HIGHEST and _is_row(above, _between(sheet.segments, above, y0, y1)):
                made.extend(Rule(box.x0, y0, box.x1, y1) for box in above)
        made.extend(_last(chain, sheet.segments))
    sheet.rules.extend(made)


def _strips(boxes: list[Rule]) -> list[list[Rule]]:
    """Boxes that stand side by side without a gap, from top to bottom."""
    strips: list[list[Rule]] = []
    for box in sorted(boxes, key=lambda b: (round(b.y0), b.x0)):
        last = strips[-1][-1] if strips else None
        level = last is not None and abs(last.y0 - box.y0) < _SAME and abs(last.y1 - box.y1) < _SAME
        if last is not None and level and abs(last.x1 - box.x0) < _SAME:
            strips[-1].append(box)
        else:
            strips.append([box])
    return strips


def _edges(boxes: list[Rule]) -> list[Rule]:
    """Rules along bands that are drawn over the whole width of a table, behind every other row.

    A row and its further lines stand in one band or between two; without the edges a line that stands closer to the
    row above would join that.
    """
    chains: list[list[Rule]] = []
    for box in boxes:
        for chain in chains:
            last = chain[-1]
            gap, high = box.y0 - last.y1, max(box.y1 - box.y0, last.y1 - last.y0)
            if abs(last.x0 - box.x0) < _SAME and abs(last.x1 - box.x1) < _SAME and 0.4 * high < gap < 2.2 * high:
                chain.append(box)
                break
        else:
            chains.append([box])
    return [
        Rule(box.x0, y, box.x1, y)
        for chain in chains
        if len(chain) >= _BANDS and chain[0].x1 - chain[0].x0 > _WIDE
        for box in chain
        for y in (box.y0, box.y1)
    ]


def _chains(strips: list[list[Rule]]) -> list[list[list[Rule]]]:
    """Strips with the same cells, one under the other."""
    chains: list[list[list[Rule]]] = []
    for strip in strips:
        for chain in chains:
            model = chain[-1]
            if len(model) == len(strip) and all(
                abs(a.x0 - b.x0) < _SAME and abs(a.x1 - b.x1) < _SAME for a, b in zip(model, strip, strict=True)
            ):
                chain.append(strip)
                break
        else:
            chains.append([strip])
    return [chain for chain in chains if len(chain) > 1]


def _between(segments: list[Segment], strip: list[Rule], y0: float, y1: float) -> list[Segment]:
    x0, x1 = strip[0].x0, strip[-1].x1
    return [s for s in segments if y0 < (s.y0 + s.y1) / 2 < y1 and s.x1 > x0 and s.x0 < x1]


def _is_row(strip: list[Rule], inside: list[Segment]) -> bool:
    """Whether texts keep to the cells of `strip` and fill more than one of them."""
    filled: set[int] = set()
    for segment in inside:
        own = [i for i, box in enumerate(strip) if box.x0 - 1 < segment.x0 and segment.x1 < box.x1 + 1]
        if not own:
            return False
        filled.update(own)
    return len(filled) > 1


def _last(chain: list[list[Rule]], segments: list[Segment]) -> list[Rule]:
    """The boxes of a white row below the last shaded one of a table that has white rows."""
    strip, before = chain[-1], chain[-2]
    top = strip[0].y1
    if not _LOWEST < strip[0].y0 - before[0].y1 < _HIGHEST:
        return []
    end, inside = top, []
    for segment in sorted(_between(segments, strip, top, top + _HIGHEST), key=lambda s: s.y0):
        if segment.y0 - end > 0.7 * segment.size:
            break
        inside.append(segment)
        end = max(end, segment.y1)
    return [Rule(box.x0, top, box.x1, end + 1) for box in strip] if _is_row(strip, inside) else []
