"""Where on its pages a text stands: the blocks of pages.jsonl, found again in the twin's body.

Their offsets count in the page as the extractor wrote it. A page whose text is no longer that long, or that another
worker made, has no boxes: none is better than a wrong one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from services.ingestor.segments import Part
from shared.anchors import PageText, unescape_anchors
from shared.errors import ShadowtwinError

MOST_BOXES = 32
"""Boxes of one chunk; where there are more, those of a page become one around them."""
RECOGNISED = "ocr"
"""The method of pages whose text was recognised in their picture."""
_PICTURES = frozenset({"image"})

Bbox = tuple[float, float, float, float]


class Box(NamedTuple):
    """A block of a page: `[start, end)` in characters of the body, `bbox` in points from the sheet's top left."""

    page: int
    start: int
    end: int
    bbox: Bbox


class _Block(msgspec.Struct):
    kind: str
    bbox: Bbox
    start: int
    end: int


class _Row(msgspec.Struct):
    number: int
    chars: int = 0
    method: str = ""
    confidence: float = 1.0
    blocks: list[_Block] = []


_ROW = msgspec.json.Decoder(_Row)


class PagePicture(NamedTuple):
    """The picture that a page's text was recognised in: its number on the page (from 0), its file below the document's
    folder, its width and height in pixels."""

    number: int
    key: str
    width: int
    height: int


class _Picture(msgspec.Struct):
    page: int
    index: int
    name: str
    bbox: Bbox
    width: int = 0
    height: int = 0
    duplicate_of: str = ""


_PICTURE = msgspec.json.Decoder(_Picture)


class PageBoxes:
    """The boxes of a document's pages; `recognised` holds the confidence (0-1) of those whose text was recognised, and
    `pictures` what they were recognised in, where that is stored."""

    def __init__(
        self,
        boxes: dict[int, list[Box]],
        recognised: dict[int, float] | None = None,
        pictures: dict[int, PagePicture] | None = None,
    ) -> None:
        self._boxes, self._recognised, self._pictures = boxes, recognised or {}, pictures or {}
        self._starts = {page: [box.start for box in own] for page, own in boxes.items()}

    def confidence(self, parts: Sequence[Part]) -> float | None:
        """The lowest confidence of the recognised pages among those of the stretches; None where none is."""
        return min((self._recognised[part.page] for part in parts if part.page in self._recognised), default=None)

    def picture(self, parts: Sequence[Part]) -> PagePicture | None:
        """What the first recognised page of the stretches shows; None where no page was, or nothing is stored."""
        pages = [part.page for part in parts if part.page in self._recognised]
        return self._pictures.get(pages[0]) if pages else None

    def of(self, parts: Sequence[Part]) -> list[Box]:
        """The boxes that the stretches touch, in the order of the text, at most about MOST_BOXES."""
        found: list[Box] = []
        for part in parts:
            own = self._boxes.get(part.page)
            if own:
                last = bisect_left(self._starts[part.page], part.end)
                first = max(bisect_right(self._starts[part.page], part.start) - 1, 0)
                found += [box for box in own[first:last] if box.end > part.start]
        return found if len(found) <= MOST_BOXES else _merged(found)[:MOST_BOXES]


def page_boxes(lines: Iterable[bytes], pages: Sequence[PageText], pictures: Iterable[bytes] = ()) -> PageBoxes:
    """The boxes of rows of pages.jsonl, placed in the body that was split into `pages`, and the pages' pictures of rows
    of images.jsonl; unreadable ones give none."""
    texts = {page.number: page for page in pages}
    boxes: dict[int, list[Box]] = {}
    recognised: dict[int, float] = {}
    for line in lines:
        try:
            row = _ROW.decode(line)
        except (msgspec.DecodeError, ShadowtwinError):
            continue
        if row.method == RECOGNISED:
            recognised[row.number] = row.confidence
        page = texts.get(row.number)
        if page is None or not row.blocks or not _same(page.text, row.blocks):
            continue
        own = [
            Box(row.number, page.start + block.start, page.start + block.end, block.bbox)
            for block in row.blocks
            if block.kind not in _PICTURES and block.end > block.start >= 0
        ]
        boxes[row.number] = sorted(own, key=lambda box: (box.start, box.end))
    return PageBoxes(boxes, recognised, _largest(pictures) if recognised else {})


def _largest(lines: Iterable[bytes]) -> dict[int, PagePicture]:
    """By page the picture that takes most of it: on a scanned sheet, the scan."""
    areas: dict[int, float] = {}
    found: dict[int, PagePicture] = {}
    for line in lines:
        try:
            row = _PICTURE.decode(line)
        except (msgspec.DecodeError, ShadowtwinError):
            continue
        x0, y0, x1, y1 = row.bbox
        area = (x1 - x0) * (y1 - y0)
        if area > areas.get(row.page, 0.0):
            areas[row.page] = area
            found[row.page] = PagePicture(row.index, f"images/{row.duplicate_of or row.name}", row.width, row.height)
    return found


def _same(text: str, blocks: Sequence[_Block]) -> bool:
    """Whether the page's text is as long as the blocks say; an escaped anchor moves what follows it."""
    return len(text) == max(block.end for block in blocks) and unescape_anchors(text) == text


def _merged(boxes: Sequence[Box]) -> list[Box]:
    pages: dict[int, Box] = {}
    for box in boxes:
        known = pages.get(box.page)
        if known is None:
            pages[box.page] = box
            continue
        (x0, y0, x1, y1), (u0, v0, u1, v1) = known.bbox, box.bbox
        around = (min(x0, u0), min(y0, v0), max(x1, u1), max(y1, v1))
        pages[box.page] = Box(box.page, known.start, max(known.end, box.end), around)
    return list(pages.values())
