"""A page drawn as a picture: for text recognition, or small, to see whether anything is on it."""

from __future__ import annotations

import math
from typing import NamedTuple

import pymupdf

from services.extractor.methods.skew import skew
from services.extractor.pages import Box
from shared.errors import DocumentError

_DPI = 200  # 300 reads no better on measured scans, 150 a little worse in small print
_SMALL_PIXELS = 200_000
_DECODED_BYTES = 400_000_000
_CONTRAST = 24
_INK_SHARE = 0.0002
_PAPER = (0.55, 0.002, 0.45)
_PAPER_BAND = 20


class Picture(NamedTuple):
    """A drawn page, and by how many points its edges lie outside those of the page, because it was made level."""

    pixmap: pymupdf.Pixmap
    beyond: tuple[float, float]


def drawn(page: pymupdf.Page, pixels: int, turn: int = 0) -> Picture:
    """`page` as a reader sees it, turned by `turn` (a multiple of 90) degrees, made level, in about so many pixels.

    DocumentError pdf_memory_limit when an image of the page would be too large to decode.
    """
    _check_images(page)
    inches = max(page.rect.width * page.rect.height / 72.0**2, 0.01)
    dpi = max(1, min(_DPI, int(math.sqrt(pixels / inches))))
    matrix = pymupdf.Matrix(dpi / 72, dpi / 72).prerotate(turn + skew(page, turn))
    pixmap = page.get_pixmap(matrix=matrix, colorspace=pymupdf.csRGB, alpha=False)
    pixmap.set_dpi(dpi, dpi)
    pixmap.set_origin(0, 0)
    width, height = (page.rect.height, page.rect.width) if turn % 180 else (page.rect.width, page.rect.height)
    return Picture(pixmap, ((pixmap.width * 72 / dpi - width) / 2, (pixmap.height * 72 / dpi - height) / 2))


def is_blank(page: pymupdf.Page) -> bool:
    """Whether nothing can be seen on `page`, a few specks of dust aside."""
    if not page.get_bboxlog():
        return True
    histogram, total = _shades(page)
    paper = max(range(256), key=lambda shade: histogram[shade])
    ink = sum(count for shade, count in enumerate(histogram) if abs(shade - paper) > _CONTRAST)
    return ink < _INK_SHARE * total


def looks_like_paper(page: pymupdf.Page) -> bool:
    """Whether `page` has one ground colour with some ink on it, as a scan of a text has and a photograph has not."""
    histogram, total = _shades(page)
    paper = max(range(256), key=lambda shade: sum(histogram[max(0, shade - 4) : shade + 5]))
    ground = sum(histogram[max(0, paper - _PAPER_BAND) : paper + _PAPER_BAND + 1])
    ink = sum(count for shade, count in enumerate(histogram) if abs(shade - paper) > 60)
    return ground > _PAPER[0] * total and _PAPER[1] * total < ink < _PAPER[2] * total


def image_share(page: pymupdf.Page) -> float:
    """The share of the area of `page` that is covered by images, overlaps counted twice."""
    area = abs(page.rect.width * page.rect.height)
    boxes: list[Box] = [entry[1] for entry in page.get_bboxlog() if entry[0] in ("fill-image", "fill-imgmask")]
    covered = sum(_area(pymupdf.Rect(box) & page.rect) for box in boxes)
    return min(1.0, covered / area) if area else 0.0


def _area(rect: pymupdf.Rect) -> float:
    return 0.0 if rect.is_empty else float(rect.width * rect.height)


def _shades(page: pymupdf.Page) -> tuple[list[int], int]:
    _check_images(page)
    area = max(abs(page.rect.width * page.rect.height), 1.0)
    scale = min(1.0, math.sqrt(_SMALL_PIXELS / area))
    pixmap = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csGRAY, alpha=False)
    samples = bytes(pixmap.samples_mv)
    counts = [samples.count(shade) for shade in range(256)]
    return counts, max(1, len(samples))


def _check_images(page: pymupdf.Page) -> None:
    """MuPDF decodes images whole before it makes them small."""
    decoded = max((image[2] * image[3] * (image[4] or 8) / 8 for image in page.get_images(full=True)), default=0)
    if decoded > _DECODED_BYTES:
        raise DocumentError("pdf_memory_limit", "An image of the page is too large to be recognised.")
