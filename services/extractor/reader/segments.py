"""Raw access to a page: runs of text on one baseline ("segments") and the rules drawn between them.

MuPDF prints its structured text as JSON in C, which is twice as fast as the dictionaries that
PyMuPDF makes; with PRESERVE_SPANS every "line" of that JSON has one font, so no style is lost.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pymupdf
from pymupdf import mupdf

from services.extractor.pages import Box
from services.extractor.reader.arabic import has_ligatures, repaired_lines
from services.extractor.reader.text import clean, is_rtl, is_wide

_FLAGS = mupdf.FZ_STEXT_PRESERVE_SPANS | mupdf.FZ_STEXT_CLIP | mupdf.FZ_STEXT_USE_CID_FOR_UNKNOWN_UNICODE
_FLAGS |= (
    mupdf.FZ_STEXT_COLLECT_VECTORS | mupdf.FZ_STEXT_PRESERVE_LIGATURES
)  # Arabic ones would be taken apart backwards
_SCALE = 10
_EMPTY_BLOCKS = re.compile(rb',+(?=\{"type":")')  # a vector is printed as an empty entry
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_RUN_OF_SPACES = re.compile(r"\s{3,}")
_BOLD = re.compile(r"bold|black|heavy|semibold|demi(?!ng)|-bd\b|,bd|cmbx|cmssbx", re.I)
_MONO = re.compile(r"mono|courier|consol|typewriter|cmtt|sftt|ectt|lettergothic|menlo|code", re.I)
GRAPHICS_LIMIT = 4000


class _Box(msgspec.Struct):
    x: int
    y: int
    w: int
    h: int


class _Font(msgspec.Struct):
    name: str
    family: str
    weight: str
    style: str
    size: float


class _Line(msgspec.Struct):
    bbox: _Box
    font: _Font
    y: int
    text: str


class _Block(msgspec.Struct):
    bbox: _Box | None = None
    lines: list[_Line] = []


class _Stext(msgspec.Struct):
    blocks: list[_Block]


_DECODER = msgspec.json.Decoder(_Stext)


class Segment:
    """A run of text on one baseline without a wide gap; `order` is its place in the content stream."""

    __slots__ = (
        "base",
        "bold",
        "font",
        "italic",
        "mono",
        "order",
        "rtl",
        "size",
        "table",
        "text",
        "x0",
        "x1",
        "y0",
        "y1",
    )

    def __init__(
        self, x0: float, y0: float, x1: float, y1: float, base: float, size: float, text: str, font: str, order: int
    ) -> None:
        self.x0, self.y0, self.x1, self.y1, self.base, self.size = x0, y0, x1, y1, base, size
        self.text, self.font, self.order = text, font, order
        self.bold = self.italic = self.mono = 0  # counts of characters
        self.rtl = False
        self.table: Any = None


class Rule:
    """A drawn line or rectangle of the page, as its bounding box."""

    __slots__ = ("x0", "x1", "y0", "y1")

    def __init__(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1


class Sheet:
    """All that was read from one page before its layout is understood."""

    __slots__ = ("aside", "height", "number", "rotation", "rules", "segments", "warnings", "width")

    def __init__(self, number: int, width: float, height: float, rotation: int) -> None:
        self.number, self.width, self.height, self.rotation = number, width, height, rotation
        self.segments: list[Segment] = []
        self.aside: list[Segment] = []  # text that runs in another direction than the page
        self.rules: list[Rule] = []
        self.warnings: list[str] = []


def read_sheet(page: pymupdf.Page) -> Sheet:
    """The text and rules of `page` in the coordinates a reader sees (its rotation applied)."""
    stext = mupdf.FzStextPage(page.this, _options())
    bound = stext.m_internal.mediabox
    sheet = Sheet(page.number + 1, bound.x1 - bound.x0, bound.y1 - bound.y0, page.rotation)
    raw = _print(stext)
    lines = [line for block in _decode(raw).blocks for line in block.lines]
    if has_ligatures(raw):
        _repair(stext, lines)
    if sheet.rotation or any(line.bbox.h > 2 * line.bbox.w and len(line.text) > 2 for line in lines):
        lines = _turn(stext, lines, sheet)
    sheet.segments = _segments(lines)
    if sheet.segments and raw.count(b",,") + raw.count(b"[,") > 0:
        _read_rules(stext, sheet)
    return sheet


def _repair(stext: mupdf.FzStextPage, lines: list[_Line]) -> None:
    texts = repaired_lines(stext)
    if len(texts) == len(lines):
        for line, text in zip(lines, texts, strict=True):
            if len(text) == len(line.text):
                line.text = text


def _options() -> mupdf.FzStextOptions:
    options = mupdf.FzStextOptions()
    options.flags = _FLAGS
    return options


def _print(stext: mupdf.FzStextPage) -> bytes:
    buffer = mupdf.FzBuffer(8192)
    out = mupdf.FzOutput(buffer)
    mupdf.fz_print_stext_page_as_json(out, stext, _SCALE)
    out.fz_close_output()
    return bytes(buffer.fz_buffer_extract())


def _decode(raw: bytes) -> _Stext:
    tidy = _EMPTY_BLOCKS.sub(b",", raw).replace(b'{"blocks":[,', b'{"blocks":[', 1)
    if tidy.endswith(b",]}"):
        tidy = tidy[:-2].rstrip(b",") + b"]}"
    tidy = tidy.replace(b'{"blocks":[,', b'{"blocks":[', 1)
    try:
        return _DECODER.decode(tidy)
    except (msgspec.DecodeError, UnicodeDecodeError):  # lone surrogates from a broken ToUnicode map
        text = _SURROGATE.sub(rb"\\ufffd", tidy).decode("utf-8", "replace")
        return _DECODER.decode(text)


def _segments(lines: list[_Line]) -> list[Segment]:
    found: list[Segment] = []
    current: Segment | None = None
    space = False
    for line in lines:
        text = line.text
        if not text.isprintable() or not text.isascii():
            text = clean(text)
        if not text.strip():
            space = True
            continue
        font = line.font
        mono = font.family == "monospace" or _MONO.search(font.name) is not None
        if not mono and "   " in text:
            for part in _split(line, text):
                current = _extend(found, None, part, mono, False)
            space = False
            continue
        box = line.bbox
        x0, y0, size = box.x / _SCALE, box.y / _SCALE, font.size / _SCALE
        piece = Segment(
            x0, y0, x0 + box.w / _SCALE, y0 + box.h / _SCALE, line.y / _SCALE, size, text, font.name, len(found)
        )
        _style(piece, font, mono)
        current = _extend(found, current, piece, mono, space)
        space = False
    for segment in found:
        segment.text = segment.text.strip()
        if not segment.text.isascii():
            segment.rtl = is_rtl(segment.text)
    return found


def _style(piece: Segment, font: _Font, mono: bool) -> None:
    count = len(piece.text)
    if font.weight == "bold" or _BOLD.search(font.name):
        piece.bold = count
    if font.style == "italic" or "talic" in font.name or "blique" in font.name:
        piece.italic = count
    if mono:
        piece.mono = count


def _split(line: _Line, text: str) -> list[Segment]:
    """Parts of a run that was set with runs of spaces between columns; places are interpolated."""
    parts, start = [], 0
    width = line.bbox.w / _SCALE / max(1, len(text))
    left, top, bottom = line.bbox.x / _SCALE, line.bbox.y / _SCALE, (line.bbox.y + line.bbox.h) / _SCALE
    for gap in [*_RUN_OF_SPACES.finditer(text), None]:
        end = gap.start() if gap else len(text)
        part = text[start:end]
        if part.strip():
            segment = Segment(
                left + start * width, top, left + end * width, bottom, line.y / _SCALE, line.font.size / _SCALE, part,
                line.font.name, 0,
            )  # fmt: skip
            _style(segment, line.font, False)
            parts.append(segment)
        start = gap.end() if gap else end
    return parts


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


def _append(current: Segment, piece: Segment, gap: float, big: float, space: bool, rtl: bool) -> None:
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
    if piece.size >= current.size:
        if piece.size > current.size * 1.15 or len(piece.text) * 2 > len(current.text):
            current.font = piece.font
        current.size, current.base = piece.size, piece.base
    current.x0, current.x1 = min(current.x0, piece.x0), max(current.x1, piece.x1)
    current.y0, current.y1 = min(current.y0, piece.y0), max(current.y1, piece.y1)
    current.bold += piece.bold
    current.italic += piece.italic
    current.mono += piece.mono


def _turn(stext: mupdf.FzStextPage, lines: list[_Line], sheet: Sheet) -> list[_Line]:
    """Turn the page so that most of its text runs level; text in other directions goes aside."""
    directions = [
        (round(line.m_internal.dir.x), round(line.m_internal.dir.y))
        for block in stext
        if block.m_internal.type == mupdf.FZ_STEXT_BLOCK_TEXT
        for line in block
    ]
    if len(directions) != len(lines):
        return lines
    weight: dict[tuple[int, int], int] = {}
    for way, line in zip(directions, lines, strict=True):
        weight[way] = weight.get(way, 0) + len(line.text)
    main = max(weight, key=lambda way: weight[way]) if weight else (1, 0)
    kept = []
    for way, line in zip(directions, lines, strict=True):
        _rotate(line, way, sheet)
        if way == main:
            kept.append(line)
        else:
            sheet.aside.extend(_segments([line]))
    if main[1]:
        sheet.width, sheet.height = sheet.height, sheet.width
    if main != (1, 0):
        sheet.warnings.append("text_turned")
    return kept


def _rotate(line: _Line, way: tuple[int, int], sheet: Sheet) -> None:
    box, width, height = line.bbox, int(sheet.width * _SCALE), int(sheet.height * _SCALE)
    if way == (0, -1):
        line.bbox = _Box(height - box.y - box.h, box.x, box.h, box.w)
    elif way == (0, 1):
        line.bbox = _Box(box.y, width - box.x - box.w, box.h, box.w)
    elif way == (-1, 0):
        line.bbox = _Box(width - box.x - box.w, height - box.y - box.h, box.w, box.h)
    if way != (1, 0):
        line.y = line.bbox.y + int(line.bbox.h * 0.8)


def _read_rules(stext: mupdf.FzStextPage, sheet: Sheet) -> None:
    rules: list[Rule] = []
    block, vector = stext.m_internal.first_block, mupdf.FZ_STEXT_BLOCK_VECTOR
    while block:
        if block.type == vector:
            box = block.bbox
            rules.append(Rule(box.x0, box.y0, box.x1, box.y1))
            if len(rules) >= GRAPHICS_LIMIT:
                sheet.warnings.append("graphics_limit")
                return
        block = block.next
    sheet.rules = [] if "text_turned" in sheet.warnings else rules


def text_boxes(stext: mupdf.FzStextPage) -> list[tuple[Box, str]]:
    """The text blocks of a page with their places."""
    return [
        (
            (
                block.bbox.x / _SCALE,
                block.bbox.y / _SCALE,
                (block.bbox.x + block.bbox.w) / _SCALE,
                (block.bbox.y + block.bbox.h) / _SCALE,
            ),
            " ".join(clean(line.text).strip() for line in block.lines).strip(),
        )
        for block in _decode(_print(stext)).blocks
        if block.lines and block.bbox
    ]
