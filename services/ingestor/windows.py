"""Token windows: disjoint cores that cover every token, each with guard bands on both sides (seed 004).

    small   60 + 200 + 60      retrieval: embedded and searched
    large  100 + 1600 + 100    context: exactly eight small cores each

Both scales are cut from one tokenisation. Everything here counts tokens; nothing knows text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from shared.errors import ConfigurationError


class Window(NamedTuple):
    """Token offsets `[core_start, core_end)` inside `[start, end)`."""

    core_start: int
    core_end: int
    start: int
    end: int


class Shape(msgspec.Struct, frozen=True):
    """Size of a window in tokens; the step from one to the next is `core` (`CHUNK_SIZE` / `CHUNK_OVERLAP`)."""

    core: int
    left: int
    right: int

    def __post_init__(self) -> None:
        if self.core < 1 or self.left < 0 or self.right < 0:
            raise ConfigurationError("misconfigured", f"A window needs core >= 1 and guards >= 0, not {self}.")

    def window(self, index: int, tokens: int) -> Window:
        """The window number `index` of a text of `tokens` tokens."""
        core_start = index * self.core
        core_end = min(core_start + self.core, tokens)
        return Window(core_start, core_end, max(core_start - self.left, 0), min(core_end + self.right, tokens))


SMALL = Shape(200, 60, 60)
LARGE = Shape(1600, 100, 100)


def windows(tokens: int, shape: Shape) -> Iterator[Window]:
    """All windows of a text of `tokens` tokens, in order; none for an empty text."""
    for index in range(-(-tokens // shape.core)):
        yield shape.window(index, tokens)


class Cursor:
    """Gives windows as soon as enough tokens are known, so that a stream never has to be held as a whole.

    `left` and `right` are the tokens needed around a core, where others than the window's own guards are needed too.
    """

    def __init__(self, shape: Shape, left: int | None = None, right: int | None = None) -> None:
        self.shape = shape
        self.left = shape.left if left is None else left
        self.right = shape.right if right is None else right
        self.index = 0

    def ready(self, tokens: int, *, final: bool) -> Iterator[Window]:
        """Windows that `tokens` known tokens complete; with `final` there will be no more tokens."""
        step = self.shape.core
        while (self.index * step < tokens) if final else ((self.index + 1) * step + self.right <= tokens):
            window = self.shape.window(self.index, tokens)
            self.index += 1
            yield window

    @property
    def first_needed(self) -> int:
        """The first token that a window still to come may hold."""
        return max(self.index * self.shape.core - self.left, 0)


def small_per_large(small: Shape, large: Shape) -> int:
    """How many small cores make a large one; raises ConfigurationError unless it is a whole number."""
    if large.core % small.core:
        raise ConfigurationError(
            "misconfigured", f"The large core ({large.core} tokens) must be a multiple of the small one ({small.core})."
        )
    return large.core // small.core
