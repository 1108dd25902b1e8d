"""Token offsets of WordLlama's tokenizer, word by word: the same offsets several times faster.

No token of this vocabulary has a blank inside or behind its letters, and line ends are bytes of their own, so merges
never cross the border between a word and the blanks before the next one. Hence a word has the same tokens wherever it
stands, and texts repeat their words: each is tokenised once. Only the first word of a text differs, because the
tokenizer puts a blank before every text; it is always tokenised anew.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, overload

from shared.adapters.wordllama_embedder import Model

Span = tuple[int, int]
Flat = Sequence[int]
_WORD = re.compile(r"[ ▁]*[^ ▁\n]+|[ ▁]*\n|[ ▁]+")
_LONGEST = 48
"""Characters of a word that is remembered; longer ones (and scripts without blanks) are tokenised each time."""
_REMEMBERED = 50_000
"""Words remembered, about 8 MB; then everything is forgotten."""


class WordLlamaTokenizer:
    """The chunker's tokenizer; also used where an endpoint embeds, as no other ships its file."""

    name = "wordllama-l2-supercat"

    def spans(self, text: str) -> Sequence[Span]:
        """Offsets `[start, end)` of every token. Loads the model at first use: call it in a thread."""
        return _Spans(text, _Words.made())


class _Words(dict[str, Flat]):
    """The tokens of words that do not begin a text, as offsets in the word: start, end, start, end ..."""

    _lock = threading.Lock()
    _made: _Words | None = None

    def __init__(self) -> None:
        super().__init__()
        from tokenizers import Tokenizer, normalizers

        self.whole: Any = Model.get().tokenizer
        self._inner = Tokenizer.from_str(self.whole.to_str())
        self._inner.normalizer = normalizers.Replace(" ", "▁")

    def of(self, words: list[str]) -> list[Flat]:
        """The tokens of each word."""
        with self._lock:
            unknown = {word for word in words if word not in self}
            if len(self) + len(unknown) > _REMEMBERED:
                self.clear()
                unknown = set(words)
            self.update(self._tokenise(sorted(unknown)))
            flats = list(map(self.__getitem__, words))
            for word in unknown:
                if len(word) > _LONGEST:
                    del self[word]
            return flats

    def _tokenise(self, words: list[str]) -> dict[str, Flat]:
        """All in one call, a line end behind each word: that is one token, and merges with nothing."""
        spans = iter(self._inner.encode("\n".join(words) + "\n", add_special_tokens=False).offsets)
        found: dict[str, Flat] = {}
        at = 0
        for word in words:
            end = at + len(word)
            flat: list[int] = []
            for start, stop in spans:
                if start >= end:
                    break
                flat += (start - at, stop - at)
            found[word] = bytes(flat) if len(word) <= _LONGEST else tuple(flat)
            at = end + 1
        return found

    @classmethod
    def made(cls) -> _Words:
        """The words of this process."""
        with cls._lock:
            if cls._made is None:
                cls._made = cls()
            return cls._made


class _Spans(Sequence[Span]):
    """The tokens of a text, found when they are asked for; only their number is counted beforehand."""

    def __init__(self, text: str, words: _Words) -> None:
        pieces = _WORD.findall(text)
        self._flats: list[Flat] = []
        if pieces:
            first = words.whole.encode(pieces[0], add_special_tokens=False).offsets
            self._flats = [[offset for span in first for offset in span], *words.of(pieces[1:])]
        # twice the number of tokens before each word, and of characters
        self._firsts = list(accumulate(map(len, self._flats), initial=0))
        self._starts = list(accumulate(map(len, pieces), initial=0))
        self._count = self._firsts.pop() // 2

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Span: ...

    @overload
    def __getitem__(self, index: slice) -> list[Span]: ...

    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._count))]
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError(index)
        word = bisect_right(self._firsts, 2 * index) - 1
        flat, at = self._flats[word], 2 * index - self._firsts[word]
        return flat[at] + self._starts[word], flat[at + 1] + self._starts[word]
