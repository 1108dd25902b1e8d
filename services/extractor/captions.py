"""The caption of a picture: the text nearest to it, a labelled one ("Figure 3", "Abb. 3", "図3") before others."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import reduce
from typing import NamedTuple

from services.extractor.pages import Box
from services.extractor.reader.text import join

_WORDS = (
    r"fig(?:ure|ura|uur|\.)?|abb(?:ildung|\.)?|bild|foto|photo(?:graph)?|image|plate|tafel|karte|map|illustration|ill\.|"
    r"chart|graph|grafik|diagramm?|scheme|schema|exhibit|рис(?:унок|\.)?|図|写真|图|圖|照片|그림|사진"
)
_NUMBER = r"(?:\d|[A-Z]{1,2}[.\-]?\d|[IVX]+\b|\()"
_LABELLED = re.compile(rf"^(?:{_WORDS})\s*(?:{_NUMBER}|[:：])", re.IGNORECASE)
_LABEL_ONLY = re.compile(rf"^(?:{_WORDS})\s*[\w.\-()]{{1,8}}[.:：]?$", re.IGNORECASE)
_REACH = 60.0
_LABELLED_LIMIT = 1200
_LIMIT = 200
_BONUS = 40.0
_ABOVE, _BESIDE = 8.0, 12.0
_TOUCH = 3.0
_LINE = 8.0


class Line(NamedTuple):
    """A block of text: its place and its lines."""

    bbox: Box
    lines: Sequence[str]

    @property
    def text(self) -> str:
        """The lines as one, hyphens at their ends undone."""
        return reduce(join, self.lines, "")


def caption_of(box: Box, texts: Sequence[Line], furniture: Collection[str] = (), *, labelled_only: bool = False) -> str:
    """The caption of the picture at `box`; "" when no text near it could be one.

    A labelled text may be long and a little farther away than another; `furniture` (the page's header and footer)
    is never a caption.
    """
    best, found = _REACH, -1
    for index, line in enumerate(texts):
        distance = _distance(box, line.bbox)
        if distance >= _REACH:
            continue
        text = line.text
        labelled = bool(_LABELLED.match(text))
        if labelled_only and not labelled:
            continue
        if not text or len(text) > (_LABELLED_LIMIT if labelled else _LIMIT) or _is_furniture(text, furniture):
            continue
        distance -= _BONUS if labelled else 0
        if distance < best:
            best, found = distance, index
    return _whole(texts, found) if found >= 0 else ""


def _distance(box: Box, other: Box) -> float:
    """Points between a picture and a text, more for places where captions are rarer; _REACH when it is none."""
    x0, y0, x1, y1 = box
    a0, b0, a1, b1 = other
    if a1 >= x0 and a0 <= x1:
        if b0 >= y1 - _TOUCH:
            return max(0.0, b0 - y1)
        return max(0.0, y0 - b1) + _ABOVE if b1 <= y0 + _TOUCH else _REACH
    middle = (b0 + b1) / 2
    if y0 <= middle <= y1:
        return max(a0 - x1, x0 - a1) + _BESIDE
    return _REACH


def _whole(texts: Sequence[Line], index: int) -> str:
    """The text, and what follows when it is a label alone on its line."""
    line = texts[index]
    if not _LABEL_ONLY.match(line.text):
        return line.text
    for other in texts[index + 1 : index + 2]:
        under = 0 <= other.bbox[1] - line.bbox[3] <= _LINE and other.bbox[0] <= line.bbox[2]
        level = abs(other.bbox[1] - line.bbox[1]) <= _TOUCH and 0 <= other.bbox[0] - line.bbox[2] <= _REACH
        if (under or level) and len(other.text) <= _LABELLED_LIMIT:
            return join(line.text, other.text)
    return line.text


def _is_furniture(text: str, furniture: Collection[str]) -> bool:
    bare = "".join(text.split())
    return any(bare in "".join(part.split()) for part in furniture if part)
