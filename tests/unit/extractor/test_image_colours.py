"""Every filter, colour space and mask: the file shows what the page shows, in the depth of the PDF (ADR 16)."""

from __future__ import annotations

import zlib

import pymupdf
import pytest
from pymupdf import mupdf

from services.extractor.images import Seen, page_images
from tests.unit.extractor.pictures import (
    HEIGHT,
    WIDTH,
    difference,
    extracted,
    filtered_rows,
    pdf_with_image,
    png_head,
    run_lengths,
    seen,
    shown,
    values,
)

PIXELS = WIDTH * HEIGHT
PALETTE = "".join(f"{i * 40 % 256:02x}{i * 90 % 256:02x}{i * 17 % 256:02x}" for i in range(16))
INK = "<</FunctionType 2 /Domain [0 1] /C0 [0 0 0 0] /C1 [0 0.8 0.9 0.1] /N 1>>"


def _row(bits: int, colours: int = 1) -> int:
    return (WIDTH * bits * colours + 7) // 8


SAMPLED = {
    "grey of 1 bit": ("/ColorSpace /DeviceGray /BitsPerComponent 1", _row(1) * HEIGHT, (1, 0)),
    "grey of 2 bits": ("/ColorSpace /DeviceGray /BitsPerComponent 2", _row(2) * HEIGHT, (2, 0)),
    "grey of 4 bits": ("/ColorSpace /DeviceGray /BitsPerComponent 4", _row(4) * HEIGHT, (4, 0)),
    "grey of 8 bits": ("/ColorSpace /DeviceGray /BitsPerComponent 8", PIXELS, (8, 0)),
    "grey of 16 bits": ("/ColorSpace /DeviceGray /BitsPerComponent 16", 2 * PIXELS, (16, 0)),
    "inverted grey": ("/ColorSpace /DeviceGray /BitsPerComponent 8 /Decode [1 0]", PIXELS, (8, 0)),
    "inverted grey of 1 bit": ("/ColorSpace /DeviceGray /BitsPerComponent 1 /Decode [1 0]", _row(1) * HEIGHT, (1, 0)),
    "half of the greys": ("/ColorSpace /DeviceGray /BitsPerComponent 8 /Decode [0 0.5]", PIXELS, (8, 0)),
    "RGB": ("/ColorSpace /DeviceRGB /BitsPerComponent 8", 3 * PIXELS, (8, 2)),
    "RGB of 16 bits": ("/ColorSpace /DeviceRGB /BitsPerComponent 16", 6 * PIXELS, (16, 2)),
    "RGB of 4 bits": ("/ColorSpace /DeviceRGB /BitsPerComponent 4", _row(4, 3) * HEIGHT, (8, 2)),
    "inverted RGB": ("/ColorSpace /DeviceRGB /BitsPerComponent 8 /Decode [1 0 1 0 1 0]", 3 * PIXELS, (8, 2)),
    "a palette of 4 bits": (
        f"/ColorSpace [/Indexed /DeviceRGB 15 <{PALETTE}>] /BitsPerComponent 4", _row(4) * HEIGHT, (4, 3)
    ),
    "a palette in grey": (
        f"/ColorSpace [/Indexed /DeviceGray 15 <{PALETTE[:32]}>] /BitsPerComponent 4", _row(4) * HEIGHT, (4, 3)
    ),
    "a palette in CMYK": (
        f"/ColorSpace [/Indexed /DeviceCMYK 3 <{PALETTE[:32]}>] /BitsPerComponent 2", _row(2) * HEIGHT, (2, 3)
    ),
    "a palette with Decode": (
        f"/ColorSpace [/Indexed /DeviceRGB 15 <{PALETTE}>] /BitsPerComponent 4 /Decode [15 0]", _row(4) * HEIGHT, (8, 2)
    ),
    "CMYK": ("/ColorSpace /DeviceCMYK /BitsPerComponent 8", 4 * PIXELS, (8, 2)),
    "a spot colour": (
        f"/ColorSpace [/Separation /Ink /DeviceCMYK {INK}] /BitsPerComponent 8", PIXELS, (8, 2)
    ),
    "Lab": ("/ColorSpace [/Lab <</WhitePoint [0.95 1 1.09]>>] /BitsPerComponent 8", 3 * PIXELS, (8, 2)),
    "calibrated RGB": (
        "/ColorSpace [/CalRGB <</WhitePoint [0.95 1 1.09] /Gamma [1 1 1]>>] /BitsPerComponent 8", 3 * PIXELS, (8, 2)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLED)
def test_the_file_shows_what_the_page_shows(name: str) -> None:
    entries, size, head = SAMPLED[name]
    doc = pdf_with_image(entries, values(size))
    image, data = extracted(doc)
    assert (image.ext, png_head(data)) == ("png", head)
    assert difference(seen(data), shown(doc)) <= 2


@pytest.mark.parametrize(
    ("name", "stream"),
    {
        "FlateDecode": zlib.compress(values(3 * PIXELS)),
        "RunLengthDecode": run_lengths(values(3 * PIXELS)),
        "ASCIIHexDecode": values(3 * PIXELS).hex().encode() + b">",
    }.items(),
)
def test_lossless_filters_keep_every_sample(name: str, stream: bytes) -> None:
    entries = f"/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /{name}"
    _, data = extracted(pdf_with_image(entries, stream))
    assert pymupdf.Pixmap(data).samples == values(3 * PIXELS)


def test_a_stream_with_the_filters_of_png_is_taken_over_as_it_is() -> None:
    stream = filtered_rows(values(3 * PIXELS), 3 * WIDTH, 3)
    parms = f"/DecodeParms <</Predictor 15 /Colors 3 /Columns {WIDTH}>>"
    doc = pdf_with_image(f"/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode {parms}", stream)
    _, data = extracted(doc)
    assert stream in data
    assert pymupdf.Pixmap(data).samples == values(3 * PIXELS)


@pytest.mark.parametrize("cut", [3, 10, 400])
def test_a_stream_that_ends_early_still_gives_a_whole_file(cut: int) -> None:
    stream = filtered_rows(values(3 * PIXELS), 3 * WIDTH, 3)
    parms = f"/DecodeParms <</Predictor 15 /Colors 3 /Columns {WIDTH}>>"
    doc = pdf_with_image(f"/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode {parms}", stream[:-cut])
    image, data = extracted(doc)
    pixmap = pymupdf.Pixmap(data)
    assert (pixmap.width, pixmap.height) == (image.width, image.height) == (WIDTH, HEIGHT)


def test_fax_becomes_a_png_of_one_bit() -> None:
    bits = values(_row(1) * HEIGHT)
    packed = mupdf.new_bytes(len(bits))
    for index, byte in enumerate(bits):
        mupdf.bytes_setitem(packed, index, byte)
    fax = mupdf.fz_compress_ccitt_fax_g4(packed, WIDTH, HEIGHT, _row(1))
    stream = bytes(fax.fz_buffer_extract_copy())
    parms = f"/DecodeParms <</K -1 /Columns {WIDTH} /Rows {HEIGHT}>>"
    doc = pdf_with_image(f"/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /CCITTFaxDecode {parms}", stream)
    _, data = extracted(doc)
    assert png_head(data) == (1, 0)
    assert seen(data) == shown(doc)


def _jpeg(space: pymupdf.Colorspace, seed: int = 3) -> bytes:
    ramp = bytes((x * 3 + y * seed + c * 60) % 256 for y in range(HEIGHT) for x in range(WIDTH) for c in range(space.n))
    return bytes(pymupdf.Pixmap(space, WIDTH, HEIGHT, ramp, False).tobytes("jpg", jpg_quality=95))


JPEGS = {
    "grey": (pymupdf.csGRAY, "/ColorSpace /DeviceGray", "jpg"),
    "RGB": (pymupdf.csRGB, "/ColorSpace /DeviceRGB", "jpg"),
    "inverted RGB": (pymupdf.csRGB, "/ColorSpace /DeviceRGB /Decode [1 0 1 0 1 0]", "png"),
    "a spot colour": (pymupdf.csGRAY, f"/ColorSpace [/Separation /Ink /DeviceCMYK {INK}]", "png"),
    "a palette": (pymupdf.csGRAY, f"/ColorSpace [/Indexed /DeviceRGB 15 <{PALETTE}>]", "png"),
    "CMYK": (pymupdf.csCMYK, "/ColorSpace /DeviceCMYK", "png"),
}


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_stays_as_it_is_only_where_it_shows_what_the_page_shows(name: str) -> None:
    space, entries, ext = JPEGS[name]
    jpeg = _jpeg(space)
    doc = pdf_with_image(f"{entries} /BitsPerComponent 8 /Filter /DCTDecode", jpeg)
    image, data = extracted(doc)
    assert image.ext == ext
    assert data == jpeg if ext == "jpg" else difference(seen(data), shown(doc)) <= 3


def test_a_cmyk_jpeg_inverted_as_viewers_expect_it_stays_as_it_is() -> None:
    """Viewers take every CMYK JPEG with an Adobe marker for inverted; so does a PDF only with this Decode array."""
    jpeg = _jpeg(pymupdf.csCMYK)
    assert b"Adobe" in jpeg
    entries = "/ColorSpace /DeviceCMYK /BitsPerComponent 8 /Decode [1 0 1 0 1 0 1 0] /Filter /DCTDecode"
    assert extracted(pdf_with_image(entries, jpeg))[1] == jpeg


RGB = "/ColorSpace /DeviceRGB /BitsPerComponent 8"


def test_a_soft_mask_becomes_transparency() -> None:
    doc = pdf_with_image(RGB, values(3 * PIXELS), mask=("/ColorSpace /DeviceGray /BitsPerComponent 8", values(PIXELS)))
    _, data = extracted(doc)
    assert png_head(data) == (8, 6)
    assert difference(seen(data), shown(doc)) <= 3


def test_an_explicit_mask_becomes_transparency() -> None:
    doc = pdf_with_image(
        RGB, values(3 * PIXELS), mask=("/ImageMask true /BitsPerComponent 1", values(_row(1) * HEIGHT))
    )
    _, data = extracted(doc)
    assert png_head(data) == (8, 6)
    assert difference(seen(data), shown(doc)) <= 3


def test_a_mask_that_hides_nothing_leaves_a_jpeg_as_it_is() -> None:
    jpeg = _jpeg(pymupdf.csRGB)
    doc = pdf_with_image(
        f"{RGB} /Filter /DCTDecode", jpeg, mask=("/ColorSpace /DeviceGray /BitsPerComponent 8", b"\xff" * PIXELS)
    )
    assert extracted(doc)[1] == jpeg


def test_a_colour_key_becomes_transparency() -> None:
    samples = b"".join(b"\xf0\xf0\xf0" if i % 3 else bytes([i % 200, 40, 90]) for i in range(PIXELS))
    doc = pdf_with_image(f"{RGB} /Mask [240 240 240 240 240 240]", samples)
    _, data = extracted(doc)
    assert png_head(data) == (8, 6)
    assert difference(seen(data), shown(doc)) <= 1


def test_the_same_samples_in_other_colours_are_another_image() -> None:
    doc = pdf_with_image("/ColorSpace /DeviceGray /BitsPerComponent 8", values(PIXELS))
    other = pdf_with_image("/ColorSpace /DeviceGray /BitsPerComponent 8 /Decode [1 0]", values(PIXELS))
    doc.insert_pdf(other)
    found = Seen()
    images = [image for number in (1, 2) for image, _ in page_images(doc, number, found)]
    assert [image.duplicate_of for image in images] == ["", ""]
