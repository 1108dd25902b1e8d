"""Page anchors: the line `--- Seite N ---` before every page of a transcript (checklist A3.36, conformance page_split).

An anchor is one line: up to three spaces of indent, three or more hyphens (or one en or em dash), `Seite`, a number,
dashes again, nothing else. Lines end at LF, CRLF or a lone CR, because a file read in text mode turns the last into
the first. Document text that looks like an anchor is escaped by the extractor and restored by `unescape_anchors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_DASHES = "(?:-{3,}|[–—]+)"
_ANCHOR = _DASHES + r"[ \t]*Seite[ \t]+([0-9]{1,9})[ \t]*" + _DASHES + r"[ \t]*(?=[\r\n]|\Z)"
_LINE = re.compile(r"(?:^|(?<=\r)) {0,3}" + _ANCHOR, re.MULTILINE)
_ESCAPABLE = re.compile(r"((?:^|(?<=\r)) {0,3})(?=\\*" + _ANCHOR + ")", re.MULTILINE)
_ESCAPED = re.compile(r"((?:^|(?<=\r)) {0,3})\\(?=\\*" + _ANCHOR + ")", re.MULTILINE)


class PageText(NamedTuple):
    """One page of a body: `text == body[start:end]`, without surrounding blank space; offsets in characters."""

    number: int
    text: str
    start: int
    end: int


class PageRange(NamedTuple):
    """A repaired range: 1-based, inclusive; `complete` is False when start or end was missing."""

    start: int
    end: int
    complete: bool


def anchor(number: int) -> str:
    """The anchor line of a page (1-based), without line end."""
    return f"--- Seite {number} ---"


def has_anchors(body: str) -> bool:
    """Whether at least one line of the body is a page anchor."""
    return next(_anchors(body), None) is not None


def split_pages(body: str) -> tuple[str, list[PageText]]:
    """Text before the first anchor, and the pages in the order written, with the numbers written.

    Without an anchor the whole body is page 1; a blank body has no page. Numbers are neither sorted nor made unique.
    """
    found = list(_anchors(body))
    if not found:
        whole = _page(body, 1, 0, len(body))
        return "", [whole] if whole.text else []
    ends = [match.start() for match in found[1:]] + [len(body)]
    pages = [_page(body, int(match.group(1)), match.end(), end) for match, end in zip(found, ends, strict=True)]
    return body[: found[0].start()].strip(), pages


def page_count(body: str, declared: object = None) -> int:
    """Pages of a document: the declared number if it is one above 0, else the highest anchor, else 1 (seed 003)."""
    stated = _whole(declared)
    if stated is not None and stated > 0:
        return stated
    return max((int(match.group(1)) for match in _anchors(body)), default=1) or 1


def page_range(start: object, end: object, pages: int) -> PageRange:
    """A chapter's range by the tolerance rules of seed 003: default start 1, default end = the given start,
    both clamped to [1, pages], then end >= start. Anything that is not a whole number counts as missing."""
    first, last = _whole(start), _whole(end)
    complete = first is not None and last is not None
    first = 1 if first is None else first
    last = first if last is None else last
    top = max(pages, 1)
    first, last = min(max(first, 1), top), min(max(last, 1), top)
    return PageRange(first, max(first, last), complete)


def escape_anchors(text: str) -> str:
    """The text with a backslash before every line that would be read as an anchor; undone by `unescape_anchors`."""
    return _ESCAPABLE.sub(r"\1\\", text) if "Seite" in text else text


def unescape_anchors(text: str) -> str:
    """The text as it was before `escape_anchors`."""
    return _ESCAPED.sub(r"\1", text) if "Seite" in text else text


def _anchors(body: str) -> Iterator[re.Match[str]]:
    return _LINE.finditer(body) if "Seite" in body else iter(())


def _page(body: str, number: int, start: int, end: int) -> PageText:
    raw = body[start:end]
    text = raw.strip()
    begin = start + len(raw) - len(raw.lstrip()) if text else start
    return PageText(number, text, begin, begin + len(text))


def _whole(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,9}", value.strip()):
        return int(value)
    return None
