"""Small pictures made for tests: a pattern, two colours, any format that Pillow writes."""

from __future__ import annotations

import io
import math

from PIL import Image

RED, BLUE, SAND, GREEN, WHITE = (190, 40, 40), (38, 70, 160), (216, 190, 150), (60, 120, 60), (255, 255, 255)
Colour = tuple[int, int, int]


def picture(
    pattern: str = "plain",
    one: Colour = SAND,
    other: Colour = WHITE,
    size: tuple[int, int] = (160, 120),
    kind: str = "PNG",
    **options: object,
) -> bytes:
    """`pattern` is plain, stripes, fine (stripes), checks, rings or half; options go to the encoder."""
    width, height = size
    image = Image.new("RGB", size, one)
    drawn = image.load()
    assert drawn is not None
    for y in range(height):
        for x in range(width):
            if _other(pattern, x / width, y / height):
                drawn[x, y] = other
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _other(pattern: str, x: float, y: float) -> bool:
    if pattern == "stripes":
        return int(x * 8) % 2 == 1
    if pattern == "fine":
        return int((x + y) * 32) % 2 == 1
    if pattern == "checks":
        return (int(x * 6) + int(y * 6)) % 2 == 1
    if pattern == "rings":
        return int(math.hypot(x - 0.5, y - 0.5) * 16) % 2 == 1
    return pattern == "half" and y > 0.5
