"""Embedded images turned into files: as they stand in the PDF where a file can hold that, as PNG elsewhere (ADR 16)."""

from __future__ import annotations

import ctypes
import hashlib

import pymupdf
from pymupdf import mupdf

from services.extractor.reader import png
from services.extractor.reader.colours import Colours
from services.extractor.reader.decorations import is_flat, is_glow, is_shadow
from services.extractor.reader.jpeg import read_frame

MAX_PIXELS = 50_000_000
MIN_SIDE = 32
_FLAT_BYTES_PER_PIXEL = 0.03
_SMOOTH_BYTES_PER_PIXEL = 0.15
_HEAD_BYTES = 1500
_CODESTREAM = b"\xff\x4f\xff\x51"
_INVERTED = bytes(255 - value for value in range(256))
_SAMPLED = {
    mupdf.FZ_IMAGE_RAW, mupdf.FZ_IMAGE_FLATE, mupdf.FZ_IMAGE_LZW,
    mupdf.FZ_IMAGE_RLD, mupdf.FZ_IMAGE_FAX, mupdf.FZ_IMAGE_JBIG2,
}  # fmt: skip


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
    """A hash of the image in its encoded form and of what decides about its look: colours, depth, masks."""
    digest, inner = hashlib.sha256(raw), image.m_internal
    colours = Colours(image)
    key = bytes((ctypes.c_int * (2 * inner.n)).from_address(int(inner.colorkey))) if inner.use_colorkey else b""
    digest.update(repr((image.w(), image.h(), inner.bpc, colours.identity, key)).encode())
    if inner.mask:
        digest.update(encoded(_mask_of(image))[0])
    return digest.hexdigest()


def picture(image: mupdf.FzImage, raw: bytes, kind: int) -> Picture:
    """The image as a file of its own; Dropped when it is one flat colour."""
    colours = Colours(image)
    mask = _soft_mask(image)
    if mask is None and not image.m_internal.use_colorkey:
        found = _as_it_stands(image, raw, kind, colours)
        if found is not None:
            _check_content(image, len(found.data), found.ext)
            return found
    elif kind == mupdf.FZ_IMAGE_JPEG:
        _jpeg_frame(raw)
    pixmap = _pixmap(image)
    flat = is_flat(pixmap)
    if flat and mask is None:
        raise Dropped("single_colour")
    pixmap = colours.displayed(pixmap)
    if mask is not None:
        pixmap = _masked(pixmap, mask)
        if is_glow(pixmap, flat=flat):
            raise Dropped("decoration")
    return Picture(pixmap.width, pixmap.height, "png", png.from_pixmap(pixmap))


def _as_it_stands(image: mupdf.FzImage, raw: bytes, kind: int, colours: Colours) -> Picture | None:
    """The image without a change of its samples; None when no common file would show it as the PDF does."""
    if kind == mupdf.FZ_IMAGE_JPEG:
        width, height, components, adobe = _jpeg_frame(raw)
        shown = (colours.inverted and adobe) if components == 4 else (colours.plain and not colours.inverted)
        return Picture(width, height, "jpg", raw) if shown else None
    if kind == mupdf.FZ_IMAGE_JPX:
        ext = "j2k" if raw.startswith(_CODESTREAM) else "jp2"
        shown = colours.simple and not colours.inverted
        return Picture(image.w(), image.h(), ext, raw) if shown else None
    colour = colours.png_type(image.m_internal.bpc)
    if kind not in _SAMPLED or colour is None:
        return None
    shape = png.Shape(image.w(), image.h(), image.m_internal.bpc, colour)
    palette = colours.palette(shape.bits)
    if kind == mupdf.FZ_IMAGE_FLATE and not colours.inverted:
        data = png.predicted(raw, shape)
        if data is not None:
            return Picture(*shape[:2], "png", png.write(shape, data, palette))
    samples = _samples(image, shape)
    if samples is None:
        return None
    if colours.inverted:
        samples = samples.translate(_INVERTED)
    return Picture(*shape[:2], "png", png.write(shape, png.deflate(samples, shape.row), palette))


def _check_content(image: mupdf.FzImage, size: int, ext: str) -> None:
    """Raise Dropped for what packs so well that it may be no picture, and is none."""
    pixels = image.w() * image.h()
    if size < _FLAT_BYTES_PER_PIXEL * pixels + _HEAD_BYTES and is_flat(_pixmap(image)):
        raise Dropped("single_colour")
    smooth = ext == "png" and image.m_internal.bpc > 1 and size < _SMOOTH_BYTES_PER_PIXEL * pixels + _HEAD_BYTES
    if smooth and is_shadow(_pixmap(image)):
        raise Dropped("decoration")


def _jpeg_frame(raw: bytes) -> tuple[int, int, int, bool]:
    """The frame of a JPEG; Dropped when it has none, or one that claims more pixels than allowed."""
    frame = read_frame(raw)
    if frame is None or not frame.width * frame.height:
        raise Dropped("unreadable")
    if frame.width * frame.height > MAX_PIXELS:
        raise Dropped("too_large")
    return frame


def _samples(image: mupdf.FzImage, shape: png.Shape) -> bytes | None:
    """The decoded samples, packed as in the file; None when the stream gives less than the image needs."""
    size = shape.row * shape.height
    stream = mupdf.fz_open_compressed_buffer(image.fz_compressed_image_buffer())
    buffer, cut = mupdf.FzStream.fz_read_best(stream, size, size + (1 << 20))
    data = bytes(buffer.fz_buffer_extract_copy())
    return None if cut or len(data) < size else data[:size]


def _mask_of(image: mupdf.FzImage) -> mupdf.FzImage:
    return mupdf.FzImage(mupdf.ll_fz_keep_image(image.m_internal.mask))


def _soft_mask(image: mupdf.FzImage) -> pymupdf.Pixmap | None:
    """The decoded mask; None when there is none, or one that hides nothing."""
    if not image.m_internal.mask:
        return None
    mask = _mask_of(image)
    if mask.w() * mask.h() > MAX_PIXELS:
        return None
    alpha = pymupdf.Pixmap("raw", mask.fz_get_unscaled_pixmap_from_image())
    samples = alpha.samples
    return None if samples.count(b"\xff") == len(samples) else alpha


def _pixmap(image: mupdf.FzImage) -> pymupdf.Pixmap:
    return pymupdf.Pixmap("raw", image.fz_get_unscaled_pixmap_from_image())


def _masked(pixmap: pymupdf.Pixmap, alpha: pymupdf.Pixmap) -> pymupdf.Pixmap:
    if (alpha.width, alpha.height) != (pixmap.width, pixmap.height):
        alpha = pymupdf.Pixmap(alpha, pixmap.width, pixmap.height, None)
    if pixmap.alpha:
        pixmap = pymupdf.Pixmap(pixmap, 0)
    masked = pymupdf.Pixmap(pixmap, 1)
    masked.set_alpha(alpha.samples, premultiply=0)
    return masked
