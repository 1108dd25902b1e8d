"""Embedded images turned into bytes: passed through where they already are a file, written as PNG elsewhere."""

from __future__ import annotations

import hashlib
import struct
import zlib

import pymupdf
from pymupdf import mupdf

MAX_PIXELS = 50_000_000
MIN_SIDE = 32
_FLAT_BYTES_PER_PIXEL = 0.03
_PASSED_THROUGH = {mupdf.FZ_IMAGE_JPEG: "jpg", mupdf.FZ_IMAGE_JPX: "jp2"}


class Dropped(Exception):
    """An image that is not worth keeping, with the reason."""


class Picture:
    """An image's size, format and bytes."""

    __slots__ = ("data", "ext", "height", "width")

    def __init__(self, width: int, height: int, ext: str, data: bytes) -> None:
        self.width, self.height, self.ext, self.data = width, height, ext, data


def check(image: mupdf.FzImage) -> None:
    """Raise Dropped for what is no picture, before anything is decoded."""
    width, height = image.w(), image.h()
    if width <= 0 or height <= 0:
        raise Dropped("unreadable")
    if width * height > MAX_PIXELS:
        raise Dropped("too_large")
    if image.m_internal.imagemask:
        raise Dropped("mask")
    if min(width, height) < MIN_SIDE:
        raise Dropped("tiny")


def encoded(image: mupdf.FzImage) -> tuple[bytes, int]:
    """The bytes of an image as they stand in the file, and MuPDF's name for their format."""
    compressed = image.fz_compressed_image_buffer()
    if not compressed.m_internal:
        return b"", mupdf.FZ_IMAGE_UNKNOWN
    inner = compressed.m_internal
    return bytes(mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(inner.buffer)).fz_buffer_extract_copy()), int(inner.params.type)


def fingerprint(image: mupdf.FzImage, raw: bytes) -> str:
    """A hash of the image in its encoded form, its mask included."""
    digest = hashlib.sha256(raw)
    digest.update(b"%d %d %d" % (image.w(), image.h(), _has_mask(image)))
    if image.m_internal.mask:
        digest.update(encoded(_mask_of(image))[0])
    return digest.hexdigest()


def picture(image: mupdf.FzImage, raw: bytes, kind: int) -> Picture:
    """The image as a file of its own; Dropped when it is one flat colour."""
    width, height = image.w(), image.h()
    if kind == mupdf.FZ_IMAGE_JPEG:
        _check_jpeg(raw)
    if kind in _PASSED_THROUGH and not _has_mask(image):
        if len(raw) < _FLAT_BYTES_PER_PIXEL * width * height and _is_flat(_pixmap(image)):
            raise Dropped("single_colour")
        return Picture(width, height, _PASSED_THROUGH[kind], raw)
    pixmap = _pixmap(image)
    if _is_flat(pixmap):
        raise Dropped("single_colour")
    if image.m_internal.mask:
        pixmap = _masked(pixmap, _mask_of(image))
    return Picture(pixmap.width, pixmap.height, "png", write_png(pixmap))


def _check_jpeg(raw: bytes) -> None:
    """Raise Dropped when a JPEG has no frame header, or one that claims more pixels than allowed."""
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker, length = raw[at + 1], int.from_bytes(raw[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", raw[at + 5 : at + 9])
            if width * height > MAX_PIXELS:
                raise Dropped("too_large")
            return
        at += 1 if marker == 0xFF else 2 + length
    raise Dropped("unreadable")


def _has_mask(image: mupdf.FzImage) -> bool:
    return bool(image.m_internal.mask) or bool(image.m_internal.use_colorkey)


def _mask_of(image: mupdf.FzImage) -> mupdf.FzImage:
    return mupdf.FzImage(mupdf.ll_fz_keep_image(image.m_internal.mask))


def _pixmap(image: mupdf.FzImage) -> pymupdf.Pixmap:
    pixmap = pymupdf.Pixmap("raw", image.fz_get_unscaled_pixmap_from_image())
    if pixmap.colorspace is not None and pixmap.colorspace.n not in (1, 3):
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pixmap)
    return pixmap


def _masked(pixmap: pymupdf.Pixmap, mask: mupdf.FzImage) -> pymupdf.Pixmap:
    if mask.w() * mask.h() > MAX_PIXELS:
        return pixmap
    alpha = pymupdf.Pixmap("raw", mask.fz_get_unscaled_pixmap_from_image())
    if (alpha.width, alpha.height) != (pixmap.width, pixmap.height):
        alpha = pymupdf.Pixmap(alpha, pixmap.width, pixmap.height, None)
    if pixmap.alpha:
        pixmap = pymupdf.Pixmap(pixmap, 0)
    masked = pymupdf.Pixmap(pixmap, 1)
    masked.set_alpha(alpha.samples, premultiply=0)
    return masked


def _is_flat(pixmap: pymupdf.Pixmap) -> bool:
    """Whether all pixels have one colour."""
    samples, size = pixmap.samples_mv, pixmap.n
    first = bytes(samples[:size])
    if bytes(samples[-size:]) != first or bytes(samples[len(samples) // 2 // size * size :][:size]) != first:
        return False
    row = first * pixmap.width
    return all(samples[at : at + len(row)] == row for at in range(0, len(samples), pixmap.stride))


def write_png(pixmap: pymupdf.Pixmap) -> bytes:
    """The pixmap as PNG, compressed for speed: MuPDF's own writer takes five times as long."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixmap.n]
    stride, samples = pixmap.stride, pixmap.samples_mv
    packer = zlib.compressobj(2)
    parts = [
        packer.compress(
            b"".join(
                b"\0" + samples[at : at + stride] for at in range(start, min(start + 64 * stride, len(samples)), stride)
            )
        )
        for start in range(0, len(samples), 64 * stride)
    ]
    head = struct.pack(">IIBBBBB", pixmap.width, pixmap.height, 8, kind, 0, 0, 0)
    body = b"".join([*parts, packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
