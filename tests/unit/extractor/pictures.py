"""PDFs with one image of a chosen filter, colour space and mask, on a page of just the image's size."""

from __future__ import annotations

import zlib
from typing import Any

import pymupdf

from services.extractor.images import Seen, page_images
from services.extractor.pages import Image

WIDTH, HEIGHT = 48, 40


def values(count: int, seed: int = 1) -> bytes:
    """Bytes that look like no flat colour, always the same."""
    return bytes((i * i * seed + i // 7 * 31 + 5) % 256 for i in range(count))


def pdf_with_image(entries: str, stream: bytes, *, mask: tuple[str, bytes] | None = None) -> pymupdf.Document:
    """A PDF whose page shows an image with these dictionary entries, one sample to a point."""
    doc = pymupdf.open()
    page = doc.new_page(width=WIDTH, height=HEIGHT)
    place = page.insert_image(page.rect, pixmap=pymupdf.Pixmap(pymupdf.csRGB, 8, 8, values(192), False))
    if mask is not None:
        hidden = doc.get_new_xref()
        _image(doc, hidden, *mask)
        entries += f" /SMask {hidden} 0 R" if "ImageMask" not in mask[0] else f" /Mask {hidden} 0 R"
    _image(doc, place, entries, stream)
    return pymupdf.open(stream=doc.tobytes(), filetype="pdf")


def _image(doc: pymupdf.Document, xref: int, entries: str, stream: bytes) -> None:
    sizes = "" if "/Width" in entries else f"/Width {WIDTH} /Height {HEIGHT} "
    filtered = "/Filter" in entries
    doc.update_object(xref, f"<</Type /XObject /Subtype /Image {sizes}{'' if filtered else entries}>>")
    doc.update_stream(xref, stream, new=True, compress=not filtered)
    if filtered:
        doc.update_object(xref, f"<</Type /XObject /Subtype /Image {sizes}{entries} /Length {len(stream)}>>")


def extracted(doc: pymupdf.Document) -> tuple[Image, bytes]:
    """The only image of the first page."""
    [found] = page_images(doc, 1, Seen())
    return found


def shown(doc: pymupdf.Document) -> bytes:
    """What a reader of the PDF sees: RGB, on white."""
    return bytes(doc[0].get_pixmap().samples)


def seen(data: bytes) -> bytes:
    """What a viewer of the file sees: RGB, on white."""
    pixmap = pymupdf.Pixmap(data)
    if pixmap.colorspace.n != 3:
        pixmap = pymupdf.Pixmap(pymupdf.csRGB, pixmap)
    if not pixmap.alpha:
        return bytes(pixmap.samples)
    on_white = bytearray()
    for at in range(0, len(pixmap.samples), 4):
        *colours, alpha = pixmap.samples[at : at + 4]
        on_white += bytes(min(255, c + 255 - alpha) for c in colours)  # MuPDF gives colours multiplied by alpha
    return bytes(on_white)


def difference(one: bytes, other: bytes) -> int:
    """The greatest difference of two pictures in any sample."""
    assert len(one) == len(other)
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def png_head(data: bytes) -> tuple[Any, ...]:
    """Depth and colour type as the PNG's header tells them."""
    assert data.startswith(b"\x89PNG")
    return data[24], data[25]


def filtered_rows(samples: bytes, row: int, pixel: int) -> bytes:
    """Rows with PNG's filter Sub, deflated: what a PDF producer writes for Predictor 15."""
    rows = []
    for at in range(0, len(samples), row):
        line = samples[at : at + row]
        rows.append(b"\1" + bytes((line[i] - (line[i - pixel] if i >= pixel else 0)) % 256 for i in range(row)))
    return zlib.compress(b"".join(rows))


def run_lengths(samples: bytes) -> bytes:
    """RunLengthDecode's literal runs."""
    pieces = [samples[at : at + 128] for at in range(0, len(samples), 128)]
    return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces) + b"\x80"
