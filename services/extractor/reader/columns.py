"""Reading order: a page is cut into regions of one column each.

Rows of the page are gathered while the same empty gutters run through them; a row that crosses all
gutters (a headline, a wide figure) closes the group. A gutter counts only when the content stream
seldom crosses it: text columns are written one after the other, the cells of a table row by row.
"""

from __future__ import annotations

import itertools

from services.extractor.reader.margins import beside_margin
from services.extractor.reader.sheet import Segment

_INFINITE = 1e9
Gap = tuple[float, float]


def regions(segments: list[Segment], depth: int = 0) -> list[list[Segment]]:
    """`segments` as single-column regions in reading order."""
    if len(segments) < 4 or depth > 3:
        return [segments] if segments else []
    out: list[list[Segment]] = []
    plain: list[Segment] = []
    for group, gutters in _groups(_strips(segments), dense=_is_dense(segments)):
        real = [gutter for gutter in gutters if _is_gutter(group, gutter)]
        beside = beside_margin(group, gutters[0]) if gutters else None
        if not real and beside is None:
            plain.extend(group)
            continue
        if plain:
            out.append(plain)
            plain = []
        for column in beside or _columns(group, real):
            out.extend(regions(column, depth + 1))
    if plain:
        out.append(plain)
    return out


def _is_dense(segments: list[Segment]) -> bool:
    """Whether the page is full of lines of text, as in a gazette: there columns may stand very close."""
    return len(segments) > 60 and _mean_length(segments) > 25


def _strips(segments: list[Segment]) -> list[list[Segment]]:
    """Rows of segments that overlap vertically, from top to bottom."""
    strips: list[list[Segment]] = []
    bottom = -_INFINITE
    for segment in sorted(segments, key=_top):
        if strips and segment.y0 < bottom - 0.35 * min(segment.y1 - segment.y0, segment.size * 1.3):
            strips[-1].append(segment)
            bottom = max(bottom, segment.y1)
        else:
            strips.append([segment])
            bottom = segment.y1
    return strips


def _top(segment: Segment) -> float:
    return segment.y0


def _left(segment: Segment) -> float:
    return segment.x0


def _gaps(strip: list[Segment], reach: float) -> list[Gap]:
    """Where no text stands in a strip, the outer margins included."""
    gaps: list[Gap] = []
    right = -_INFINITE
    if len(strip) > 1:
        strip = sorted(strip, key=_left)
    for segment in strip:
        if segment.x0 > right:
            if segment.x0 - right > reach * min(segment.size, 12.0):
                gaps.append((right, segment.x0))
            right = segment.x1
        elif segment.x1 > right:
            right = segment.x1
    gaps.append((right, _INFINITE))
    return gaps


def _common(left: list[Gap], right: list[Gap], least: float) -> list[Gap]:
    out = []
    for a0, a1 in left:
        for b0, b1 in right:
            start, end = (a0 if a0 > b0 else b0), (a1 if a1 < b1 else b1)
            if end - start > least:
                out.append((start, end))
    return out


def _inner(gaps: list[Gap]) -> list[Gap]:
    return [gap for gap in gaps if gap[0] > -_INFINITE and gap[1] < _INFINITE]


def _groups(strips: list[list[Segment]], *, dense: bool) -> list[tuple[list[Segment], list[Gap]]]:
    """Consecutive strips through which the same gutters run, with those gutters."""
    groups: list[tuple[list[Segment], list[Gap]]] = []
    members: list[Segment] = []
    free: list[Gap] = [(-_INFINITE, _INFINITE)]
    inner: list[Gap] = []
    for strip in strips:
        gaps = _gaps(strip, 0.6 if dense else 0.8)
        both = _common(free, gaps, 4.0 if dense else 7.0)
        left = _inner(both)
        if members and ((inner and not left) or (not inner and len(gaps) > 2 and not left)):
            parted = any(_is_gutter(members, gutter) for gutter in inner)
            kept, moved = (members, []) if parted else _look_back(members, gaps)
            groups.append((kept, inner))
            members, both, left = moved, gaps, _inner(gaps)
        members = members + strip if len(members) < 8 else _extended(members, strip)
        free, inner = both, left
    if members:
        groups.append((members, inner))
    return groups


