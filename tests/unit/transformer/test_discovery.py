"""Discovery over whole catalogues of many designs, measured against what was put in; and over what is no catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.transformer.discovery.catalogue import discover
from services.transformer.discovery.records import Discovery, Hint, Options, Product
from services.transformer.discovery.view import View, look
from tests.support.catalogues import Design, Truth, catalogue
from tests.support.materials import view_of
from tests.support.pdfs import long_pdf
from tests.unit.transformer.documents import PROSE, info, transcript

HEADING, OUTLINE, INDEX, RUNNING = "heading", "outline", "index", "running"
DESIGNS = {
    "plain": Design(),
    "german lines": Design(language="de", ruled=False, label_table=False),
    "two columns": Design(columns=2, label_table=False, offset=1),
    "names only in the outline": Design(names_in=frozenset({OUTLINE}), columns=2),
    "names only in the index, printed numbers differ": Design(names_in=frozenset({INDEX}), offset=3),
    "names only in headings": Design(names_in=frozenset({HEADING}), language="de", logo=False),
    "shared sheets": Design(names_in=frozenset({HEADING, OUTLINE, INDEX, RUNNING}), shared=True),
    "shared sheets, names only in the index": Design(
        names_in=frozenset({INDEX}), shared=True, offset=2, language="de", label_table=False
    ),
    "running lines": Design(names_in=frozenset({RUNNING, INDEX}), offset=1, columns=2, products=8),
}


def found_in(view: View, **options: Any) -> Discovery:
    return discover(view, "doc-1", Options(**options))


@pytest.fixture(scope="module", params=list(DESIGNS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, Discovery]:
    path = tmp_path_factory.mktemp("catalogue") / "c.pdf"
    truth = catalogue(path, DESIGNS[request.param])
    return truth, found_in(view_of(path))


def by_name(found: Discovery) -> dict[str, Product]:
    return {product.name: product for product in found.products}


def test_every_product_is_found_and_nothing_else(made: tuple[Truth, Discovery]):
    truth, found = made
    assert sorted(by_name(found)) == sorted(product.name for product in truth.products)
    assert all(product.confidence > 0.4 and product.evidence for product in found.products)


def test_page_ranges_are_exact(made: tuple[Truth, Discovery]):
    truth, found = made
    assert {name: row.pages for name, row in by_name(found).items()} == {p.name: p.pages for p in truth.products}


def test_every_article_is_found_with_its_cells(made: tuple[Truth, Discovery]):
    truth, found = made
    wanted = {(p.name, sku, *cells) for p in truth.products for sku, cells in p.articles.items()}
    seen = {
        (p.name, row.sku, row.dimension, row.colour, row.finish, row.price)
        for p in found.products
        for row in p.variants
    }
    assert seen == wanted
    assert {row.thickness_mm for p in found.products for row in p.variants} == {9.0}


def test_metadata_have_canonical_keys_in_both_languages(made: tuple[Truth, Discovery]):
    truth, found = made
    for product in truth.products:
        metadata = by_name(found)[product.name].metadata
        assert metadata["designer"] == product.designer
        assert metadata["dimensions"] == product.dimensions
        assert metadata["colours"] == product.colours


def test_certificates_and_specifications_are_kept_apart(made: tuple[Truth, Discovery]):
    truth, found = made
    stated = {(e.kind, e.name, e.page) for e in found.entities if e.kind in ("certificate", "specification")}
    assert stated == truth.entities
    assert all(e.number and e.valid_until and e.image for e in found.entities if e.kind == "certificate")


def test_no_page_is_named_that_does_not_exist(made: tuple[Truth, Discovery]):
    truth, found = made
    assert [row.page for row in found.plan.pages] == list(range(1, truth.pages + 1))
    assert all(1 <= page <= truth.pages for product in found.products for page in product.pages)


def test_ids_are_the_same_every_time(tmp_path: Path):
    catalogue(tmp_path / "c.pdf", Design())
    view = view_of(tmp_path / "c.pdf")
    assert found_in(view) == found_in(view)
    other = discover(view, "doc-2", Options())
    assert {p.product_id for p in other.products}.isdisjoint(p.product_id for p in found_in(view).products)


def test_the_focus_leaves_out_what_is_no_product_with_a_reason(tmp_path: Path):
    truth = catalogue(tmp_path / "c.pdf", Design())
    plan = found_in(view_of(tmp_path / "c.pdf"), focused_extraction=True).plan
    assert plan.processed == sorted({page for product in truth.products for page in product.pages})
    reasons = {row.page: row.reason for row in plan.pages}
    assert set(reasons.values()) >= {"product", "index", "certificates", "specifications", "overview", "no_product"}


def test_the_printed_number_is_kept_beside_the_sheet(tmp_path: Path):
    catalogue(tmp_path / "c.pdf", Design(offset=3))
    for product in found_in(view_of(tmp_path / "c.pdf")).products:
        assert product.folio_start == product.page_start - 3


def test_a_report_is_no_catalogue(tmp_path: Path):
    found = found_in(view_of(long_pdf(tmp_path / "r.pdf", 20)), focused_extraction=True)
    assert (found.catalogue, found.products, found.entities) == (False, [], [])
    assert len(found.plan.processed) == 20


def pages_view(*pages: str, outline: list[dict[str, Any]] | None = None) -> View:
    return look(transcript(*pages), info(len(pages), outline), [], [])


def sheet(name: str, size: str, stem: str, more: str = "") -> str:
    """A sheet that describes one product."""
    labels = f"Designer: {name[:3]} Person\n\nDimensions: {size}\n\nColours: Red, Blue\n\n"
    table = (
        f"| SKU | Format | Colour |\n| --- | --- | --- |\n| {stem}-1 | {size} | Red |\n| {stem}-2 | {size} | Blue |\n"
    )
    return f"# {name}\n\n{labels}{PROSE}\n\n{table}\n\n{more}"


def test_a_name_that_begins_another_is_told_from_it():
    found = found_in(pages_view(sheet("Galtis", "10x10 cm", "GAL10"), sheet("Galtis Mini", "5x5 cm", "GMI10"), PROSE))
    assert {p.name: p.page_start for p in found.products} == {"Galtis": 1, "Galtis Mini": 2}


def test_a_repeated_header_and_a_table_that_goes_on_are_one_table():
    more = "| SKU | Format | Colour |\n| --- | --- | --- |\n| ABC10-3 | 20x20 cm | Green |\n"
    on = "| ABC10-4 | 30x30 cm | Black |\n| --- | --- | --- |\n"
    found = found_in(pages_view(sheet("Aurea", "10x10 cm", "ABC10"), more, on, sheet("Brine", "5x5 cm", "BRN11")))
    assert [row.sku for row in by_name(found)["Aurea"].variants] == ["ABC10-1", "ABC10-2", "ABC10-3", "ABC10-4"]
    assert by_name(found)["Aurea"].pages == [1, 2, 3]


def test_a_price_list_gives_articles_and_no_pages():
    rows = (
        "| SKU | Format | Price EUR |\n| --- | --- | --- |\n| ABC10-9 | 9x9 cm | 12,50 |\n| BRN11-9 | 8x8 cm | 7,00 |\n"
    )
    found = found_in(
        pages_view(sheet("Aurea", "10x10 cm", "ABC10"), sheet("Brine", "5x5 cm", "BRN11"), f"# Price list\n\n{rows}")
    )
    prices = {row.sku: row.price for product in found.products for row in product.variants if row.price}
    assert prices == {"ABC10-9": 12.5, "BRN11-9": 7.0}
    assert {p.name: p.pages for p in found.products} == {"Aurea": [1], "Brine": [2]}


def test_index_entries_without_a_product_are_dropped_loudly():
    index = "# Contents\n\nAurea .... 2\n\nBrine .... 3\n\nThe river house .... 4\n\nNowhere .... 97\n"
    found = found_in(
        pages_view(
            index,
            sheet("Aurea", "10x10 cm", "ABC10"),
            sheet("Brine", "5x5 cm", "BRN11"),
            f"# The river house\n\n{PROSE}",
        )
    )
    assert sorted(by_name(found)) == ["Aurea", "Brine"]
    assert found.plan.dropped == [97]
    assert any("The river house" in warning for warning in found.warnings)
    assert any("97" in warning for warning in found.warnings)


def test_hints_of_a_model_are_held_against_the_document():
    view = pages_view(sheet("Aurea", "10x10 cm", "ABC10"), PROSE, sheet("Brine", "5x5 cm", "BRN11"))
    hints = [
        Hint(name="Aurea", start=1, end=2, source="model", metadata={"care": "wipe"}),
        Hint(name="Brine", start=74, end=123, source="model"),
        Hint(name="Imaginary Chair", start=2, end=3, source="model"),
    ]
    found = discover(view, "doc-1", Options(), hints)
    assert {name: product.pages for name, product in by_name(found).items()} == {"Aurea": [1, 2], "Brine": [3]}
    assert by_name(found)["Aurea"].metadata["care"] == "wipe"
    assert found.plan.dropped == [74, 123]
    assert any("Imaginary Chair" in warning for warning in found.warnings)


def test_a_form_with_two_labels_is_no_catalogue():
    assert not found_in(pages_view("# Request\n\nColour: red\n\nSize: 10\n\nName: Ann\n", PROSE)).products
