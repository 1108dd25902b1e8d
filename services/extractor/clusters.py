"""Clusters of boxes that lie close together, found on a raster: each box costs its rows, whatever else there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from services.extractor.pages import Box

_CELLS = 160
_LEAST_CELL = 5.0
_THIN = 2.5


class Cluster(NamedTuple):
    """Boxes that belong together: their common box, their number, and how many of them are thin rules."""

    box: Box
    size: int
    rules: int


def clusters(boxes: Sequence[Box], width: float, height: float) -> list[Cluster]:
    """The clusters on a sheet of `width` x `height` points: cells of the raster that touch, also at their corners."""
    cell = max(_LEAST_CELL, width / _CELLS, height / _CELLS)
    rows = [0] * (int(height / cell) + 1)
    places = [_cells(box, cell, len(rows), int(width / cell)) for box in boxes]
    for left, top, right, bottom in places:
        bits = (1 << (right + 1)) - (1 << left)
        for row in range(top, bottom + 1):
            rows[row] |= bits
    label = _labels(rows)
    found: dict[int, Cluster] = {}
    for box, (left, top, _, _) in zip(boxes, places, strict=True):
        key = label[top, left]
        thin = min(box[2] - box[0], box[3] - box[1]) <= _THIN
        old = found.get(key, Cluster(box, 0, 0))
        joined = (
            min(old.box[0], box[0]),
            min(old.box[1], box[1]),
            max(old.box[2], box[2]),
            max(old.box[3], box[3]),
        )
        found[key] = Cluster(joined, old.size + 1, old.rules + thin)
    return list(found.values())


def _cells(box: Box, cell: float, rows: int, columns: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = (int(value / cell) for value in box)
    return min(left, columns), min(top, rows - 1), min(right, columns), min(bottom, rows - 1)


def _labels(rows: Sequence[int]) -> dict[tuple[int, int], int]:
    """A number for every filled cell (row, column), the same for cells that are connected."""
    label: dict[tuple[int, int], int] = {}
    for row, bits in enumerate(rows):
        column = 0
        while bits >> column:
            if bits >> column & 1 and (row, column) not in label:
                _fill(rows, (row, column), len(label), label)
            column += 1
    return label


def _fill(rows: Sequence[int], start: tuple[int, int], number: int, label: dict[tuple[int, int], int]) -> None:
    label[start] = number
    waiting = [start]
    while waiting:
        row, column = waiting.pop()
        for near in range(max(0, row - 1), min(len(rows), row + 2)):
            for beside in range(max(0, column - 1), column + 2):
                if rows[near] >> beside & 1 and (near, beside) not in label:
                    label[near, beside] = number
                    waiting.append((near, beside))
