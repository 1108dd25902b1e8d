"""PNG files (W3C recommendation, third edition) made from samples as a PDF keeps them.

A PDF's samples are packed as those of a PNG are, so grey, RGB and palette images of any depth that PNG knows keep
their depth; a stream that was deflated with PNG's own row filters becomes a PNG's data as it is.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import pymupdf

GREY, RGB, PALETTE = 0, 2, 3
_LEVEL = 2
_ROWS = 64


class Shape(NamedTuple):
    """How samples lie in a row: `colour` is PNG's colour type, `bits` the depth of a sample."""

    width: int
    height: int
    bits: int
    colour: int

    @property
    def row(self) -> int:
        """Bytes of a row."""
        return (self.width * self.bits * (3 if self.colour == RGB else 1) + 7) // 8


def predicted(deflated: bytes, shape: Shape) -> bytes | None:
    """The deflated stream itself if it holds rows with PNG's filters and nothing else; None otherwise.

    It is inflated once, up to the size it must have, to be sure; what follows its end is cut off.
    """
    unpacker = zlib.decompressobj()
    size = (shape.row + 1) * shape.height
    try:
        rows = unpacker.decompress(deflated, size + 1)
    except zlib.error:
        return None
    if len(rows) != size or not unpacker.eof or max(rows[:: shape.row + 1]) > 4:
        return None
    return deflated[: len(deflated) - len(unpacker.unused_data)]


def deflate(samples: bytes | memoryview, row: int) -> bytes:
    """Samples as a PNG's data, without filters; `row` is the number of bytes of one row."""
    packer = zlib.compressobj(_LEVEL)
    parts = []
    for start in range(0, len(samples), _ROWS * row):
        end = min(start + _ROWS * row, len(samples))
        parts.append(packer.compress(b"".join(b"\0" + samples[at : at + row] for at in range(start, end, row))))
    return b"".join([*parts, packer.flush()])


def write(shape: Shape, data: bytes, palette: bytes = b"") -> bytes:
    """The file: `data` is deflated, `palette` is three bytes for each colour."""
    return _file(shape.width, shape.height, shape.bits, shape.colour, data, palette)


def from_pixmap(pixmap: pymupdf.Pixmap) -> bytes:
    """A pixmap of 8 bits; MuPDF's own writer takes five times as long."""
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[pixmap.n]
    return _file(pixmap.width, pixmap.height, 8, colour, deflate(pixmap.samples_mv, pixmap.stride), b"")


def _file(width: int, height: int, bits: int, colour: int, data: bytes, palette: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = _chunk(b"IHDR", head) + (_chunk(b"PLTE", palette) if palette else b"")
    return b"\x89PNG\r\n\x1a\n" + chunks + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
