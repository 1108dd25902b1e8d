"""Names of colours: the nearest of a small table of everyday names, by distance in CIELAB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NAMES: dict[str, str] = {
    "black": "101010",
    "charcoal": "3b3b3d",
    "grey": "808080",
    "light grey": "c0c0c0",
    "white": "f8f8f8",
    "cream": "f3ead2",
    "beige": "d8c3a5",
    "taupe": "8b7d6f",
    "brown": "6b4226",
    "dark brown": "3d2817",
    "tan": "c19a6b",
    "terracotta": "c4643f",
    "red": "c8202a",
    "burgundy": "701c30",
    "pink": "eba6b5",
    "orange": "e87b1e",
    "mustard": "cf9f2a",
    "yellow": "f2d83a",
    "olive": "73733a",
    "green": "3a8a46",
    "dark green": "1f4a30",
    "sage": "a3b096",
    "mint": "a9dcc3",
    "teal": "1f7a7a",
    "turquoise": "40bfc4",
    "light blue": "a5c8e4",
    "blue": "2f5fb3",
    "navy": "1c2a4f",
    "slate": "5a6b7b",
    "purple": "6d3b8f",
    "lilac": "bca6d6",
}
"""Name -> sRGB."""

Pixels = NDArray[np.float64]


def lab(rgb: Pixels) -> Pixels:
    """sRGB (0-255) as CIELAB, white point D65; shape (n, 3) both ways."""
    part = rgb / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


_TABLE = lab(np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in NAMES.values()], dtype=float))


def name_of(rgb: tuple[int, int, int]) -> str:
    """The everyday name of a colour."""
    distances = np.linalg.norm(_TABLE - lab(np.array([rgb], dtype=float)), axis=1)
    return list(NAMES)[int(distances.argmin())]
