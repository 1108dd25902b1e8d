"""Which products a text names: whole words only, and the longest name first ("Galtis Mini" is no "Galtis")."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from services.transformer.titles import fold, words

READ_MOST = 50_000
"""Characters of a text that are looked at."""


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
