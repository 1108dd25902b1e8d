"""What is read from a page before its layout is understood: segments of text and drawn rules."""

from __future__ import annotations

from typing import Any

from services.extractor.pages import Box

Way = tuple[int, int]  # where text runs to: (1, 0) is to the right, (0, -1) upwards


class Segment:
    """A run of text on one baseline without a wide gap; `order` is its place in the content stream."""

    __slots__ = (
        "base", "bold", "font", "italic", "longest", "mono", "note", "order", "parts", "rtl", "size", "table", "text",
        "usual", "x0", "x1", "y0", "y1",
    )  # fmt: skip

    def __init__(
        self, x0: float, y0: float, x1: float, y1: float, base: float, size: float, text: str, font: str, order: int
    ) -> None:
        self.x0, self.y0, self.x1, self.y1, self.base, self.size = x0, y0, x1, y1, base, size
        self.text, self.font, self.order = text, font, order
        self.bold = self.italic = self.mono = 0  # they count characters
        self.rtl = False
        self.note = False  # stands in the margin beside the text it belongs to
        self.longest, self.usual = len(text), size  # the length of its longest run, and the type size of that
        self.table: Any = None
        self.parts: list[tuple[float, float, str]] | None = None  # when it was joined from several runs


class Link:
    """An address, the text it stands on and where that is."""

    __slots__ = ("text", "uri", "x", "y")

    def __init__(self, x: float, y: float, text: str, uri: str) -> None:
        self.x, self.y, self.text, self.uri = x, y, text, uri


class Rule:
    """A drawn line or rectangle of the page, as its bounding box."""

    __slots__ = ("x0", "x1", "y0", "y1")

    def __init__(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.x0, self.y0, self.x1, self.y1 = x0, y0, x1, y1


def _within(at: float, end: float) -> float:
    return 0.0 if at <= 0.0 else int(min(at, end) * 10.0 + 0.5) / 10.0  # round() costs five times as much


class Sheet:
    """All that was read from one page before its layout is understood."""

    __slots__ = ("aside", "height", "links", "number", "rotation", "rules", "segments", "turn", "warnings", "width")

    def __init__(self, number: int, width: float, height: float, rotation: int) -> None:
        self.number, self.width, self.height, self.rotation = number, width, height, rotation
        self.segments: list[Segment] = []
        self.aside: dict[Way, list[Segment]] = {}  # text that runs in another direction than the page, by that
        self.links: list[Link] = []
        self.rules: list[Rule] = []
        self.turn: Way = (1, 0)  # the direction of its text before the sheet was turned
        self.warnings: list[str] = []

    @property
    def shown(self) -> tuple[float, float]:
        """Width and height of the page as a viewer shows it, before the sheet was turned to its text."""
        return (self.height, self.width) if self.turn[1] else (self.width, self.height)

    def box_shown(self, box: Box, way: Way) -> Box:
        """Where a box of text that runs in direction `way` lies on the page as a viewer shows it."""
        width, height = self.shown
        x0, y0, x1, y1 = box
        if way == (0, -1):
            x0, y0, x1, y1 = y0, height - x1, y1, height - x0
        elif way == (0, 1):
            x0, y0, x1, y1 = width - y1, x0, width - y0, x1
        elif way == (-1, 0):
            x0, y0, x1, y1 = width - x1, height - y1, width - x0, height - y0
        return _within(x0, width), _within(y0, height), _within(x1, width), _within(y1, height)

    def point_turned(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the page as a viewer shows it lies on the turned sheet."""
        width, height = self.shown
        if self.turn == (0, -1):
            return height - y, x
        if self.turn == (0, 1):
            return y, width - x
        return (x, y) if self.turn == (1, 0) else (width - x, height - y)
