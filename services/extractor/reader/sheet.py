"""What is read from a page before its layout is understood: segments of text and drawn rules."""

from __future__ import annotations

from typing import Any

import msgspec


class Segment(msgspec.Struct, eq=False):
    """A run of text on one baseline without a wide gap; `order` is its place in the content stream."""

    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    text: str
    font: str
    order: int
    bold: int = 0  # this and the next two count characters
    italic: int = 0
    mono: int = 0
    rtl: bool = False
    note: bool = False  # stands in the margin beside the text it belongs to
    longest: int = 0  # the length of its longest run, and the type size of that
    usual: float = 0.0
    table: Any = None
    parts: list[tuple[float, float, str]] | None = None  # when it was joined from several runs

    def __post_init__(self) -> None:
        self.longest, self.usual = len(self.text), self.size


class Rule:
    """A drawn line or rectangle of the page, as its bounding box."""

    __slots__ = ("x0", "x1", "y0", "y1")

    def __init__(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1


class Sheet:
    """All that was read from one page before its layout is understood."""

    __slots__ = ("aside", "height", "number", "rotation", "rules", "segments", "turn", "warnings", "width")

    def __init__(self, number: int, width: float, height: float, rotation: int) -> None:
        self.number, self.width, self.height, self.rotation = number, width, height, rotation
        self.segments: list[Segment] = []
        self.aside: list[Segment] = []  # text that runs in another direction than the page
        self.rules: list[Rule] = []
        self.turn = (1, 0)  # the direction of its text before the sheet was turned
        self.warnings: list[str] = []
