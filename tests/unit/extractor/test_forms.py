"""Forms: values and ticks stand beside the labels that a reader sees next to them."""

from __future__ import annotations

import pymupdf
import pytest

from tests.unit.extractor.papers import Paper, prose

_TEXT, _CHECK = pymupdf.PDF_WIDGET_TYPE_TEXT, pymupdf.PDF_WIDGET_TYPE_CHECKBOX


def _field(paper: Paper, name: str, value: str | bool, box: tuple[float, ...], kind: int = _TEXT) -> None:
    widget = pymupdf.Widget()
    widget.field_type, widget.field_name, widget.field_value = kind, name, value
    widget.rect = pymupdf.Rect(box)
    paper.page.add_widget(widget)


def _application() -> Paper:
    paper = Paper()
    paper.line(60, 80, "Application", 18)
    paper.line(60, 110, "First name")
    _field(paper, "f1", "Ada", (130, 99, 220, 114))
    paper.line(260, 110, "Last name")
    _field(paper, "f2", "Lovelace", (330, 99, 460, 114))
    for index, (label, ticked) in enumerate((("Membership", True), ("Newsletter", False), ("Visits", True))):
        _field(paper, label, ticked, (60, 131 + 20 * index, 70, 141 + 20 * index), _CHECK)
        paper.line(76, 140 + 20 * index, label)
    paper.lines(60, 240, prose(4))
    return paper


def test_values_stand_behind_their_labels() -> None:
    assert "First name Ada Last name Lovelace" in _application().markdown()


def test_boxes_are_ticked_or_not_before_their_labels() -> None:
    assert "- [x] Membership\n- [ ] Newsletter\n- [x] Visits" in _application().markdown()


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_fields_keep_their_places_on_turned_pages(rotation: int) -> None:
    paper = _application()
    paper.page.set_rotation(rotation)
    text = paper.markdown()
    assert "First name Ada Last name Lovelace" in text
    assert "- [x] Membership" in text


def test_a_value_within_a_ruled_table_is_in_its_cell() -> None:
    paper = Paper()
    for y in (100, 124, 148, 172):
        paper.page.draw_line((60, y), (400, y))
    for x in (60, 200, 400):
        paper.page.draw_line((x, 100), (x, 172))
    for index, (label, value) in enumerate((("Street", "Elm 4"), ("Town", "Rome"), ("Country", "Italy"))):
        paper.line(70, 116 + 24 * index, label)
        _field(paper, label, value, (205, 102 + 24 * index, 395, 122 + 24 * index))
    assert "| Town | Rome |" in paper.markdown()


def test_a_value_is_no_heading_however_it_is_written() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(6))
    paper.line(60, 200, "Town", 8)
    _field(paper, "town", "NEW AMSTERDAM", (60, 210, 300, 236))
    paper.lines(60, 270, prose(6))
    blocks = paper.pages()[0].blocks
    assert all(block.kind != "heading" for block in blocks)


def test_lines_of_a_value_stand_one_under_the_other() -> None:
    paper = Paper()
    paper.line(60, 100, "Remarks")
    _field(paper, "remarks", "first of all\nand then", (60, 110, 300, 150))
    text = paper.markdown()
    assert text.index("Remarks") < text.index("first of all") < text.index("and then")


def test_hidden_fields_are_listed_behind_the_text() -> None:
    paper = Paper()
    paper.line(60, 100, "Some text")
    _field(paper, "secret", "Rosebud", (60, 110, 300, 130))
    paper.doc.xref_set_key(next(paper.page.widgets()).xref, "F", "2")
    page = paper.pages()[0]
    assert page.markdown.endswith("- secret: Rosebud")
    assert page.blocks[-1].kind == "form"


def test_a_value_that_the_page_shows_already_is_not_told_twice() -> None:
    paper = Paper()
    paper.line(60, 110, "Name")
    paper.line(132, 110, "Ada Lovelace")
    _field(paper, "name", "Ada Lovelace", (130, 99, 260, 114))
    assert paper.markdown().count("Lovelace") == 1
