"""The lines drawn on a page, told from filled bands, and the groups in which they touch each other."""

from __future__ import annotations

from bisect import bisect_left

from services.extractor.reader.sheet import Rule, Segment, Sheet

THIN = 3.0
_TOUCH = 3.0
_MIN_LINE = 6.0
_WIDEST = 12.0
_MOST_BOXES = 400


def thin_strokes(sheet: Sheet) -> None:
    """Make lines thin again whose box has room for the mitres that their ends might have.

    Such a box is as much too long at both ends as it is too thick on both sides. A band that is filled
    to set off a row of a table is as thick, but has text in it.
    """
    wide = [r for r in sheet.rules if THIN < min(r.x1 - r.x0, r.y1 - r.y0) <= _WIDEST]
    if not wide:
        return
    segments = sorted(sheet.segments, key=_middle)
    middles = [_middle(segment) for segment in segments]
    for rule in wide:
        width, height = rule.x1 - rule.x0, rule.y1 - rule.y0
        thick = min(width, height)
        if max(width, height) < 2 * thick + 2 or _holds_text(rule, segments, middles):
            continue
        half = thick / 2 - 0.25
        rule.x0, rule.x1, rule.y0, rule.y1 = rule.x0 + half, rule.x1 - half, rule.y0 + half, rule.y1 - half


def _middle(segment: Segment) -> float:
    return (segment.y0 + segment.y1) / 2


def _holds_text(rule: Rule, segments: list[Segment], middles: list[float]) -> bool:
    """Whether the middle of a line of text lies in a level band, or a text in an upright one."""
    level = rule.x1 - rule.x0 > rule.y1 - rule.y0
    at = bisect_left(middles, rule.y0)
    while at < len(middles) and middles[at] < rule.y1:
        segment = segments[at]
        if level and segment.x0 < rule.x1 and segment.x1 > rule.x0:
            return abs(middles[at] - (rule.y0 + rule.y1) / 2) < 0.3 * (rule.y1 - rule.y0)
        if not level and rule.x0 < segment.x0 and segment.x1 < rule.x1:
            return True
        at += 1
    return False


def lines_of(sheet: Sheet) -> list[Rule]:
    """Thin lines of the page; the edges of boxes count as lines."""
    lines: list[Rule] = []
    limit_x, limit_y = sheet.width * 0.98, sheet.height * 0.9
    shades = _shades_of_lines(sheet.rules)
    for number, rule in enumerate(sheet.rules):
        width, height = rule.x1 - rule.x0, rule.y1 - rule.y0
        if width <= THIN or height <= THIN:
            if width >= _MIN_LINE or height >= _MIN_LINE:
                lines.append(rule)
        elif width < limit_x and height < limit_y and width >= 8 and height >= 6 and number not in shades:
            lines.append(Rule(rule.x0, rule.y0, rule.x1, rule.y0))
            lines.append(Rule(rule.x0, rule.y1, rule.x1, rule.y1))
            lines.append(Rule(rule.x0, rule.y0, rule.x0, rule.y1))
            lines.append(Rule(rule.x1, rule.y0, rule.x1, rule.y1))
    return lines


def _shades_of_lines(rules: list[Rule]) -> set[int]:
    """Which of `rules` are the grounds of single lines in a cell: boxes as far in from both sides of a larger box.

    Word processors fill the ground of a cell and, once more, that of each of its lines; the latter edge nothing.
    """
    boxes = [(i, r) for i, r in enumerate(rules) if r.x1 - r.x0 >= 8 and r.y1 - r.y0 >= 6]
    if len(boxes) > _MOST_BOXES:
        return set()
    at: dict[int, list[Rule]] = {}
    for _, box in boxes:
        at.setdefault(round(box.x0), []).append(box)
    found: set[int] = set()
    for number, box in boxes:
        for x in range(round(box.x0) - 8, round(box.x0) - 3):
            for outer in at.get(x, ()):
                if (
                    abs(box.x0 - outer.x0 - outer.x1 + box.x1) < 1.0
                    and outer.y0 - 1 <= box.y0
                    and box.y1 <= outer.y1 + 1
                ):
                    found.add(number)
    return found


def components(lines: list[Rule]) -> list[list[Rule]]:
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
