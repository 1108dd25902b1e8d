"""Whether the words that a record was read from stand in the transcript, and where (checklist: citations verified)."""

from __future__ import annotations

from services.transformer.titles import fold
from shared.anchors import split_pages, unescape_anchors
from shared.records import Citation

QUOTE_LEAST = 8


class Pages:
    """The folded text of every page."""

    def __init__(self, body: str) -> None:
        self._texts = {page.number: fold(unescape_anchors(page.text)) for page in split_pages(body)[1]}

    def cite(self, page: int, quote: str) -> Citation:
        """The citation, with the page corrected when the words stand on exactly one other."""
        words = fold(quote)
        real = page if page in self._texts else 0
        if not words:
            return Citation(real, quote, False)
        if words in self._texts.get(page, ""):
            return Citation(page, quote, True)
        others = [number for number, text in self._texts.items() if len(words) >= QUOTE_LEAST and words in text]
        return Citation(others[0], quote, True) if len(others) == 1 else Citation(real, quote, False)
