"""Repair of Arabic lam-alef ligatures, which MuPDF takes apart in the wrong order.

A ligature glyph that stands for two letters gives one letter its whole width and the other none.
When the line is turned into logical order the two change places; the letter without width tells where.
"""

from __future__ import annotations

import html
import re

from pymupdf import mupdf

_LINE = re.compile(r"<line .*?</line>", re.S)
_CHAR = re.compile(r'<char c="([^"]*)" quad="(\S+) \S+ (\S+) ')
_LETTER = re.compile("[ء-غف-يٮ-ۓ]")
_NO_WIDTH = 0.05


def has_ligatures(raw: bytes) -> bool:
    """Whether the text of a page may hold a ligature taken apart."""
    return not raw.isascii() and b"\xd9\x84" in raw  # the letter lam


def repaired_lines(stext: mupdf.FzStextPage) -> list[str]:
    """The text of every line of the page, with its ligatures in logical order."""
    buffer = mupdf.FzBuffer(65536)
    out = mupdf.FzOutput(buffer)
    mupdf.fz_print_stext_page_as_xml(out, stext, 0)
    out.fz_close_output()
    xml = bytes(buffer.fz_buffer_extract()).decode("utf-8", "replace")
    return [_repaired(line.group()) for line in _LINE.finditer(xml)]


def _repaired(line: str) -> str:
    chars = [(float(x1) - float(x0), html.unescape(char)) for char, x0, x1 in _CHAR.findall(line)]
    text = "".join(char for _, char in chars)
    thin = [abs(width) < _NO_WIDTH and _LETTER.match(char) is not None for width, char in chars]
    if len(text) != len(chars) or True not in thin:
        return text
    letters = list(text)
    at = 0
    while at < len(thin):
        end = at
        while end < len(thin) and thin[end]:
            end += 1
        if end > at and end < len(thin) and _LETTER.match(letters[end]):
            letters[at : end + 1] = letters[at : end + 1][::-1]
        at = end + 1
    return "".join(letters)
