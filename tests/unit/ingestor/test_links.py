"""The rules of links on sheets made for them: captions, shared sheets, furniture, portraits, repeats, chunks."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingestor.boxes import Box
from services.ingestor.laws import check_links, check_pictures
from services.ingestor.links.materials import EntityRow, ImageRow, Materials, ProductRow, Sheet, TextBlock
from services.ingestor.links.naming import Mentions
from services.ingestor.links.pictures import ALIKE, NAMED_BESIDE, NAMED_ELSEWHERE, PictureRules
from services.ingestor.links.texts import CHUNKS_MOST, Spot, chunk_products, image_chunks
from services.ingestor.segments import Part
from shared.errors import ShadowtwinError
from shared.links import Link, check, link_id

Bbox = tuple[float, float, float, float]
MIDDLE: Bbox = (50, 300, 250, 450)


def product(name: str, *pages: int, skus: tuple[str, ...] = (), **metadata: Any) -> ProductRow:
    variants = [{"sku": sku} for sku in skus]
    return ProductRow(product_id=f"prd-{name}", name=name, pages=list(pages), metadata=metadata, variants=variants)


def image(page: int, index: int = 1, caption: str = "", bbox: Bbox = MIDDLE, sha256: str = "") -> ImageRow:
    name = f"{page}_{index}.png"
    return ImageRow(page=page, name=name, bbox=bbox, sha256=sha256 or name.ljust(64, "0"), caption=caption)


def block(text: str, bbox: Bbox, kind: str = "paragraph") -> TextBlock:
    return TextBlock(bbox, kind, text)


def materials(
    products: list[ProductRow],
    images: list[ImageRow],
    blocks: dict[int, list[TextBlock]] | None = None,
    pages: int = 20,
    entities: tuple[EntityRow, ...] = (),
) -> Materials:
    sheets = {page: Sheet((595, 842), (blocks or {}).get(page, [])) for page in range(1, pages + 1)}
    return Materials("doc-" + "0" * 24, pages, products, list(entities), images, sheets)


def linked(given: Materials, looks: Any = None) -> list[tuple[str, str, float, str]]:
    links = PictureRules(given, Mentions(given.products), looks or {}).links()
    for link in links:
        check(link)
    return [(link.image, link.product_id.removeprefix("prd-"), link.relevancy, link.reason) for link in links]


def of(given: Materials, looks: Any = None) -> dict[str, str]:
    return {name: owner for name, owner, _, _ in linked(given, looks)}


TARN, PICCOLO = product("Tarn", 2, 3), product("Tarn Piccolo", 4)


def test_a_caption_names_the_longest_name_it_holds() -> None:
    given = materials([TARN, PICCOLO], [image(4, caption="Abb. 3: Tarn Piccolo in Sandgrau"), image(2, caption="Tarn")])
    assert linked(given) == [
        ("4_1.png", "Tarn Piccolo", 1.0, "name_mention"),
        ("2_1.png", "Tarn", 1.0, "name_mention"),
    ]


@pytest.mark.parametrize("caption", ["Fig. 1: VEL10-3060-OCE", "Fig. 1: VEL10 Ocean", "vel10"])
def test_article_numbers_and_their_stem_name_a_product(caption: str) -> None:
    velmora = product("Velmora", 9, skus=("VEL10-3060-OCE", "VEL10-1010-SAN"))
    assert linked(materials([velmora, TARN], [image(2, caption=caption)])) == [
        ("2_1.png", "Velmora", NAMED_ELSEWHERE, "name_mention")
    ]


def test_a_stem_that_two_products_share_names_neither() -> None:
    one = product("Brisa", 8, skus=("X10-1", "X10-2"))
    other = product("Kesto", 9, skus=("X10-3", "X10-4"))
    assert linked(materials([one, other], [image(5, caption="X10 in blue")])) == []


def test_a_second_product_in_a_caption_counts_less() -> None:
    given = materials([TARN, PICCOLO], [image(2, caption="Tarn with Tarn Piccolo on the wall")])
    assert [(owner, relevancy) for _, owner, relevancy, _ in linked(given)] == [
        ("Tarn", 1.0),
        ("Tarn Piccolo", NAMED_BESIDE),
    ]


def test_without_a_caption_the_only_product_of_the_sheet_is_meant() -> None:
    assert linked(materials([TARN], [image(3), image(7)])) == [("3_1.png", "Tarn", 0.8, "same_page")]


def test_a_running_logo_belongs_to_nothing_however_few_the_sheets() -> None:
    logo = [image(page, 0, bbox=(500, 20, 540, 36), sha256="a" * 64) for page in (1, 2, 3)]
    other = [image(page, 0, bbox=(500, 20, 540, 36), sha256=str(page) * 64) for page in range(2, 8)]
    assert linked(materials([TARN], logo, pages=3)) == []
    assert linked(materials([product("Tarn", *range(2, 8))], other)) == []


def test_a_symbol_on_the_sheets_of_many_products_belongs_to_none() -> None:
    products = [product(name, page) for page, name in enumerate(("Tarn", "Brisa", "Kesto"), start=2)]
    symbols = [image(page, 3, sha256="b" * 64) for page in (2, 3, 4)]
    assert linked(materials(products, [*symbols, image(2)])) == [("2_1.png", "Tarn", 0.8, "same_page")]


def test_marks_of_certificates_and_portraits_belong_to_none() -> None:
    tarn = product("Tarn", 2, 3, designer="Mira Falk")
    images = [
        image(2, 1),
        image(2, 2, caption="Mira Falk has worked with us since 2013. Known for Tarn."),
        image(3, 3, caption="By Mira Falk"),
        image(3, 4, caption="Tarn, designed by Mira Falk, in the colour Ocean"),
    ]
    mark = EntityRow(kind="certificate", name="CE", page=2, image="2_1.png")
    assert of(materials([tarn], images, entities=(mark,))) == {"3_4.png": "Tarn"}


def stacked(*, leading: bool = False) -> tuple[dict[int, list[TextBlock]], list[ImageRow]]:
    """Two products on sheet 5, one below the other; pictures under their headings, or over them."""
    move = -140 if leading else 0
    blocks = [block("Tarn", (50, 200, 120, 220), "heading"), block("Brisa", (50, 520, 120, 540), "heading")]
    blocks += [block("TAR10-1 matt", (50, 365 + move / 9, 300, 380))]
    return {5: blocks}, [
        image(5, 1, bbox=(50, 230 + move, 250, 330 + move)),
        image(5, 2, bbox=(50, 550 + move, 250, 650 + move)),
    ]


@pytest.mark.parametrize("leading", [False, True])
def test_on_a_shared_sheet_a_picture_stands_with_its_heading(leading: bool) -> None:
    blocks, images = stacked(leading=leading)
    given = materials([product("Tarn", 5), product("Brisa", 5)], images, blocks)
    assert of(given) == {"5_1.png": "Tarn", "5_2.png": "Brisa"}
    assert {reason for _, _, _, reason in linked(given)} == {"box_distance"}


def test_a_product_that_goes_on_from_the_sheet_before_has_what_stands_above_the_next_heading() -> None:
    blocks = {5: [block("Brisa", (50, 420, 120, 440), "heading")]}
    images = [image(5, 1, bbox=(50, 100, 250, 200)), image(5, 2, bbox=(50, 460, 250, 600))]
    given = materials([product("Tarn", 4, 5), product("Brisa", 5, 6)], images, blocks)
    assert of(given) == {"5_1.png": "Tarn", "5_2.png": "Brisa"}


def test_two_columns_are_two_products() -> None:
    blocks = {5: [block("Tarn", (50, 100, 120, 120), "heading"), block("Brisa", (320, 100, 400, 120), "heading")]}
    images = [image(5, 1, bbox=(50, 400, 250, 500)), image(5, 2, bbox=(320, 130, 520, 230))]
    assert of(materials([product("Tarn", 5), product("Brisa", 5)], images, blocks)) == {
        "5_1.png": "Tarn",
        "5_2.png": "Brisa",
    }


def test_text_beside_pictures_row_by_row() -> None:
    blocks = {5: [block(name, (320, y, 420, y + 18), "heading") for name, y in (("Tarn", 110), ("Brisa", 410))]}
    images = [image(5, 1, bbox=(50, 100, 300, 350)), image(5, 2, bbox=(50, 400, 300, 650))]
    assert of(materials([product("Tarn", 5), product("Brisa", 5)], images, blocks)) == {
        "5_1.png": "Tarn",
        "5_2.png": "Brisa",
    }


def test_what_nothing_tells_apart_is_linked_weakly_to_each() -> None:
    found = linked(materials([product("Tarn", 5), product("Brisa", 5)], [image(5)]))
    assert [(owner, relevancy) for _, owner, relevancy, _ in found] == [("Tarn", 0.4), ("Brisa", 0.4)]


def test_pictures_of_a_foreign_worker_have_no_box_and_are_no_furniture() -> None:
    images = [image(page, 1, bbox=(0, 0, 0, 0)) for page in range(1, 11)]
    assert len(linked(materials([product("Tarn", 2, 3)], images, pages=10))) == 2


def test_the_same_bytes_and_the_same_look_on_other_sheets_belong_to_the_same_product() -> None:
    images = [image(2, 1, sha256="a" * 64), image(9, 1, sha256="a" * 64), image(10, 1, sha256="c" * 64)]
    images.append(image(11, 1, sha256="d" * 64))
    unit = {space: [1.0, 0.0] for space in ("visual", "colour", "texture", "application")}
    looks = {"a" * 64: unit, "c" * 64: unit, "d" * 64: unit | {"colour": [0.0, 1.0]}}
    assert linked(materials([TARN], images), looks) == [
        ("2_1.png", "Tarn", 0.8, "same_page"),
        ("9_1.png", "Tarn", 0.7, "similarity"),
        ("10_1.png", "Tarn", ALIKE, "similarity"),
    ]


def spot(name: str, page: int, start: int, end: int, text: str, *boxes: Bbox) -> Spot:
    return Spot(name, [Part(page, start, end)], [Box(page, start, end, bbox) for bbox in boxes], text)


def test_chunks_belong_to_the_product_of_their_sheets_more_if_they_name_it() -> None:
    chunks = [
        spot("named", 2, 0, 100, "Tarn recalls nets."),
        spot("plain", 2, 100, 200, "It suits floors."),
        spot("elsewhere", 9, 300, 400, "See also Tarn Piccolo."),
        spot("nothing", 9, 400, 500, "Care and cleaning."),
    ]
    given = materials([TARN, PICCOLO], [])
    links = chunk_products(given, Mentions(given.products), chunks)
    assert [(link.chunk_id, link.product_id, link.relevancy, link.reason) for link in links] == [
        ("named", "prd-Tarn", 1.0, "same_page"),
        ("plain", "prd-Tarn", 0.7, "same_page"),
        ("elsewhere", "prd-Tarn Piccolo", 0.4, "name_mention"),
    ]


def test_a_picture_belongs_to_the_chunk_with_its_caption_and_to_the_nearest() -> None:
    caption = "Fig. 1: Tarn Ocean"
    chunks = [
        spot("far", 2, 0, 9, "Above.", (50, 20, 250, 40)),
        spot("near", 2, 9, 19, "Beside.", (50, 250, 250, 290)),
        spot("caption", 2, 19, 99, f"... {caption} ...", (50, 452, 250, 460)),
        spot("also", 2, 99, 120, "Below.", (50, 700, 250, 760)),
        spot("other sheet", 3, 120, 130, caption),
    ]
    given = materials([TARN], [image(2, caption=caption)])
    links = image_chunks(given, given.images, chunks)
    assert [(link.chunk_id, link.reason) for link in links] == [
        ("caption", "name_mention"),
        ("near", "box_distance"),
        ("also", "box_distance"),
    ]
    assert len(links) == CHUNKS_MOST
    assert 1 == links[0].relevancy > links[1].relevancy > links[2].relevancy > 0


@pytest.mark.parametrize(
    "change", [{"relevancy": 1.2}, {"relevancy": float("nan")}, {"bbox": (0, 0, float("inf"), 1)}, {"chunk_id": "c"}]
)
def test_a_link_that_may_not_be_written(change: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "link_id": link_id("image-product", "a", "b"), "kind": "image-product", "relevancy": 0.5,
        "reason": "same_page", "image_id": "a", "product_id": "b",
    }  # fmt: skip
    check(Link(**good))
    with pytest.raises(ValueError, match=r"link|relevancy|box"):
        check(Link(**good | change))


def test_a_loss_of_pictures_or_links_is_told_with_its_numbers() -> None:
    check_pictures(10, 8, 1, 2, 35, 35)
    check_pictures(10, 8, 1, 2, 35, 45)
    with pytest.raises(ShadowtwinError, match="35 were, 51 can be read back"):
        check_pictures(10, 8, 1, 2, 35, 51)
    with pytest.raises(ShadowtwinError, match="10 pictures, 7 with vectors, 2 unreadable"):
        check_pictures(10, 7, 0, 2, 35, 35)
    with pytest.raises(ShadowtwinError, match="35 image vectors were to be written, 35 were, 34 can be read back"):
        check_pictures(7, 7, 0, 0, 35, 34)
    check_links({"image-chunk": 3}, {"image-chunk": 1}, {"image-chunk": 2}, 0)
    with pytest.raises(ShadowtwinError, match="3 image-chunk links were made, 0 lost, 2 can be read back"):
        check_links({"image-chunk": 3}, {}, {"image-chunk": 2}, 0)
    with pytest.raises(ShadowtwinError, match="1 links lead to what is not there"):
        check_links({}, {}, {}, 1)
