"""Puts references to a page's pictures into its Markdown, each where it stands in the reading order (ADR 16)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from services.extractor.pages import Block, Box, Image, Page
from shared.pictures import reference

_BACKGROUND = 0.75
_MARGIN = 0.1
_SMALL = 0.03
_KEY = 40


def with_references(page: Page, images: Iterable[Image]) -> Page:
    """The page with a block of kind "image" for every picture that belongs to its text.

    Repeats, backgrounds of a page with text, and small pictures in the margins get none. The spans of all blocks stay
    true; `chars` still counts the text alone.
    """
    shown = [image for image in images if _belongs(image, page)]
    if not shown or page.error:
        return page
    turned = "text_turned" in page.warnings
    places: dict[int, list[Image]] = {}
    for image in shown:
        place = len(page.blocks) if turned else _place(image, page)
        places.setdefault(place, []).append(image)
    return _written(page, places)


def _belongs(image: Image, page: Page) -> bool:
    x0, y0, x1, y1 = image.bbox
    if image.duplicate_of or page.width <= 0 or page.height <= 0:
        return False
    share = (x1 - x0) * (y1 - y0) / (page.width * page.height)
    if share > _BACKGROUND and page.chars:
        return False
    in_margin = y1 < page.height * _MARGIN or y0 > page.height * (1 - _MARGIN)
    return not (in_margin and share < _SMALL)


def _place(image: Image, page: Page) -> int:
    """Number of the block before which the picture goes: at its caption, else below what stands above it."""
    x0, y0, x1, y1 = image.bbox
    middle = (y0 + y1) / 2
    captioned = _caption_block(image, page)
    if captioned is not None:
        return captioned + (_middle(page.blocks[captioned].bbox) < y0)
    column = [(index, block.bbox) for index, block in enumerate(page.blocks) if _overlaps(block.bbox, x0, x1)]
    above = [(box[3], index) for index, box in column if _middle(box) < middle]
    if above:
        return max(above)[1] + 1
    return min((index for index, _ in column), default=len(page.blocks))


def _caption_block(image: Image, page: Page) -> int | None:
    key = _key(image.caption)
    if not key:
        return None
    for index, block in enumerate(page.blocks):
        if block.kind != "table" and _key(page.markdown[block.start : block.end]).startswith(key):
            return index
    return None


def _key(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())[:_KEY]


def _middle(box: Box) -> float:
    return (box[1] + box[3]) / 2


def _overlaps(box: Box, x0: float, x1: float) -> bool:
    return min(box[2], x1) - max(box[0], x0) > 0


def _written(page: Page, places: dict[int, list[Image]]) -> Page:
    text, blocks, done = _Text(), list[Block](), 0
    for index in range(len(page.blocks) + 1):
        block = page.blocks[index] if index < len(page.blocks) else None
        between = page.markdown[done : block.start if block else None]
        if index in places:
            if between.strip():  # no block covers it; it stays before the pictures
                text.add(between.strip(), text.gap)
            for image in places[index]:
                start, end = text.add(reference(image.name, image.caption), text.gap)
                blocks.append(Block("image", image.bbox, start, end))
            between = text.gap if block else ""
        start, end = text.add(page.markdown[block.start : block.end] if block else "", between)
        if block:
            blocks.append(replace(block, start=start, end=end))
            done = block.end
    return replace(page, markdown=str(text), blocks=blocks)


class _Text:
    """Markdown that grows at its end."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    @property
    def gap(self) -> str:
        """What parts the next block from what is there."""
        return "\n\n" if self._length else ""

    def add(self, text: str, before: str) -> tuple[int, int]:
        """Add `before` and `text`; where the text stands."""
        start = self._length + len(before)
        self._parts += (before, text)
        self._length = start + len(text)
        return start, self._length

    def __str__(self) -> str:
        return "".join(self._parts)
