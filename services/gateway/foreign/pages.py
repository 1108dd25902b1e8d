"""A foreign worker's text as pages: cleaned, numbered from 1 without gaps, nothing of it lost.

Where one page ends is taken from the text's own anchors, else from `metadata.text_contents`, else it is one page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from shared import frontmatter
from shared.anchors import anchor, escape_anchors, has_anchors, split_pages

MAX_PAGES = 5000
"""Most pages; text that claims more of them stays whole, as one."""

COVERED = 0.95
"""Share of the text that listed pages must hold to be taken for its division."""

_NUMBERS = ("page", "page_number", "pageNumber", "number")
_TEXTS = ("content", "text", "markdown")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Paged(NamedTuple):
    """Text before the first page, the pages' texts in order, and what had to be changed."""

    preamble: str
    pages: list[str]
    warnings: list[dict[str, Any]]

    @property
    def characters(self) -> int:
        """Characters of all pages."""
        return len(self.preamble) + sum(map(len, self.pages))

    def body(self) -> str:
        """The transcript's body: an anchor line before every page, none anywhere else."""
        before = f"{self.preamble}\n\n" if self.preamble else ""
        return before + "".join(f"{anchor(n)}\n\n{text}\n\n" for n, text in enumerate(self.pages, 1))


def clean(text: str) -> str:
    """The text without control and direction characters; every line ends with a line feed."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _LINE_ENDS.sub("\n", text)))


def paged(extracted: str, metadata: Mapping[str, Any]) -> Paged:
    """The pages of a text as a foreign worker sent it; a blank text has none."""
    text = frontmatter.body_only(clean(extracted))
    if not text.strip():
        return Paged("", [], [])
    if has_anchors(text):
        preamble, found = split_pages(text)
        return _numbered(preamble, [(page.number, page.text) for page in found], text)
    listed = _listed(metadata.get("text_contents"))
    if not listed:
        return Paged("", [text.strip()], [])
    held = sum(_visible(page) for _, page in listed)
    if held < COVERED * _visible(text):
        return Paged("", [text.strip()], [_warning("pages_unusable", "text_contents holds less than the text.")])
    return _numbered("", listed, text)


def _numbered(preamble: str, found: list[tuple[int, str]], text: str) -> Paged:
    numbers = [number for number, _ in found]
    preamble = preamble.strip()
    if not preamble and not any(page for _, page in found):
        return Paged("", [], [])
    if len(found) > MAX_PAGES:
        said = f"The text names {len(found)} pages; more than {MAX_PAGES} are kept as one."
        return Paged("", [escape_anchors(text.strip())], [_warning("pages_unusable", said)])
    rising = all(a < b for a, b in pairwise(numbers))
    if not rising or numbers[0] < 1 or numbers[-1] > MAX_PAGES:
        said = "The page numbers do not rise, or are too high; the pages were counted anew."
        return Paged(preamble, [page for _, page in found], [_warning("pages_renumbered", said)])
    texts = dict(found)
    pages = [texts.get(number, "") for number in range(1, numbers[-1] + 1)]
    warnings = []
    if len(pages) > len(found):
        said = f"{len(pages) - len(found)} of {len(pages)} pages are not in the text."
        warnings.append(_warning("pages_missing", said))
    if preamble and numbers[0] > 1:
        pages[0], preamble = preamble, ""
    return Paged(preamble, pages, warnings)


def _listed(contents: object) -> list[tuple[int, str]]:
    """`text_contents` as numbered texts: a list of texts or of {page, content}, or texts by number; else nothing."""
    if isinstance(contents, Mapping):
        contents = [{"page": number, "content": text} for number, text in contents.items()]
    if not isinstance(contents, list):
        return []
    pages: list[tuple[int, str]] = []
    for position, row in enumerate(contents, 1):
        if isinstance(row, str):
            row = {"content": row}
        if not isinstance(row, Mapping):
            return []
        text = next((row[key] for key in _TEXTS if isinstance(row.get(key), str)), None)
        number = _whole(next((row[key] for key in _NUMBERS if key in row), position))
        if text is None or number is None:
            return []
        pages.append((number, escape_anchors(clean(text).strip())))
    return pages


def _whole(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,6}", value.strip()):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _visible(text: str) -> int:
    return sum(map(len, text.split()))


def _warning(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
