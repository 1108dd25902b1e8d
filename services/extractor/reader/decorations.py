"""Tells pictures from what only decorates a page: flat areas, drop shadows, glows."""

from __future__ import annotations

import itertools

import pymupdf

_ROWS, _MANY_ROWS = 24, 60
_THUMB = 16
_EDGE = 48
_FAINT = 140
_SOFT_EDGES = 0.01
_NO_EDGES = 0.0005
_SHADOW_RANGE = 110
_GREYISH = 10


def is_flat(pixmap: pymupdf.Pixmap) -> bool:
    """Whether all pixels have one colour."""
    samples, size = pixmap.samples_mv, pixmap.n
    first = bytes(samples[:size])
    if bytes(samples[-size:]) != first or bytes(samples[len(samples) // 2 // size * size :][:size]) != first:
        return False
    row = first * pixmap.width
    return all(samples[at : at + len(row)] == row for at in range(0, len(samples), pixmap.stride))


def is_glow(pixmap: pymupdf.Pixmap, *, flat: bool) -> bool:
    """Whether a pixmap with transparency is a fading area without an edge, of one colour or faint everywhere."""
    if edges(pixmap) >= _SOFT_EDGES:
        return False
    return flat or max(pixmap.samples_mv[pixmap.n - 1 :: pixmap.n]) < _FAINT


def is_shadow(pixmap: pymupdf.Pixmap) -> bool:
    """Whether an opaque pixmap is a grey area that fades to its borders: the shadow of a box, without any edge."""
    thumb = _thumb(pixmap)
    greyish = all(max(pixel) - min(pixel) <= _GREYISH for pixel in thumb)
    return greyish and _range(thumb) <= _SHADOW_RANGE and edges(pixmap) < _NO_EDGES


def edges(pixmap: pymupdf.Pixmap) -> float:
    """Share of neighbours in some rows that differ much in the last channel, which is the alpha where there is one."""
    found: int = 0
    rows = range(0, pixmap.height, max(1, pixmap.height // _ROWS))
    for y in rows:
        row = bytes(pixmap.samples_mv[y * pixmap.stride : (y + 1) * pixmap.stride])[pixmap.n - 1 :: pixmap.n]
        found += sum(abs(a - b) > _EDGE for a, b in itertools.pairwise(row))
    return found / max(1, len(rows) * int(pixmap.width))


def filled_rows(pixmap: pymupdf.Pixmap) -> float:
    """Share of rows, among some, that are not of one colour from end to end."""
    rows = range(0, pixmap.height, max(1, pixmap.height // _MANY_ROWS))
    starts = [y * pixmap.stride for y in rows]
    samples, size = pixmap.samples_mv, pixmap.n
    found = sum(
        samples[at : at + size * pixmap.width] != bytes(samples[at : at + size]) * pixmap.width for at in starts
    )
    return int(found) / max(1, len(rows))


def _thumb(pixmap: pymupdf.Pixmap) -> list[tuple[int, ...]]:
    small = pymupdf.Pixmap(pixmap, min(_THUMB, pixmap.width), min(_THUMB, pixmap.height), None)
    return [small.pixel(x, y) for x in range(small.width) for y in range(small.height)]


def _range(pixels: list[tuple[int, ...]]) -> int:
    ranges: list[int] = [max(channel) - min(channel) for channel in zip(*pixels, strict=True)]
    return max(ranges)
