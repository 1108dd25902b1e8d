"""Tokens of a text that arrives in pieces: only those that a window still to come may need are kept."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol


class Tokenizer(Protocol):
    """Cuts text into tokens; `name` tells which, because windows depend on it."""

    name: str

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Character offsets `[start, end)` of each token, ascending."""


class Tokens:
    """The tokens of a segment, numbered from the segment's first one; offsets are those of the body."""

    def __init__(self) -> None:
        self.count = 0
        self.firsts: list[int] = []
        self.pieces: list[tuple[int, Sequence[tuple[int, int]]]] = []

    def add(self, offset: int, spans: Sequence[tuple[int, int]]) -> None:
        """The tokens of the next piece, which begins at `offset` in the body."""
        if spans:
            self.firsts.append(self.count)
            self.pieces.append((offset, spans))
            self.count += len(spans)

    def span(self, token: int) -> tuple[int, int]:
        """Characters `[start, end)` of the body."""
        index = bisect_right(self.firsts, token) - 1
        offset, spans = self.pieces[index]
        start, end = spans[token - self.firsts[index]]
        return start + offset, end + offset

    def border(self, token: int) -> int:
        """Where the text before a token ends: cores tile, even where several tokens make one character."""
        return self.span(token)[0] if token < self.count else self.span(token - 1)[1]

    def forget_before(self, token: int) -> None:
        """Drop the pieces that hold only tokens before this one."""
        drop = bisect_right(self.firsts, token) - 1
        if drop > 0:
            del self.firsts[:drop], self.pieces[:drop]
