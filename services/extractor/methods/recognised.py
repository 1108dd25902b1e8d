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
_LARGE, _SMALL = 1.2, 0.8
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
    _part_lines(kept)
    _even_sizes(kept)
    _mend_bullets(kept)
    return sheet


def _is_written(text: str) -> bool:
    """Whether more than specks stands there."""
    signs = sum(map(str.isalnum, text))
    return signs >= 0.4 * (len(text) - text.count(" ")) if signs else len(text) == 1 and text in "•*©®¢"


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
    """The ink of a line varies with its letters; only what is clearly larger or smaller by height and by width, and
    made of words, has a size of its own."""
    if not segments:
        return
    height = _middle([(segment.y1 - segment.y0, len(segment.text)) for segment in segments])
    breadth = _middle([(_breadth(segment), len(segment.text)) for segment in segments])
    for segment in segments:
        by_height, by_breadth = (segment.y1 - segment.y0) / height, _breadth(segment) / breadth
        if len(segment.text) < 5 or word_share(segment.text) < _WORDS:
            by_height = by_breadth = 1.0
        if by_height > _LARGE and by_breadth > _LARGE:
            segment.size = height * min(by_height, by_breadth)
        elif by_height < _SMALL and by_breadth < _SMALL:
            segment.size = height * max(by_height, by_breadth)
        else:
            segment.size = height
        segment.size = round(segment.size * 2) / 2


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
