"""What rules measure in pictures."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from services.transformer.child_transform import measure_images, prepare_image
from services.transformer.images.colours import NAMES, name_of
from services.transformer.images.pixels import measure, prepared
from tests.unit.transformer.pictures import encoded, noisy, plain


@pytest.mark.parametrize("name", NAMES)
def test_every_colour_of_the_table_has_its_own_name(name: str):
    code = NAMES[name]
    assert name_of((int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16))) == name


def test_the_main_colours_come_by_name_the_largest_first():
    image = Image.new("RGB", (100, 100), "#c4643f")
    ImageDraw.Draw(image).rectangle((0, 0, 99, 29), fill="#1c2a4f")
    assert [row["name"] for row in measure(encoded(image))["palette"]] == ["terracotta", "navy"]


def test_a_sharp_picture_scores_higher_than_the_same_one_blurred_and_that_higher_than_a_plain_thumbnail():
    sharp, blurred = measure(noisy((900, 900))), measure(noisy((900, 900), blur=12))
    thumbnail = measure(plain((200, 200, 200)))
    assert sharp["qualityScore"] > 0.9
    assert sharp["qualityScore"] > blurred["qualityScore"] > thumbnail["qualityScore"]
    assert measure(noisy((96, 96)))["qualityScore"] < sharp["qualityScore"]


def test_transparency_is_seen_on_white():
    assert [row["name"] for row in measure(encoded(Image.new("RGBA", (20, 20), (0, 0, 0, 0))))["palette"]] == ["white"]


def test_what_is_no_picture_costs_only_itself():
    cut = noisy((200, 200))[:400]
    found = measure_images({"images": [plain((0, 0, 0)), b"no picture", cut, plain((255, 0, 0))]}, lambda _: None)
    assert ["error" in row for row in found] == [False, True, True, False]
    assert "no picture" in prepare_image({"image": b""}, lambda _: None)["error"]


def test_a_model_gets_formats_it_reads_at_a_size_it_reads():
    small = plain((1, 2, 3))
    assert prepared(small) == (small, "image/png")
    content, mime = prepared(encoded(Image.new("CMYK", (3000, 100)), "TIFF"))
    assert (mime, content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert max(measure(content)[side] for side in ("width", "height")) == 1568
