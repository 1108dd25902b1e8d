"""What the head of a JPEG says about its picture, read without decoding it."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Frame(NamedTuple):
    """Size in pixels, number of colour components, and whether an Adobe marker tells how they are stored."""

    width: int
    height: int
    components: int
    adobe: bool


def read_frame(raw: bytes) -> Frame | None:
    """The frame header of a JPEG; None when there is none before the picture's data begins."""
    at, adobe = 2, False
    while at + 9 < len(raw) and raw[at] == 0xFF:
        marker, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4], "big")
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker == 0xDA:
            return None
        if marker == 0xEE and raw[at + 4 : at + 9] == b"Adobe":
            adobe = True
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", raw[at + 5 : at + 9])
            return Frame(width, height, raw[at + 9], adobe)
        at += 2 + length
    return None
