"""Which products a text names: whole words only, and the longest name first ("Galtis Mini" is no "Galtis")."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

READ_MOST = 50_000
"""Characters of a text that are looked at."""
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text, folded for comparison; every East Asian run is a word."""
    return [word.casefold() for word in _WORD.findall(text)]


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Letters and digits only, folded: two texts that differ in spacing and punctuation are equal."""
    return "".join(words(text))


class Names:
    """A set of names to look for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_first: dict[str, list[tuple[str, ...]]] = {}
        for parts in sorted({tuple(words(name)) for name in names}, key=len, reverse=True):
            if parts:
                self._by_first.setdefault(parts[0], []).append(parts)

    def count(self, text: str) -> Counter[str]:
        """How often each name stands in a text, by its folded form."""
        found: Counter[str] = Counter()
        if not self._by_first:
            return found
        own = words(text[:READ_MOST])
        at = 0
        while at < len(own):
            options = self._by_first.get(own[at], ())
            parts = next((p for p in options if tuple(own[at : at + len(p)]) == p), None)
            if parts is not None:
                found[fold(" ".join(parts))] += 1
            at += len(parts) if parts else 1
        return found
