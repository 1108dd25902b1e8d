"""Runs of one font, as MuPDF gives them, joined to segments on one baseline."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from services.extractor.reader.bidi import compose
from services.extractor.reader.sheet import Segment
from services.extractor.reader.text import clean, find_lost_leaders, is_rtl, is_wide

SCALE = 10
_MONO = re.compile(r"mono|courier|consol|typewriter|cmtt|sftt|ectt|lettergothic|menlo|code", re.I)
_BOLD = re.compile(r"bold|black|heavy|semibold|demi(?!ng)|-bd\b|,bd|cmbx|cmssbx", re.I)
_SCRIPT = re.compile(r"\s*[+\-\u2212]?[0-9]{1,4}\s*$")
_RAISED = str.maketrans("0123456789+-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOWERED = str.maketrans("0123456789+-\u2212", "₀₁₂₃₄₅₆₇₈₉₊₋₋")
_RUN_OF_SPACES = re.compile(r"\s{3,}")


class IntBox(msgspec.Struct, gc=False):
    """A box in tenths of a point."""

    x: int
    y: int
    w: int
    h: int


class Font(msgspec.Struct, gc=False):
    """The font of a run."""

    name: str
    family: str
    weight: str
    style: str
    size: float


class Line(msgspec.Struct, gc=False):
    """A run of text in one font."""

    bbox: IntBox
    font: Font
    y: int
    text: str


def segments_of(lines: list[Line]) -> list[Segment]:
    """Runs joined to segments, in the order of the content stream."""
    found: list[Segment] = []
    current: Segment | None = None
    usual: dict[str, tuple[float, float]] = {}
    space = False
    for line in lines:
        text = line.text
        if not text.isprintable() or not text.isascii():
            text = clean(text)
        if not text.strip():
            space = True
            continue
        font = line.font
        mono = font.family == "monospace" or _looks(font.name)[2]
        if not mono and "   " in text:
            goes_on = current if text[:3].strip() else None
            for part in _split(line, text):
                current = _extend(found, goes_on, part, mono, space)
                goes_on, space = None, False
            continue
        box = line.bbox
        x0, y0, size = box.x / SCALE, box.y / SCALE, font.size / SCALE
        piece = Segment(
            x0, y0, x0 + box.w / SCALE, y0 + box.h / SCALE, line.y / SCALE, size, text, font.name, len(found)
        )
        _style(piece, font, mono)
        if text[0] == " " and current is not None:
            _settle(piece, current, lines, usual)
        current = _extend(found, current, piece, mono, space)
        space = False
    for segment in found:
        segment.text = segment.text.strip()
        if segment.usual < segment.size < 1.2 * segment.usual:  # a few words in a font that runs larger
            segment.size = segment.usual
        if not segment.text.isascii():
            segment.text = find_lost_leaders(segment.text)
            segment.rtl = is_rtl(segment.text)
            if segment.rtl and segment.parts and not all(is_rtl(part[2]) for part in segment.parts):
                segment.text = compose(segment.parts, segment.size)
    return found


@lru_cache(512)
def _looks(name: str) -> tuple[bool, bool, bool]:
    """Whether a font is bold, italic, monospaced, by its name."""
    return bool(_BOLD.search(name)), "talic" in name or "blique" in name, bool(_MONO.search(name))


def _style(piece: Segment, font: Font, mono: bool) -> None:
    count = len(piece.text)
    bold, italic, _ = _looks(font.name)
    if bold or font.weight == "bold":
        piece.bold = count
    if italic or font.style == "italic":
        piece.italic = count
    if mono:
        piece.mono = count


def _split(line: Line, text: str) -> list[Segment]:
    """Parts of a run that was set with runs of spaces between columns; places are interpolated."""
    parts, start = [], 0
    width = line.bbox.w / SCALE / max(1, len(text))
    left, top, bottom = line.bbox.x / SCALE, line.bbox.y / SCALE, (line.bbox.y + line.bbox.h) / SCALE
    for gap in [*_RUN_OF_SPACES.finditer(text), None]:
        end = gap.start() if gap else len(text)
        part = text[start:end]
        if part.strip():
            segment = Segment(
                left + start * width, top, left + end * width, bottom, line.y / SCALE, line.font.size / SCALE, part,
                line.font.name, 0,
            )  # fmt: skip
            _style(segment, line.font, False)
            parts.append(segment)
        start = gap.end() if gap else end
    return parts


def _settle(piece: Segment, before: Segment, lines: list[Line], usual: dict[str, tuple[float, float]]) -> None:
    """Correct the baseline of a run behind one on another baseline or in another size; fills `usual` when needed."""
    scale = piece.size / before.size
    if abs(piece.base - before.base) > 0.1 * piece.size or not 0.85 < scale < 1.18:
        if not usual:
            usual.update(_usual_boxes(lines))
        height, rise = usual.get(piece.font, (0.0, 0.0))
        if not _level(piece, height, rise):
            _level_by(piece, before)


def _usual_boxes(lines: list[Line]) -> dict[str, tuple[float, float]]:
    """How high the boxes of each font are and how far they rise above the baseline, in ems.

    It is the least that counts: runs that stand on two baselines have higher ones.
    """
    usual: dict[str, tuple[float, float]] = {}
    for line in lines:
        size, name = line.font.size, line.font.name
        if size > 0 and (name not in usual or line.bbox.h / size < usual[name][0]):
            usual[name] = (line.bbox.h / size, (line.y - line.bbox.y) / size)
    return usual


def _level(piece: Segment, height: float, rise: float) -> bool:
    """Put a run back on its baseline when only its leading space stands on another one; whether it did.

    A run is told by its first character, and typesetters raise or lower a note's number after the space. The box is
    then higher than those of its font, and begins or ends where that of the space does.
    """
    excess = piece.y1 - piece.y0 - height * piece.size
    if height <= 0.0 or not 0.1 * piece.size < excess < 0.7 * piece.size:
        return False
    if abs(piece.base - piece.y0 - rise * piece.size) < 0.5 * excess:
        piece.y0 += excess
        piece.base += excess
    else:
        piece.y1 -= excess
        piece.base -= excess
    return True


def _level_by(piece: Segment, before: Segment) -> None:
    """The same by the box of the run before, where no other run of the font tells how high its boxes are."""
    scale = piece.size / before.size
    if piece.font != before.font if scale == 1.0 else scale > 0.85 or not _SCRIPT.match(piece.text.strip()):
        return  # boxes of different fonts tell nothing
    excess = piece.y1 - piece.y0 - scale * (before.y1 - before.y0)
    if not 0.2 * piece.size < excess < 0.6 * before.size:
        return
    top = piece.base - scale * (before.base - before.y0)  # of the space
    if abs(top - piece.y0) < 0.1 * piece.size:
        piece.y0 += excess
        piece.base += excess
    else:
        piece.y1 -= excess
        piece.base -= excess


def _extend(found: list[Segment], current: Segment | None, piece: Segment, mono: bool, space: bool) -> Segment:
    """Append `piece` to the current segment when it goes on there, or start a new one."""
    if current is not None:
        gap = piece.x0 - current.x1
        big = max(piece.size, current.size)
        near = abs(piece.base - current.base) < 0.2 * big
        raised = (
            not near and piece.y0 < current.y1 and piece.y1 > current.y0 and abs(piece.base - current.base) < 0.55 * big
        )
        rtl = (
            gap < -0.5 * big
            and 0 <= current.x0 - piece.x1 + 0.3 * big < 1.3 * big
            and is_rtl(current.text + piece.text)
        )
        reach = 0.45 if piece.text[0].isdigit() and current.text[-1].isdigit() else 0.95
        if (near or (raised and piece.size != current.size)) and (-0.35 * big < gap < reach * big or rtl):
            _append(current, piece, gap, big, space, rtl)
            return current
    piece.order = len(found)
    found.append(piece)
    return piece


def _raise_digits(current: Segment, piece: Segment) -> None:
    """Write the smaller of two joined runs in raised or lowered digits when it is a number set as such."""
    small, large = (piece, current) if piece.size < current.size else (current, piece)
    rise = (large.base - small.base) / large.size
    if small.size < 0.85 * large.size and not small.rtl and _SCRIPT.match(small.text):
        if rise > 0.15:
            small.text = small.text.translate(_RAISED)
        elif rise < -0.06:
            small.text = small.text.translate(_LOWERED)


def _append(current: Segment, piece: Segment, gap: float, big: float, space: bool, rtl: bool) -> None:
    if piece.size != current.size and abs(piece.base - current.base) > 0.06 * big:
        _raise_digits(current, piece)
    if current.parts is None:
        current.parts = [(current.x0, current.x1, current.text)]
    current.parts.append((piece.x0, piece.x1, piece.text))
    if rtl:
        gap = current.x0 - piece.x1
    backwards = not rtl and not piece.text.isascii() and is_rtl(piece.text) and is_rtl(current.text)
    first, second = (piece.text, current.text) if backwards else (current.text, piece.text)
    tight = is_wide(first[-1]) and is_wide(second[0])
    blank = (
        " " in (first[-1], second[0], current.text[-1], piece.text[0]) if backwards else " " in (first[-1], second[0])
    )
    if backwards or not blank:
        first, second = first.rstrip(), second.lstrip()
        blank = blank or (not tight and (space or gap > 0.17 * min(piece.size, current.size)))
        current.text = f"{first} {second}" if blank else first + second
    else:
        current.text = first + second
    if len(piece.text) > current.longest:
        current.longest, current.usual = len(piece.text), piece.size
    if piece.size >= current.size:
        if piece.size > current.size * 1.15 or len(piece.text) * 2 > len(current.text):
            current.font = piece.font
        current.size, current.base = piece.size, piece.base
    current.x0, current.x1 = min(current.x0, piece.x0), max(current.x1, piece.x1)
    current.y0, current.y1 = min(current.y0, piece.y0), max(current.y1, piece.y1)
    current.bold += piece.bold
    current.italic += piece.italic
    current.mono += piece.mono
