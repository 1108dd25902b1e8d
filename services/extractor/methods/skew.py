"""How far a scanned page lies from level: the angle at which the ink gathers best in lines.

MuPDF has such a function too, but it crashes on narrow pictures and finds 5 degrees in level ones (1.28.2).
"""

from __future__ import annotations

import math

import pymupdf

_PIXELS = 400_000
_MOST, _STEP, _FINE = 6.0, 0.5, 0.1
_LEAST = 0.25  # degrees: the recognition does not mind less
_GAIN = 1.1
_ENOUGH = 500
_CONTRAST = 60


def skew(page: pymupdf.Page, turn: int) -> float:
    """The degrees by which `page`, drawn turned by `turn`, must be turned further to be level; 0 when unsure."""
    import numpy as np  # only recognised pages need it

    area = max(abs(page.rect.width * page.rect.height), 1.0)
    scale = min(2.0, math.sqrt(_PIXELS / area))
    matrix = pymupdf.Matrix(scale, scale).prerotate(turn)
    picture = page.get_pixmap(matrix=matrix, colorspace=pymupdf.csGRAY, alpha=False)
    shades = np.frombuffer(picture.samples_mv, dtype=np.uint8).reshape(picture.height, picture.stride)
    shades = shades[:, : picture.width].astype(np.int16)
    rows, columns = np.nonzero(np.abs(shades - int(np.median(shades))) > _CONTRAST)
    if len(rows) < _ENOUGH:
        return 0.0
    across = columns - picture.width / 2

    def sharpness(degrees: float) -> float:
        lines = np.rint(rows + across * math.tan(math.radians(degrees))).astype(np.int64)
        counts = np.bincount(lines - lines.min()).astype(np.float64)
        return float(np.square(np.diff(counts)).sum())

    coarse = max(np.arange(-_MOST, _MOST + _STEP, _STEP), key=sharpness)
    best = float(max(np.arange(coarse - _STEP, coarse + _STEP + _FINE, _FINE), key=sharpness))
    unsure = abs(best) < _LEAST or abs(best) > _MOST or sharpness(best) < _GAIN * sharpness(0.0)
    return 0.0 if unsure else best
