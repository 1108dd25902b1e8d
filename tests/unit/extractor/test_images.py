"""Embedded images: original bytes, soft masks, repeats and what is left out."""

from __future__ import annotations

import hashlib

import pymupdf
import pytest

from services.extractor.images import Seen, page_images
from services.extractor.pages import Image
from tests.unit.extractor.papers import Paper


def _picture(width: int = 60, height: int = 40, seed: int = 1) -> pymupdf.Pixmap:
    pixels = bytes((x * seed + y * 3 + c * 50) % 256 for y in range(height) for x in range(width) for c in range(3))
    return pymupdf.Pixmap(pymupdf.csRGB, width, height, pixels, False)


def _images(paper: Paper, seen: Seen | None = None) -> tuple[list[tuple[Image, bytes]], Seen]:
    doc, seen = paper.reopened(), seen or Seen()
    return [found for number in range(1, len(doc) + 1) for found in page_images(doc, number, seen)], seen


def test_jpeg_bytes_come_out_as_they_went_in() -> None:
    paper, jpeg = Paper(), _picture().tobytes("jpg")
    paper.page.insert_image(pymupdf.Rect(60, 60, 180, 140), stream=jpeg)
    [(image, data)], _ = _images(paper)
    assert data == jpeg
    assert (image.name, image.ext, image.width, image.height) == ("1_0.jpg", "jpg", 60, 40)
    assert image.sha256 == hashlib.sha256(jpeg).hexdigest()
    assert image.bbox == (60, 60, 180, 140)


def test_other_images_become_png_with_the_same_pixels() -> None:
    paper, picture = Paper(), _picture()
    paper.page.insert_image(pymupdf.Rect(60, 60, 180, 140), pixmap=picture)
    [(image, data)], _ = _images(paper)
    assert image.ext == "png"
    assert pymupdf.Pixmap(data).samples == picture.samples


def test_soft_mask_becomes_transparency() -> None:
    paper = Paper()
    picture = pymupdf.Pixmap(_picture(), 1)
    picture.set_alpha(bytes(range(240)) * 10)
    paper.page.insert_image(pymupdf.Rect(60, 60, 180, 140), pixmap=picture)
    [(_, data)], _ = _images(paper)
    assert pymupdf.Pixmap(data).alpha == 1


def test_a_repeated_image_is_told_but_not_delivered_again() -> None:
    paper = Paper()
    xref = paper.page.insert_image(pymupdf.Rect(60, 60, 180, 140), pixmap=_picture())
    paper.next_page()
    paper.page.insert_image(pymupdf.Rect(200, 60, 320, 140), xref=xref)
    [(first, data), (second, again)], _ = _images(paper)
    assert data
    assert again == b""
    assert (second.name, second.duplicate_of, second.sha256) == ("2_0.png", "1_0.png", first.sha256)


def test_tiny_and_flat_images_are_dropped_with_a_count() -> None:
    paper = Paper()
    paper.page.insert_image(pymupdf.Rect(60, 60, 80, 80), pixmap=_picture(8, 8))
    flat = pymupdf.Pixmap(pymupdf.csRGB, 50, 50, bytes(7500), False)
    paper.page.insert_image(pymupdf.Rect(60, 100, 180, 240), pixmap=flat)
    found, seen = _images(paper)
    assert found == []
    assert seen.dropped == {"tiny": 1, "single_colour": 1}


def test_the_nearest_caption_goes_with_the_image() -> None:
    paper = Paper()
    paper.page.insert_image(pymupdf.Rect(60, 60, 180, 140), pixmap=_picture())
    paper.line(60, 156, "Figure 1: A picture of nothing")
    paper.line(60, 400, "Text that is far away")
    [(image, _)], _ = _images(paper)
    assert image.caption == "Figure 1: A picture of nothing"


def test_one_bad_image_does_not_stop_the_others() -> None:
    paper = Paper()
    bad = paper.page.insert_image(pymupdf.Rect(60, 60, 180, 140), pixmap=_picture(seed=2))
    paper.page.insert_image(pymupdf.Rect(60, 200, 180, 280), pixmap=_picture(seed=5))
    paper.doc.xref_set_key(bad, "Width", "-5")
    found, _ = _images(paper)
    assert len(found) == 1


def test_a_shadow_is_a_decoration_and_a_silhouette_is_a_picture() -> None:
    paper = Paper()
    black = pymupdf.Pixmap(pymupdf.csRGB, 60, 60, bytes(60 * 60 * 3), False)
    glow, silhouette = pymupdf.Pixmap(black, 1), pymupdf.Pixmap(black, 1)
    glow.set_alpha(bytes(max(0, 4 * min(x, y, 59 - x, 59 - y)) for y in range(60) for x in range(60)))
    silhouette.set_alpha(bytes(255 * (x // 10 + y // 10) % 510 for y in range(60) for x in range(60)))
    paper.page.insert_image(pymupdf.Rect(60, 60, 180, 180), pixmap=glow)
    paper.page.insert_image(pymupdf.Rect(60, 260, 180, 380), pixmap=silhouette)
    found, seen = _images(paper)
    assert [image.bbox[1] for image, _ in found] == [260]
    assert seen.dropped == {"decoration": 1}


def test_an_image_that_is_shown_as_small_as_a_sign_is_dropped() -> None:
    paper = Paper()
    paper.page.insert_image(pymupdf.Rect(60, 60, 70, 70), pixmap=_picture(60, 60))
    found, seen = _images(paper)
    assert (found, seen.dropped) == ([], {"tiny": 1})


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_boxes_are_those_of_the_page_as_it_is_shown(rotation: int) -> None:
    """Also for an image inside a form: the box is where the drawn page is not white."""
    inner, paper = Paper(), Paper()
    inner.page.insert_image(pymupdf.Rect(100, 100, 220, 180), pixmap=_picture())
    paper.page.show_pdf_page(pymupdf.Rect(50, 60, 350, 480), inner.doc, 0)
    paper.page.set_rotation(rotation)
    [(image, _)], _ = _images(paper)
    shown = paper.reopened()[0].get_pixmap()
    rows = [y for y in range(shown.height) if any(shown.pixel(x, y) != (255, 255, 255) for x in range(shown.width))]
    columns = [x for x in range(shown.width) if any(shown.pixel(x, y) != (255, 255, 255) for y in rows)]
    box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert all(abs(ours - theirs) <= 1 for ours, theirs in zip(image.bbox, box, strict=True))
