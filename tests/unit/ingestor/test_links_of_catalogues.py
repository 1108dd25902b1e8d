"""Links on whole catalogues, read by the real extractor and discovered by the real rules: precision and recall."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.ingestor.links.materials import EntityRow, ImageRow, Materials, ProductRow, sheets
from services.ingestor.links.naming import Mentions
from services.ingestor.links.pictures import PictureRules
from services.transformer.discovery.catalogue import discover
from services.transformer.discovery.records import Options
from services.transformer.discovery.view import look
from shared.anchors import split_pages
from tests.support.catalogues import Design, Truth, catalogue
from tests.support.materials import material_of

DOCUMENT = "doc-" + "0" * 24
DESIGNS = {
    "english": Design(swatches=3, marks=True, portraits=True),
    "shared sheets": Design(swatches=2, marks=True, portraits=True, shared=True),
    "shared, no captions": Design(captions="none", swatches=2, marks=True, shared=True),
    "colours only": Design(captions="colour", swatches=3, shared=True, offset=2),
    "german, two columns": Design(language="de", columns=2, swatches=3, marks=True, portraits=True),
    "german, pictures lead": Design(language="de", columns=2, captions="none", leading=True),
    "shared, pictures lead": Design(captions="none", leading=True, shared=True, swatches=2),
    "names in running lines": Design(names_in=frozenset({"running", "index"}), captions="none", swatches=2),
    "names in the index": Design(names_in=frozenset({"index", "outline"}), swatches=2, marks=True),
}


def materials_of(path: Path) -> Materials:
    read = material_of(path)
    view = look(read.body, read.info, read.pages, read.images)
    found = discover(view, DOCUMENT, Options(products=True), [])

    def lines(rows: list[object]) -> bytes:
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)

    return Materials(
        DOCUMENT,
        len(read.pages),
        [msgspec.json.decode(msgspec.json.encode(row), type=ProductRow) for row in found.products],
        [msgspec.json.decode(msgspec.json.encode(row), type=EntityRow) for row in found.entities],
        msgspec.convert(read.images, list[ImageRow]),
        sheets(lines(list(read.pages)), split_pages(read.body)[1]),
    )


def scores(materials: Materials, truth: Truth) -> tuple[float, float, set[tuple[str, str]]]:
    """Precision and recall of image-product links by the boxes of the truth, and what the furniture is linked to."""
    names = {product.product_id: product.name for product in materials.products}
    owners = {}
    for image in materials.images:
        same = [
            shown.product
            for shown in truth.pictures
            if shown.page == image.page and max(abs(a - b) for a, b in zip(shown.bbox, image.bbox, strict=True)) < 4
        ]
        owners[image.name] = same[0] if same else None
    wanted = {(image, owner) for image, owner in owners.items() if owner}
    links = PictureRules(materials, Mentions(materials.products), {}).links()
    made = {(link.image, names[link.product_id]) for link in links}
    furniture = {pair for pair in made if owners[pair[0]] is None}
    good = len(made & wanted)
    return good / max(len(made), 1), good / len(wanted), furniture


@pytest.mark.parametrize("name", DESIGNS)
def test_every_product_has_its_pictures_and_the_logo_has_none(name: str, tmp_path: Path) -> None:
    truth = catalogue(tmp_path / "catalogue.pdf", DESIGNS[name])
    materials = materials_of(tmp_path / "catalogue.pdf")
    assert {product.name for product in materials.products} == {made.name for made in truth.products}
    precision, recall, furniture = scores(materials, truth)
    assert furniture == set()
    assert (precision, recall) >= (0.95, 0.95), (precision, recall)
    assert recall >= 0.95
