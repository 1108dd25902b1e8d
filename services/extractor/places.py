"""Places in a document that a reader touches, told before they are touched: whoever dies there is known by its place.

A place is "outline", the number of a sheet ("7"), its pictures by kind ("7/images", "7/figures", "7/preview"),
or its reading by another method than `fast` ("7/ocr", "7/layout"). Imports no PDF library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Touch = Callable[[str], None]
"""Called with a place before it is read."""

Lost = Mapping[str, str]
"""Places that must not be touched (again), with the error code of what happened there."""

OUTLINE = "outline"
_PLACE = re.compile(r"outline|[1-9][0-9]{0,8}(/(images|figures|preview|ocr|layout))?")


class LostPage(Exception):
    """A page that is not read because a reader died there before; `code` says how."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def images_of(page: int) -> str:
    """The place where the images of sheet `page` are read."""
    return f"{page}/images"


def figures_of(page: int) -> str:
    """The place where what sheet `page` draws is rendered."""
    return f"{page}/figures"


def preview_of(page: int) -> str:
    """The place where sheet `page` is rendered as a whole."""
    return f"{page}/preview"


def method_of(page: int, method: str) -> str:
    """The place where sheet `page` is read by `method`."""
    return f"{page}/{method}"


def is_place(text: object) -> bool:
    """Whether a child that is not trusted has named a place."""
    return isinstance(text, str) and _PLACE.fullmatch(text) is not None


def is_slow(place: str) -> bool:
    """Whether a page is read there by a method that takes seconds."""
    return place.endswith(("/ocr", "/layout"))


def untold(place: str) -> None:
    """A Touch for callers that do not ask."""


class Announcer:
    """Tells each place once in a row, so that the messages stay few."""

    def __init__(self, tell: Touch) -> None:
        self._tell = tell
        self._last = ""

    def __call__(self, place: str) -> None:
        """Tell `place` unless it was the last one told."""
        if place != self._last:
            self._last = place
            self._tell(place)
