"""The descriptors of pictures: what looks alike is near, what does not is far, and nothing hostile gets through."""

from __future__ import annotations

import io
import math

import pytest
from PIL import Image

from shared.adapters import descriptor_images, skimage_descriptors
from shared.adapters.descriptor_child import describe_images
from shared.adapters.skimage_descriptors import SPACES, describe, reduced
from shared.imaging import SPACES as ALL
from shared.imaging import document_of, fit, image_id
from shared.similarity import cosine
from tests.support.pixels import BLUE, GREEN, RED, SAND, WHITE, picture

PATTERNS = ("stripes", "fine", "checks", "rings", "half")


def near(space: str, one: bytes, other: bytes) -> float:
    return cosine(describe(one)[space], describe(other)[space])


def test_four_unit_vectors_of_512_numbers_the_same_every_time() -> None:
    found = describe(picture("checks"))
    assert {name: len(vector) for name, vector in found.items()} == SPACES
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in found.values())
    assert describe(picture("checks")) == found


def test_the_names_and_lengths_are_those_of_the_index() -> None:
    assert {**SPACES, "multimodal": 2048} == ALL
    assert skimage_descriptors.VERSION == descriptor_images.VERSION
    assert tuple(SPACES) == descriptor_images.MEASURED


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_size_and_compression_hardly_matter(space: str, pattern: str) -> None:
    given = picture(pattern, RED)
    again = near(space, given, picture(pattern, RED, size=(480, 360), kind="JPEG", quality=80))
    assert again > (0.6 if (space, pattern) == ("colour", "fine") else 0.8)  # threads of 4 pixels mix their colours
    if space != "colour":
        assert again > max(near(space, given, picture(each, RED)) for each in PATTERNS if each != pattern)


@pytest.mark.parametrize("pattern", ["stripes", "checks", "rings"])
def test_colour_tells_colours_and_not_patterns(pattern: str) -> None:
    plain = picture("half", RED)
    assert near("colour", plain, picture(pattern, RED)) > near("colour", plain, picture("half", BLUE)) + 0.2


def test_a_little_more_light_moves_the_colours_a_little() -> None:
    lighter = tuple(value + 6 for value in SAND)
    assert near("colour", picture("plain", SAND), picture("plain", (lighter[0], lighter[1], lighter[2]))) > 0.8
    assert near("colour", picture("plain", SAND), picture("plain", GREEN)) < 0.3


@pytest.mark.parametrize("space", ["texture", "visual", "application"])
def test_patterns_are_told_apart_whatever_their_colours(space: str) -> None:
    same = near(space, picture("fine", RED, WHITE), picture("fine", (150, 60, 60), WHITE))
    others = [near(space, picture("fine", RED, WHITE), picture(each, RED, WHITE)) for each in ("half", "rings")]
    assert same > max(others) + 0.05


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000"])
def test_every_raster_format_is_read(kind: str) -> None:
    assert near("visual", picture("checks"), picture("checks", kind=kind)) > 0.93


def test_transparency_is_white_and_plain_pictures_have_vectors() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(out, "PNG")
    assert near("colour", out.getvalue(), picture("plain", WHITE)) == pytest.approx(1, abs=1e-6)
    one = io.BytesIO()
    Image.new("1", (1, 1)).save(one, "PNG")
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-5) for vector in describe(one.getvalue()).values())


def huge() -> bytes:
    """A small PNG that says it has 40,000 x 40,000 pixels."""
    content = bytearray(picture("plain"))
    content[16:24] = (40_000).to_bytes(4) * 2
    import zlib

    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


HOSTILE = {
    "nothing": b"",
    "text": b"hello" * 100,
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "cut": picture("checks")[:200],
    "cut jpeg": picture("checks", kind="JPEG")[:300],
    "bomb": huge(),
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_picture_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="picture"):
        describe(HOSTILE[name])


def test_one_bad_picture_leaves_the_others_theirs() -> None:
    rows = describe_images({"images": [picture(), HOSTILE["cut"], picture("checks")], "side": 64}, print)
    assert [sorted(row) for row in rows] == [["small", "vectors"], ["error"], ["small", "vectors"]]
    assert len(rows[0]["vectors"]) == 4 * 512 * 4


def test_what_is_sent_to_a_model_is_a_small_jpeg() -> None:
    with Image.open(io.BytesIO(reduced(picture(size=(2000, 1000)), 448))) as image:
        assert (image.format, image.size) == ("JPEG", (448, 224))


def test_a_vector_fits_by_zeros_or_by_folding() -> None:
    assert fit([3.0, 4.0], 4) == [0.6, 0.8, 0.0, 0.0]
    assert fit([0.0], 3) == [0.0, 0.0, 0.0]
    one, other = [math.sin(n) for n in range(3072)], [math.sin(n + 0.3) for n in range(3072)]
    folded = fit(one, 1023), fit(other, 1023)
    assert math.hypot(*folded[0]) == pytest.approx(1)
    assert cosine(*folded) == pytest.approx(cosine(one, other), abs=0.05)


def test_the_id_of_a_picture_names_its_document() -> None:
    document = "doc-" + "0a" * 12
    assert document_of(image_id(document, "f" * 64)) == document
    assert document_of("img-x") is None
