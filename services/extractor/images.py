"""Embedded images of a page: original bytes where the PDF allows, PNG elsewhere.

The images come from the page's own drawing commands (inline images and those inside forms too),
so that each has a place; repeats are told by the hash of their still encoded bytes.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator

import pymupdf
from pymupdf import mupdf

from services.extractor.pages import Box, Image
from services.extractor.reader.text import clean

MAX_PIXELS = 50_000_000
MIN_SIDE = 32
_PER_PAGE_LIMIT = 2_000
_CAPTION = re.compile(r"^(?:fig|abb|figura|plate|photo|bild|image|図|图|圖|그림)[\w.]*\s*[\d(]", re.I)
_CAPTION_LIMIT = 300
_FLAT_BYTES_PER_PIXEL = 0.03


class Seen(dict[str, str]):
    """Names of images by hash, over a document; `dropped` counts what was left out, by reason."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: Counter[str] = Counter()


def page_images(doc: pymupdf.Document, page_number: int, seen: Seen) -> Iterator[tuple[Image, bytes]]:
    """The images of sheet `page_number` (from 1) with their bytes; repeats come with `duplicate_of` and no bytes."""
    page = doc.load_page(page_number - 1)
    listed = page.get_images(full=True)
    if any("JPX" in str(item[8]) and item[2] * item[3] > MAX_PIXELS for item in listed):
        seen.dropped["too_large"] += 1  # MuPDF would decode it on sight
        return
    options = mupdf.FzStextOptions()
    options.flags = mupdf.FZ_STEXT_PRESERVE_IMAGES
    stext = mupdf.FzStextPage(page.this, options)
    captions = _text_boxes(stext)
    index = 0
    for count, block in enumerate(_image_blocks(stext)):
        if count >= _PER_PAGE_LIMIT:
            seen.dropped["too_many"] += 1
            return
        box = block.m_internal.bbox
        try:
            found = _read(doc, block.i_image(), listed, seen)
        except MemoryError:
            raise
        except Exception:  # one bad image never stops the others
            seen.dropped["unreadable"] += 1
            continue
        if found is None:
            continue
        image, data = _described(found, page_number, index, (box.x0, box.y0, box.x1, box.y1), captions, seen)
        index += 1
        yield image, data


def _image_blocks(stext: mupdf.FzStextPage) -> Iterator[mupdf.FzStextBlock]:
    return (block for block in stext if block.m_internal.type == mupdf.FZ_STEXT_BLOCK_IMAGE)


class _Found:
    """An image's size, format, hash of its encoded form and, when it is new, its bytes."""

    __slots__ = ("data", "ext", "height", "key", "width")

    def __init__(self, width: int, height: int, key: str, ext: str, data: bytes) -> None:
        self.width, self.height, self.key, self.ext, self.data = width, height, key, ext, data


def _read(doc: pymupdf.Document, image: mupdf.FzImage, listed: list[tuple[object, ...]], seen: Seen) -> _Found | None:
    width, height = image.w(), image.h()
    reason = _drop_reason(image, width, height)
    if reason:
        seen.dropped[reason] += 1
        return None
    encoded, kind = _encoded(image)
    if encoded is None:
        return _read_jpx(doc, image, listed, seen)
    key = _key(encoded, image)
    if key in seen:
        return _Found(width, height, key, "", b"")
    if kind == mupdf.FZ_IMAGE_JPEG and not _has_mask(image):
        if len(encoded) < _FLAT_BYTES_PER_PIXEL * width * height and _is_flat(_pixmap(image)):
            seen.dropped["single_colour"] += 1
            return None
        return _Found(width, height, key, "jpg", encoded)
    return _png(image, key, seen)


def _drop_reason(image: mupdf.FzImage, width: int, height: int) -> str:
    if width <= 0 or height <= 0:
        return "unreadable"
    if width * height > MAX_PIXELS:
        return "too_large"
    if image.m_internal.imagemask:
        return "mask"
    return "tiny" if min(width, height) < MIN_SIDE else ""


def _encoded(image: mupdf.FzImage) -> tuple[bytes | None, int]:
    compressed = image.fz_compressed_image_buffer()
    if not compressed.m_internal:
        return None, 0
    inner = compressed.m_internal
    return _bytes(mupdf.FzBuffer(mupdf.ll_fz_keep_buffer(inner.buffer))), int(inner.params.type)


def _bytes(buffer: mupdf.FzBuffer) -> bytes:
    return bytes(mupdf.python_memoryview_from_memory(mupdf.ll_fz_buffer_storage_memoryview(buffer.m_internal))) if False else bytes(buffer.fz_buffer_storage_memoryview())


def _has_mask(image: mupdf.FzImage) -> bool:
    return bool(image.m_internal.mask) or bool(image.m_internal.use_colorkey)


def _key(encoded: bytes, image: mupdf.FzImage) -> str:
    digest = hashlib.sha256(encoded)
    digest.update(b"%d %d %d" % (image.w(), image.h(), _has_mask(image)))
    if image.m_internal.mask:
        mask, _ = _encoded(mupdf.FzImage(mupdf.ll_fz_keep_image(image.m_internal.mask)))
        digest.update(mask or b"")
    return digest.hexdigest()


def _read_jpx(doc: pymupdf.Document, image: mupdf.FzImage, listed: list[tuple[object, ...]], seen: Seen) -> _Found | None:
    """An image without encoded bytes is JPEG 2000, or a gradient that MuPDF drew."""
    width, height = image.w(), image.h()
    same = {item[0] for item in listed if "JPX" in str(item[8]) and item[2] == width and item[3] == height}
    if not same:
        seen.dropped["decoration"] += 1
        return None
    if len(same) == 1 and not _has_mask(image):
        data = doc.xref_stream_raw(next(iter(same)))
        if data and data[4:8] in (b"jP  ", b"\x51\xff\x4f\xff"[:4]) or (data and data[:4] == b"\xff\x4f\xff\x51"):
            return _Found(width, height, hashlib.sha256(data).hexdigest(), "jp2", data)
    return _png(image, "", seen)


def _png(image: mupdf.FzImage, key: str, seen: Seen) -> _Found | None:
    pixmap = _pixmap(image)
    if _is_flat(pixmap):
        seen.dropped["single_colour"] += 1
        return None
    if image.m_internal.mask:
        mask = mupdf.FzImage(mupdf.ll_fz_keep_image(image.m_internal.mask))
        pixmap = _masked(pixmap, mask)
    data = write_png(pixmap)
    return _Found(pixmap.width, pixmap.height, key or hashlib.sha256(data).hexdigest(), "png", data)


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
        packer.compress(b"".join(b"\0" + samples[at : at + stride] for at in range(start, min(start + 64 * stride, len(samples)), stride)))
        for start in range(0, len(samples), 64 * stride)
    ]
    head = struct.pack(">IIBBBBB", pixmap.width, pixmap.height, 8, kind, 0, 0, 0)
    body = b"".join([*parts, packer.flush()])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
