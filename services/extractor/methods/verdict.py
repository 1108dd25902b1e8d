"""Which of two readings of a page is the better one."""

from __future__ import annotations

import re

from services.extractor.methods.reasons import empty_share
from services.extractor.pages import Page

_WORD = re.compile(r"\w+")
_READABLE, _SURE = 0.4, 0.6
_MORE = 1.3
_OTHER_SCRIPTS = frozenset(["ar", "fa", "he", "ja", "ko", "zh", "ru", "uk", "el", "th", "hi"])
_KEPT_WORDS = 0.9


def is_better(found: Page, fast: Page, why: str) -> bool:
    """Whether `found` should take the place of `fast`, given why it was asked for (`reasons.reason`)."""
    if not found.chars:
        return False
    if why == "no_text":
        return found.confidence >= _READABLE
    if why == "garbled_text":
        if fast.language in _OTHER_SCRIPTS and found.language not in _OTHER_SCRIPTS:
            return False  # the languages of the recognition are not those of the page
        return found.confidence > max(fast.confidence, _READABLE)
    if why == "scanned":
        return found.confidence >= _SURE and found.chars >= _MORE * fast.chars
    return _covers(found, fast) and _emptiness(found) < _emptiness(fast)


def _covers(found: Page, fast: Page) -> bool:
    """Whether nearly all words of the one are in the other: a model may lose text."""
    words = set(_WORD.findall(fast.markdown.casefold()))
    return len(words & set(_WORD.findall(found.markdown.casefold()))) >= _KEPT_WORDS * len(words)


def _emptiness(page: Page) -> float:
    """The emptiest table's share of empty cells; 1 for a page without a table."""
    tables = [page.markdown[block.start : block.end] for block in page.blocks if block.kind == "table"]
    return max(map(empty_share, tables)) if tables else 1.0
