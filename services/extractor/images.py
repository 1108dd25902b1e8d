"""Embedded images of a page: original bytes where the PDF allows, PNG elsewhere.

The images come from the page's own drawing commands (inline images and those inside forms too),
so that each has a place; repeats are told by the hash of their still encoded bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator

import pymupdf
from msgspec.structs import replace
from pymupdf import mupdf

from services.extractor.captions import Line, caption_of
from services.extractor.pages import Box, Image
from services.extractor.reader.pixels import MAX_PIXELS, Dropped, check, encoded, fingerprint, picture
from services.extractor.reader.segments import text_boxes

_PER_PAGE_LIMIT = 2_000
_SMALLEST = 12.0


class Seen(dict[str, str]):
    """Names of images by fingerprint, over a document; `dropped` counts what was left out, by reason."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped: Counter[str] = Counter()
        self.hashes: dict[str, str] = {}


def page_images(
    doc: pymupdf.Document, page_number: int, seen: Seen, furniture: Collection[str] = ()
) -> Iterator[tuple[Image, bytes]]:
    """The images of sheet `page_number` (from 1) with their bytes; repeats come with `duplicate_of` and no bytes.

    `furniture` is what can be no caption: the page's header and footer.
    """
    try:
        page = doc.load_page(page_number - 1)
        listed = page.get_images(full=True)
        if any(item[2] * item[3] > MAX_PIXELS and "JPX" in str(item[8]) for item in listed):
            seen.dropped["too_large"] += 1  # MuPDF would decode it on sight
            return
        stext = _drawn(page)
    except MemoryError:
        raise
    except Exception:  # a page that cannot be drawn has no images; its text reports the failure
        seen.dropped["page_failed"] += 1
        return
    lines = [Line(*found) for found in text_boxes(stext)]
    index = 0
    for count, block in enumerate(block for block in stext if block.m_internal.type == mupdf.FZ_STEXT_BLOCK_IMAGE):
        if count >= _PER_PAGE_LIMIT:
            seen.dropped["too_many"] += 1
            return
        bounds = block.m_internal.bbox
        box = (round(bounds.x0, 1), round(bounds.y0, 1), round(bounds.x1, 1), round(bounds.y1, 1))
        try:
            if max(box[2] - box[0], box[3] - box[1]) < _SMALLEST:
                raise Dropped("tiny")
            found = _read(block.i_image(), page_number, index, box, seen)
        except Dropped as reason:
            seen.dropped[str(reason)] += 1
            continue
        except MemoryError:
            seen.dropped["too_large"] += 1
            continue
        except Exception:  # one bad image never stops the others
            seen.dropped["unreadable"] += 1
            continue
        index += 1
        yield replace(found[0], caption=caption_of(box, lines, furniture)), found[1]


def _drawn(page: pymupdf.Page) -> mupdf.FzStextPage:
    options = mupdf.FzStextOptions()
    options.flags = mupdf.FZ_STEXT_PRESERVE_IMAGES
    return mupdf.FzStextPage(page.this, options)


def _read(image: mupdf.FzImage, page: int, index: int, box: Box, seen: Seen) -> tuple[Image, bytes]:
    check(image)
    raw, kind = encoded(image)
    if not raw:
        raise Dropped("decoration")  # a gradient that MuPDF drew as an image
    key = fingerprint(image, raw)
    if key in seen:
        first = seen[key]
        ext = first.rsplit(".", 1)[-1]
        return Image(
            page, index, f"{page}_{index}.{ext}", image.w(), image.h(), box, ext, seen.hashes[first], 0, "", first
        ), b""
    found = picture(image, raw, kind)
    sha256 = hashlib.sha256(found.data).hexdigest()
    name = f"{page}_{index}.{found.ext}"
    seen[key] = name
    seen.hashes[name] = sha256
    return Image(page, index, name, found.width, found.height, box, found.ext, sha256, len(found.data), ""), found.data
