"""Raw access to a page: runs of text on one baseline ("segments") and the rules drawn between them.

MuPDF prints its structured text as JSON in C, which is twice as fast as the dictionaries that
PyMuPDF makes; with PRESERVE_SPANS every "line" of that JSON has one font, so no style is lost.
"""

from __future__ import annotations

import re

import msgspec
import pymupdf
from pymupdf import mupdf

from services.extractor.caps import Caps
from services.extractor.pages import Box
from services.extractor.reader.arabic import has_ligatures, repaired_lines
from services.extractor.reader.links import read_links
from services.extractor.reader.sheet import Rule, Sheet
from services.extractor.reader.spans import SCALE, IntBox, Line, segments_of
from services.extractor.reader.text import clean

_FLAGS = mupdf.FZ_STEXT_PRESERVE_SPANS | mupdf.FZ_STEXT_CLIP | mupdf.FZ_STEXT_USE_CID_FOR_UNKNOWN_UNICODE
_FLAGS |= (
    mupdf.FZ_STEXT_COLLECT_VECTORS | mupdf.FZ_STEXT_PRESERVE_LIGATURES
)  # Arabic ones would be taken apart backwards
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class _Block(msgspec.Struct, gc=False):
    bbox: IntBox | None = None
    lines: list[Line] = []


class _Stext(msgspec.Struct):
    blocks: list[_Block]


_DECODER = msgspec.json.Decoder(_Stext)


def read_sheet(page: pymupdf.Page, caps: Caps = Caps()) -> Sheet:
    """The text and rules of `page` in the coordinates a reader sees (its rotation applied)."""
    stext = mupdf.FzStextPage(page.this, _options(_FLAGS))
    rules = _rules(stext, caps.graphics)
    if len(rules) == caps.graphics:  # printing a million of them takes seconds
        stext = mupdf.FzStextPage(page.this, _options(_FLAGS & ~mupdf.FZ_STEXT_COLLECT_VECTORS))
    bound = stext.m_internal.mediabox
    sheet = Sheet(page.number + 1, bound.x1 - bound.x0, bound.y1 - bound.y0, page.rotation)
    raw = _print(stext)
    lines = [line for block in _decode(raw).blocks for line in block.lines]
    if has_ligatures(raw):
        _repair(stext, lines)
    if sheet.rotation or any(line.bbox.h > 2 * line.bbox.w and len(line.text) > 2 for line in lines):
        lines = _turn(stext, lines, sheet)
    lines = _capped(lines, caps.chars, sheet)
    sheet.segments = segments_of(lines)
    if (not sheet.segments or page.parent.is_repaired) and _lacks_content(page):
        sheet.warnings.append("content_lost")
    if sheet.segments:
        read_links(page, stext, sheet)
    if sheet.segments and len(rules) == caps.graphics:
        sheet.warnings.append("graphics_limit")
    elif sheet.segments:
        sheet.rules = [_turned(rule, sheet) for rule in rules] if sheet.turn != (1, 0) else rules
    return sheet


def _lacks_content(page: pymupdf.Page) -> bool:
    """Whether the page names drawing instructions that the damaged file does not hold; MuPDF reads it as if empty."""
    return any(not page.parent.xref_is_stream(xref) for xref in page.get_contents())


def _capped(lines: list[Line], most: int, sheet: Sheet) -> list[Line]:
    """`lines` up to that many characters."""
    for index, line in enumerate(lines):
        if len(line.text) > most:
            line.text = line.text[:most]
            sheet.warnings.append("text_capped")
            return lines[: index + 1]
        most -= len(line.text)
    return lines


def _repair(stext: mupdf.FzStextPage, lines: list[Line]) -> None:
    texts = repaired_lines(stext)
    if len(texts) == len(lines):
        for line, text in zip(lines, texts, strict=True):
            if len(text) == len(line.text):
                line.text = text


def _options(flags: int) -> mupdf.FzStextOptions:
    options = mupdf.FzStextOptions()
    options.flags = flags
    return options


def _print(stext: mupdf.FzStextPage) -> bytes:
    buffer = mupdf.FzBuffer(1 << 16)
    out = mupdf.FzOutput(buffer)
    mupdf.fz_print_stext_page_as_json(out, stext, SCALE)
    out.fz_close_output()
    return bytes(buffer.fz_buffer_extract())


def _decode(raw: bytes) -> _Stext:
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):  # lone surrogates from a broken ToUnicode map
        text = _SURROGATE.sub(rb"\\ufffd", raw).decode("utf-8", "replace")
        return _DECODER.decode(text)


def _turn(stext: mupdf.FzStextPage, lines: list[Line], sheet: Sheet) -> list[Line]:
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
            sheet.aside.setdefault(way, []).extend(segments_of([line]))
    if main[1]:
        sheet.width, sheet.height = sheet.height, sheet.width
    sheet.turn = main
    if main != (1, 0):
        sheet.warnings.append("text_turned")
    return kept


def _rotate(line: Line, way: tuple[int, int], sheet: Sheet) -> None:
    box, width, height = line.bbox, int(sheet.width * SCALE), int(sheet.height * SCALE)
    if way == (0, -1):
        line.bbox = IntBox(height - box.y - box.h, box.x, box.h, box.w)
    elif way == (0, 1):
        line.bbox = IntBox(box.y, width - box.x - box.w, box.h, box.w)
    elif way == (-1, 0):
        line.bbox = IntBox(width - box.x - box.w, height - box.y - box.h, box.w, box.h)
    if way != (1, 0):
        line.y = line.bbox.y + int(line.bbox.h * 0.8)


def _rules(stext: mupdf.FzStextPage, most: int) -> list[Rule]:
    """The drawn lines of a page, at most so many."""
    rules: list[Rule] = []
    block, vector, left = stext.m_internal.first_block, mupdf.FZ_STEXT_BLOCK_VECTOR, most
    while block and left:
        if block.type == vector:
            box = block.bbox
            rules.append(Rule(box.x0, box.y0, box.x1, box.y1))
            left -= 1
        block = block.next
    return rules


def _turned(rule: Rule, sheet: Sheet) -> Rule:
    """A rule of a sheet that has been turned; its width and height are already those of the turned sheet."""
    if sheet.turn == (0, -1):
        return Rule(sheet.width - rule.y1, rule.x0, sheet.width - rule.y0, rule.x1)
    if sheet.turn == (0, 1):
        return Rule(rule.y0, sheet.height - rule.x1, rule.y1, sheet.height - rule.x0)
    return Rule(sheet.width - rule.x1, sheet.height - rule.y1, sheet.width - rule.x0, sheet.height - rule.y0)


def text_boxes(stext: mupdf.FzStextPage) -> list[tuple[Box, list[str]]]:
    """The text blocks of a page with their places and lines."""
    return [
        (
            _box(block.bbox),
            [clean(line.text).strip() for line in block.lines],
        )
        for block in _decode(_print(stext)).blocks
        if block.lines and block.bbox
    ]


def line_boxes(stext: mupdf.FzStextPage) -> list[tuple[Box, str]]:
    """The lines of text of a page with their places."""
    return [
        (_box(line.bbox), clean(line.text).strip()) for block in _decode(_print(stext)).blocks for line in block.lines
    ]


def _box(box: IntBox) -> Box:
    return (box.x / SCALE, box.y / SCALE, (box.x + box.w) / SCALE, (box.y + box.h) / SCALE)