def _look_back(members: list[Segment], gaps: list[Gap]) -> tuple[list[Segment], list[Segment]]:
    """Part the last lines before a group of columns from what stands above, when they keep to one column."""
    middles = [(a + b) / 2 for a, b in _inner(gaps)]
    at = len(members)
    while at > 0:
        segment = members[at - 1]
        below = members[at].y0 if at < len(members) else segment.y1
        if any(segment.x0 < middle < segment.x1 for middle in middles) or below - segment.y1 > 2.5 * segment.size:
            break
        at -= 1
    while 0 < at < len(members) and _follows(members[at - 1], members[at]):
        at += 1  # not in the midst of a paragraph
    return (members[:at], members[at:]) if at else (members, [])


def _follows(above: Segment, segment: Segment) -> bool:
    """Whether `segment` is the next line after `above`, or stands beside it."""
    return abs(segment.size - above.size) < 0.3 and segment.base - above.base < 1.35 * segment.size


def _extended(members: list[Segment], strip: list[Segment]) -> list[Segment]:
    members.extend(strip)
    return members


def _is_gutter(group: list[Segment], gutter: Gap) -> bool:
    """Whether `gutter` parts columns of text (rather than the cells of a table)."""
    middle = (gutter[0] + gutter[1]) / 2
    left = [segment for segment in group if segment.x1 <= middle]
    right = [segment for segment in group if segment.x0 >= middle]
    if len(left) < 3 or len(right) < 3:
        return False
    if gutter[1] - gutter[0] <= 7.0 and (min(len(left), len(right)) < 6 or not _are_lines(left, right)):
        return False
    if _are_cells(left, right) or _are_cells(right, left):
        return False
    if _shared(left, right) < 0.65 * min(len(left), len(right)):
        return True
    sides = [segment.x0 >= middle for segment in sorted(group, key=lambda s: s.order)]
    crossings = sum(a != b for a, b in itertools.pairwise(sides))
    fewer = min(len(left), len(right))
    return crossings <= max(2, 0.3 * fewer) and _is_prose(left, right)


def _are_lines(left: list[Segment], right: list[Segment]) -> bool:
    """Lines of text that fill their columns; only these stand as close as a word's width."""
    return min(_mean_length(left), _mean_length(right)) > 25


def _are_cells(cells: list[Segment], beside: list[Segment]) -> bool:
    """Short cells that all stand on lines of what is beside them: numbers of a table or of paragraphs."""
    return _mean_length(cells) < 8 and _shared(beside, cells) >= 0.9 * len(cells)


def _is_prose(left: list[Segment], right: list[Segment]) -> bool:
    """Short cells on common baselines are a table written column by column."""
    letters = min(_mean_length(left), _mean_length(right))
    if letters > 18:
        return True
    if _shared(left, right) < 0.8 * min(len(left), len(right)):
        return True
    return len(left) > 12


def _shared(left: list[Segment], right: list[Segment]) -> int:
    """How many segments on the right stand on a baseline of the left."""
    bases = {round(segment.base) for segment in left}
    return sum(round(s.base) in bases or round(s.base) + 1 in bases or round(s.base) - 1 in bases for s in right)


def _mean_length(segments: list[Segment]) -> float:
    return sum(len(segment.text) if segment.text.isascii() else 1.6 * len(segment.text) for segment in segments) / len(
        segments
    )


def _columns(group: list[Segment], gutters: list[Gap]) -> list[list[Segment]]:
    middles = sorted((a + b) / 2 for a, b in gutters)
    columns: list[list[Segment]] = [[] for _ in range(len(middles) + 1)]
    for segment in group:
        centre = (segment.x0 + segment.x1) / 2
        columns[sum(centre > middle for middle in middles)].append(segment)
    letters = sum(len(s.text) for s in group)
    if sum(len(s.text) for s in group if s.rtl) > letters / 2:
        columns.reverse()
    return [column for column in columns if column]
