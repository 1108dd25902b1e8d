"""Which products a text names: whole words only, and the longest name first ("Galtis Mini" is no "Galtis")."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from services.transformer.titles import fold, words


class Names:
    """A set of names to look for."""

    def __init__(self, names: Iterable[str]) -> None:
        ordered = sorted({tuple(words(name)) for name in names if words(name)}, key=len, reverse=True)
        self._keys = {" ".join(parts): fold(" ".join(parts)) for parts in ordered}
        options = "|".join(re.escape(" ".join(parts)) for parts in ordered)
        self._pattern = re.compile(rf"(?<!\S)(?:{options})(?!\S)") if ordered else None

    def count(self, text: str) -> Counter[str]:
        """How often each name stands in a text, by its folded form."""
        if self._pattern is None:
            return Counter()
        return Counter(self._keys[match.group()] for match in self._pattern.finditer(" ".join(words(text[:50_000]))))
