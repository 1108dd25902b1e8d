"""How blocks begin and end, told from the words of their lines: sections, notes, references, entries of contents."""

from __future__ import annotations

import re

from services.extractor.reader.piece import BULLET, TICK, Piece
from services.extractor.reader.rows import Row
from services.extractor.reader.styles import is_numbered
from services.extractor.reader.text import shorten_leaders

_SECTION = re.compile(r"^\d{1,2}(?:\.\d{1,3}){1,6}\.?\s+(?=[^\W\d_])")
_REFERENCE = re.compile(r"^\[\d{1,3}\]\s")
_MARKED = re.compile(r"^(?:[*†‡§¶※]{1,5}|[⁰¹²³⁴-⁹]{1,3})\s?[^\W_]")
_CLOSERS = "\"'”’)»]"
_STOPS = frozenset(".!?:;。！？：؟…")


def ends_sentence(text: str) -> bool:
    """Whether `text` ends with a sentence, looked at from its end."""
    return text.rstrip(_CLOSERS)[-1:] in _STOPS


def opens_block(text: str, above: str, *, sentence: bool) -> bool:
    """Whether `text` begins a section, a note, a reference or a box to tick, whatever the space above it.

    `above` is the block it would go on with, `sentence` whether that ends with one.
    """
    if text[0].isalpha():
        return False
    if TICK.match(text) or _opens_section(text):
        return True
    if _MARKED.match(text) and (sentence or _MARKED.match(above) or BULLET.match(above)):
        return True
    return sentence and _REFERENCE.match(text) is not None and _REFERENCE.match(above) is not None


def begins_entry(row: Row, after: Row, text: str, last: Piece | None) -> bool:
    """Whether `row` is the first line of an entry of a table of contents that goes on, to its leaders, in `after`."""
    if not after.cells[-1].text[-1:].isdigit():  # looked at first: most lines end otherwise
        return False
    rest = shorten_leaders(after.text)
    if " ... " not in rest or not rest[-1].isdigit() or " ... " in text or is_numbered(rest):
        return False
    among = last is not None and last.kind == "list" and " ... " in last.text
    return (among or is_numbered(text)) and after.base - row.base < 1.45 * row.size and abs(after.size - row.size) < 0.5


def _opens_section(text: str) -> bool:
    """Whether `text` begins with the number of a section; a figure in a sentence is followed by small letters."""
    number = _SECTION.match(text)
    return number is not None and not text[number.end()].islower()
