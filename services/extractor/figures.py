"""Vector drawings of a page as figures: what is drawn close together is one, rendered as PNG (ADR 16).

One rendering of the page, bounded in pixels, serves all its figures, and clustering works on a raster of the page, so
that the time does not grow with what a hostile page draws beyond reading its list of drawings.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence

import pymupdf
from pymupdf import mupdf

from services.extractor.captions import Line, caption_of
from services.extractor.clusters import Cluster, clusters
from services.extractor.images import Seen
from services.extractor.pages import Box, Image, Page
from services.extractor.reader import png
from services.extractor.reader.decorations import filled_rows
from services.extractor.reader.segments import line_boxes, text_boxes

MAX_VECTORS = 20_000
MAX_FIGURES = 20
_MANY_VECTORS = 4_000
MAX_PIXELS = 4_000_000
_SCALE = 2.0
_LEAST_SIDE = 40.0
_LEAST_DRAWINGS = 3
_LEAST_WITH_TEXT = 8
_BACKGROUND = 0.5
_EDGE = 1.0
_BOXED_TEXT_SHARE, _TEXT_SHARE = 0.05, 0.4
_IMAGE_SHARE = 0.5
_TABLE_SHARE = 0.5
_RULE_SHARE, _RULED_TEXT_SHARE = 0.9, 0.06
_LABEL, _LABEL_REACH = 30, 14.0
_PAD = 2.0
_FILLED = 0.35


def page_figures(
    doc: pymupdf.Document, page: Page, images: Sequence[Image], seen: Seen
) -> Iterator[tuple[Image, bytes]]:
    """The figures drawn on a page, from the top down, numbered behind its `images`; repeats come without bytes."""
    sheet = doc.load_page(page.number - 1)
    stext = _structure(sheet, mupdf.FZ_STEXT_COLLECT_VECTORS)
    boxes = _vectors(stext, sheet.rect, seen)
    if len(boxes) < _LEAST_DRAWINGS:
        return
    if len(boxes) > _MANY_VECTORS:  # each would be printed with the text
        stext = _structure(sheet, 0)
    lines = line_boxes(stext)
    found = [cluster for cluster in clusters(boxes, sheet.rect.width, sheet.rect.height) if _is_large(cluster.box)]
    found = [cluster for cluster in found if _is_figure(cluster, lines, page, images)]
    if len(found) > MAX_FIGURES:
        seen.dropped["too_many_figures"] += len(found) - MAX_FIGURES
        found = sorted(found, key=lambda cluster: -_area(cluster.box))[:MAX_FIGURES]
    if not found:
        return
    texts = [Line(*text) for text in text_boxes(stext)]
    canvas, scale = _rendered(sheet)
    index = len(images)
    for cluster in sorted(found, key=lambda cluster: (cluster.box[1], cluster.box[0])):
        if filled_rows(_cut(canvas, cluster.box, scale)) < _FILLED:
            seen.dropped["blank_figure"] += 1
            continue
        box = _with_labels(cluster.box, lines, sheet.rect)
        pixmap = _cut(canvas, box, scale)
        around = [text for text in texts if _inside(text.bbox, box) < 1]
        caption = caption_of(box, around, (page.header, page.footer), labelled_only=True)
        yield _figure(page.number, index, box, pixmap, caption, seen)
        index += 1


def _structure(sheet: pymupdf.Page, flags: int) -> mupdf.FzStextPage:
    options = mupdf.FzStextOptions()
    options.flags = flags
    return mupdf.FzStextPage(sheet.this, options)


def _figure(page: int, index: int, box: Box, pixmap: pymupdf.Pixmap, caption: str, seen: Seen) -> tuple[Image, bytes]:
    data = png.from_pixmap(pixmap)
    sha256 = hashlib.sha256(data).hexdigest()
    name, mark = f"{page}_{index}.png", f"figure:{sha256}"
    first = seen.get(mark, "")
    if not first:
        seen[mark], seen.hashes[name] = name, sha256
    x0, y0, x1, y1 = (round(value, 1) for value in box)
    size = 0 if first else len(data)
    image = Image(
        page, index, name, pixmap.width, pixmap.height, (x0, y0, x1, y1), "png", sha256, size, caption, first, "figure"
    )
    return image, b"" if first else data


def _vectors(stext: mupdf.FzStextPage, rect: pymupdf.Rect, seen: Seen) -> list[Box]:
    """Boxes of what is drawn, but for backgrounds and what is only partly on the page."""
    boxes: list[Box] = []
    page = (-_EDGE, -_EDGE, rect.width + _EDGE, rect.height + _EDGE)
    most = _BACKGROUND * rect.width * rect.height
    block, vector, count = stext.m_internal.first_block, mupdf.FZ_STEXT_BLOCK_VECTOR, 0
    while block:
        if block.type == vector:
            count += 1
            if count > MAX_VECTORS:
                seen.dropped["too_many_drawings"] += 1
                break
            bounds = block.bbox
            box = (bounds.x0, bounds.y0, bounds.x1, bounds.y1)
            if _inside(box, page) >= 1 and _area(box) <= most:
                boxes.append(box)
        block = block.next
    return boxes


def _is_large(box: Box) -> bool:
    return min(box[2] - box[0], box[3] - box[1]) >= _LEAST_SIDE


def _is_figure(cluster: Cluster, lines: Sequence[tuple[Box, str]], page: Page, images: Sequence[Image]) -> bool:
    """Whether drawings are more than the frame of a picture, the rules of a table or a box around text."""
    box = cluster.box
    if cluster.size < _LEAST_DRAWINGS:
        return False
    if sum(_area(image.bbox) * _inside(image.bbox, box) for image in images) > _IMAGE_SHARE * _area(box):
        return False
    tables = [] if "text_turned" in page.warnings else [block.bbox for block in page.blocks if block.kind == "table"]
    if any(_inside(box, table) > _TABLE_SHARE for table in tables):
        return False
    text = sum(_area(line) * _inside(line, box) for line, _ in lines) / max(_area(box), 1.0)
    if text > _BOXED_TEXT_SHARE and cluster.size < _LEAST_WITH_TEXT:
        return False
    ruled = cluster.rules / cluster.size > _RULE_SHARE and text > _RULED_TEXT_SHARE
    return text < _TEXT_SHARE and not ruled


def _with_labels(box: Box, lines: Sequence[tuple[Box, str]], rect: pymupdf.Rect) -> Box:
    """The box with short texts at its borders, such as the numbers of an axis."""
    x0, y0, x1, y1 = grown = box
    for (a0, b0, a1, b1), text in lines:
        near = (
            x0 - _LABEL_REACH < (a0 + a1) / 2 < x1 + _LABEL_REACH
            and y0 - _LABEL_REACH < (b0 + b1) / 2 < y1 + _LABEL_REACH
        )
        if near and len(text) <= _LABEL:
            grown = (min(grown[0], a0), min(grown[1], b0), max(grown[2], a1), max(grown[3], b1))
    return (
        max(0.0, grown[0] - _PAD),
        max(0.0, grown[1] - _PAD),
        min(float(rect.width), grown[2] + _PAD),
        min(float(rect.height), grown[3] + _PAD),
    )


def _rendered(sheet: pymupdf.Page) -> tuple[pymupdf.Pixmap, float]:
    scale = min(_SCALE, math.sqrt(MAX_PIXELS / max(sheet.rect.width * sheet.rect.height, 1.0)))
    return sheet.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False, colorspace=pymupdf.csRGB), scale


def _cut(canvas: pymupdf.Pixmap, box: Box, scale: float) -> pymupdf.Pixmap:
    place = pymupdf.IRect(*(math.floor(v * scale) for v in box[:2]), *(math.ceil(v * scale) for v in box[2:]))
    place = place & canvas.irect
    pixmap = pymupdf.Pixmap(pymupdf.csRGB, place, False)
    pixmap.copy(canvas, place)
    return pixmap


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _inside(box: Box, other: Box) -> float:
    """The share of `box` that lies in `other`."""
    common = (max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3]))
    if common[2] < common[0] or common[3] < common[1]:
        return 0.0
    return _area(common) / area if (area := _area(box)) else 1.0
