"""Recognised text made like printed text: even type sizes, bullets that are bullets, no specks read as signs."""

from __future__ import annotations

import re
from itertools import pairwise

from services.extractor.reader.sheet import Segment, Sheet
from services.extractor.reader.wording import word_share

_SPECKS = re.compile(r"^[|_\\/~`'‘’\"“”«»<>^=.,:;—–-]+\s+(?=[|_\\/~]|\w)|\s+[|_\\/~`«»<>^=]+$")
_BULLET = re.compile(r"^(?:[©®¢°»«*+•·¥]|[eo](?=\s))\s*(?=[^\W_])")
_SURE_BULLET = re.compile(r"^[©®¢•»*]\s?")
_BULLETS_ENOUGH = 3
_LARGE, _SMALL = 1.25, 0.8
_APART, _LINES = 1.15, 3
_SPACE = 1.6
_SHORT, _SHORT_LARGE = 12, 1.5  # a few letters may be tall and wide by chance
_WORDS = 0.6


def tidied(sheet: Sheet) -> Sheet:
    """`sheet`, changed in place."""
    kept = []
    for segment in sheet.segments:
        segment.text = _SPECKS.sub("", segment.text.replace("  ", " ")).strip().lstrip("\\")
        segment.mono = segment.bold = segment.italic = 0  # all of it comes in one invented font
        if _is_written(segment.text):
            kept.append(segment)
    sheet.segments = kept
    sheet.rules = []
    kept = sheet.segments = _joined(kept)
    _part_lines(kept)
    _even_sizes(kept)
    _mend_bullets(kept)
    return sheet


def _is_written(text: str) -> bool:
    """Whether more than specks stands there."""
    signs = sum(map(str.isalnum, text))
    return signs >= 0.4 * (len(text) - text.count(" ")) if signs else len(text) == 1 and text in "•*©®¢"


def _joined(segments: list[Segment]) -> list[Segment]:
    """Words of one recognised line in one segment again, where a justified line has wide spaces."""
    out: list[Segment] = []
    for segment in segments:
        last = out[-1] if out else None
        same = last is not None and abs(last.y0 - segment.y0) < 0.2 and abs(last.y1 - segment.y1) < 0.2
        if last is None or not same or not 0 <= segment.x0 - last.x1 < _SPACE * max(last.size, segment.size):
            out.append(segment)
            continue
        last.text, last.parts = f"{last.text} {segment.text}", None
        last.x1, last.size = segment.x1, max(last.size, segment.size)
    return out


def _part_lines(segments: list[Segment]) -> None:
    """Lines one above the other whose boxes overlap cannot stand on one baseline."""
    for above, below in pairwise(segments):
        overlap = min(above.y1, below.y1) - max(above.y0, below.y0)
        beside = min(above.x1, below.x1) - max(above.x0, below.x0)
        thin = min(above.y1 - above.y0, below.y1 - below.y0)
        if beside > 0.3 * min(above.x1 - above.x0, below.x1 - below.x0) and overlap > 0.5 * thin:
            top, bottom = min(above.y0, below.y0), max(above.y1, below.y1)
            above.y0, above.y1 = top, (top + bottom) / 2
            below.y0, below.y1 = above.y1, bottom
            above.base, below.base = above.y1, below.y1


def _even_sizes(segments: list[Segment]) -> None:
    """The ink of a line varies with its letters: all lines get one size, except a few that stand out by height and by
    width from those before and after them."""
    if not segments:
        return
    height = _middle([(segment.y1 - segment.y0, len(segment.text)) for segment in segments])
    breadth = _middle([(_breadth(segment), len(segment.text)) for segment in segments])
    sizes = [_relative(segment, height, breadth) for segment in segments]
    at = 0
    while at < len(sizes):
        end = at
        while end < len(sizes) and sizes[end] > _LARGE:
            end += 1
        before, after = sizes[at - 1] if at else 0.0, sizes[end] if end < len(sizes) else 0.0
        if end - at > _LINES or max(before, after) * _APART > min(sizes[at:end], default=1.0):
            sizes[at:end] = [1.0] * (end - at)
        at = end + 1
    body = _middle([(segment.size, len(segment.text)) for segment in segments])
    for segment, size in zip(segments, sizes, strict=True):
        segment.size = round(2 * body * (size if size > _LARGE or size < _SMALL else 1.0)) / 2


def _relative(segment: Segment, height: float, breadth: float) -> float:
    """How large a line is, its page's middle being 1."""
    if len(segment.text) < 5 or word_share(segment.text) < _WORDS:
        return 1.0
    by_height, by_breadth = (segment.y1 - segment.y0) / height, _breadth(segment) / breadth
    found = min(by_height, by_breadth) if by_height > 1 else max(by_height, by_breadth)
    return 1.0 if 1 < found < _SHORT_LARGE and len(segment.text) < _SHORT else found


def _breadth(segment: Segment) -> float:
    return max(0.1, (segment.x1 - segment.x0) / max(1, len(segment.text)))


def _middle(weighted: list[tuple[float, int]]) -> float:
    """The median of values with weights."""
    half = sum(weight for _, weight in weighted) / 2
    for value, weight in sorted(weighted):
        half -= weight
        if half <= 0:
            return max(value, 0.1)
    return max(weighted[-1][0], 0.1)


def _mend_bullets(segments: list[Segment]) -> None:
    """Bullets are read as ©, ¢, « or e; several of them at starts of lines, one of them no letter, are bullets."""
    marked = [segment for segment in segments if _BULLET.match(segment.text)]
    if len(marked) >= _BULLETS_ENOUGH and any(_SURE_BULLET.match(segment.text) for segment in marked):
        for segment in marked:
            segment.text = _BULLET.sub("• ", segment.text, count=1)
