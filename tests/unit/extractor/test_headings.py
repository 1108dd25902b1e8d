"""What is a heading by its looks, and what only looks like one."""

from __future__ import annotations

import pytest

from services.extractor.pages import Page
from services.extractor.reader.labels import is_address, is_dateline, is_label
from tests.unit.extractor.papers import Paper, prose


def _headings(pages: list[Page]) -> list[str]:
    return [
        page.markdown[block.start : block.end].lstrip("# ")
        for page in pages
        for block in page.blocks
        if block.kind == "heading"
    ]


def test_small_type_of_many_table_cells_does_not_make_headings_of_the_text() -> None:
    paper = Paper()
    paper.line(60, 60, "Formats of names", 14, "hebo")
    paper.lines(60, 84, prose(4, width=14), 11, 14)
    for row in range(36):
        for column in range(6):
            paper.line(60 + 80 * column, 160 + 15 * row, f"cell {row}.{column}x", 8)
    paper.lines(60, 730, prose(2, 3, width=14), 11, 14)
    assert _headings(paper.pages()) == ["Formats of names"]


@pytest.mark.parametrize("label", ["NOTE", "Warnung:", "Astuce", "Important", "注意"])
def test_the_label_of_a_remark_is_no_heading(label: str) -> None:
    assert is_label(label)


def test_a_bold_label_over_a_remark_starts_no_section() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(6))
    paper.line(60, 160, "Note", 10, "hebo")
    paper.lines(60, 176, prose(6, 1))
    paper.line(60, 280, "Operation", 10, "hebo")
    paper.lines(60, 296, prose(6, 2))
    assert _headings(paper.pages()) == ["Operation"]


def test_terms_of_a_manual_page_are_no_headings_but_its_sections_are() -> None:
    paper = Paper()
    paper.line(60, 60, "OPTIONS", 10, "hebo")
    paper.lines(96, 72, prose(4))
    top = 130.0
    for term in ("--login", "--verbose", "BASHOPTS"):
        paper.line(96, top, term, 10, "hebo")
        top = paper.lines(132, top + 12, prose(3, len(term))) + 6
    paper.line(60, top + 6, "FILES", 10, "hebo")
    paper.lines(96, top + 18, prose(4, 2))
    assert _headings(paper.pages()) == ["OPTIONS", "FILES"]


def test_a_bold_line_that_goes_on_with_a_sentence_is_no_heading() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(5))
    paper.line(60, 120, "the reader of this page sees that words stand in lines, see set view and", 10)
    paper.line(60, 132, "(p. 236), and voxel (p. 39)", 10, "hebo")
    paper.lines(60, 160, prose(5, 3, width=14))
    assert _headings(paper.pages()) == []


def test_dates_versions_and_addresses_on_a_title_page_are_no_headings() -> None:
    paper = Paper()
    paper.line(100, 100, "A Manual of Things", 24, "hebo")
    for number, text in enumerate(("Version 2.9", "22 December 2016", "someone@example.org")):
        paper.line(100, 150 + 30 * number, text, 14, "hebo")
    paper.lines(60, 300, prose(20))
    assert _headings(paper.pages()) == ["A Manual of Things"]


@pytest.mark.parametrize("text", ["v2.9 (2022/06/16)", "9 juillet 2023", "Release 12.18", "2024-11-30", "4. März 2021"])
def test_datelines(text: str) -> None:
    assert is_dateline(text)


@pytest.mark.parametrize("text", ["Mayflower 1620", "Version control", "5. Release notes", "The march of time"])
def test_titles_that_are_no_datelines(text: str) -> None:
    assert not is_dateline(text)
    assert not is_address(text)


def test_the_number_of_a_chapter_and_its_title_of_two_lines_are_one_heading() -> None:
    paper = Paper()
    paper.line(60, 80, "Chapter 4", 18, "hebo")
    paper.line(60, 112, "How to get the media of the", 22, "hebo")
    paper.line(60, 138, "installation system", 22, "hebo")
    paper.lines(60, 200, prose(30))
    assert _headings(paper.pages()) == ["Chapter 4 How to get the media of the installation system"]


def test_sections_far_apart_are_headings_though_no_line_of_their_size_tells_the_pitch() -> None:
    paper = Paper()
    top = 60.0
    for number in range(1, 6):
        paper.line(60, top, f"3.{number} Destinations", 11.4, "heit")
        top = paper.lines(60, top + 21, prose(2, number, width=14)) + 18
    assert len(_headings(paper.pages())) == 5


def test_a_header_at_another_height_is_known_by_its_words() -> None:
    paper = Paper()
    for number, height in enumerate((44, 52, 60, 44, 53, 61)):
        if number:
            paper.next_page()
        paper.line(200, height, "Master plan of the town", 9)
        paper.lines(60, 140, prose(30, number))
    assert [page.header for page in paper.pages()] == ["Master plan of the town"] * 6


def test_a_sheet_with_nothing_but_its_running_lines_is_empty_when_its_neighbours_are_not() -> None:
    paper = Paper()
    for number in range(5):
        if number:
            paper.next_page()
        paper.line(60, 40, "Reference of developers, release 12", 9)
        if number != 2:
            paper.lines(60, 140, prose(30, number))
    pages = paper.pages()
    assert pages[2].markdown == ""
    assert pages[2].header == "Reference of developers, release 12"


def test_the_title_of_successive_slides_stays() -> None:
    paper = Paper()
    paper.doc.delete_page(0)
    for number in range(4):
        paper.page = paper.doc.new_page(width=720, height=405)
        paper.line(60, 50, "Report of the treasurer", 28)
        paper.lines(60, 120, prose(5, number), 14, 20)
        paper.line(60, 390, "General meeting", 9)
    assert [text for text in _headings(paper.pages()) if text == "Report of the treasurer"] == [
        "Report of the treasurer"
    ] * 4


def test_the_short_last_line_of_a_caption_over_columns_belongs_to_it() -> None:
    paper = Paper()
    paper.line(60, 80, "Figure 4. A snippet. " + prose(1, width=16)[0], 10)
    paper.line(60, 92, prose(1, 5, width=19)[0], 10)
    paper.line(60, 104, "and its last words", 10)
    paper.lines(60, 140, [f"left {n} {line}" for n, line in enumerate(prose(12, 1, 7))])
    paper.lines(310, 140, [f"right {n} {line}" for n, line in enumerate(prose(12, 2, 7))])
    text = paper.markdown()
    assert text.split("\n\n")[0].endswith("and its last words")
    assert text.index("left 11") < text.index("right 0")


def _kinds(paper: Paper) -> dict[str, str]:
    page = paper.pages()[0]
    return {page.markdown[block.start : block.end].lstrip("# "): block.kind for block in page.blocks}


def test_two_labels_of_a_form_on_one_line_are_no_heading() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(6))
    paper.line(60, 200, "CASE NUMBER", 12)
    paper.line(320, 200, "DATE OF DISCHARGE", 12)
    paper.lines(60, 230, prose(6))
    assert "heading" not in _kinds(paper).values()


def test_a_bold_label_that_runs_into_its_text_is_no_heading() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(6))
    paper.line(60, 200, "FOR ANY FURTHER INFORMATION CONTACT:", 10, "hebo")
    paper.line(287, 200, "Ian")
    paper.lines(60, 212, prose(6))
    assert "FOR ANY FURTHER INFORMATION CONTACT: Ian the reader" in paper.markdown()


def test_remarks_in_brackets_and_telephone_numbers_are_no_headings() -> None:
    paper = Paper()
    paper.line(60, 80, "A title", 20)
    paper.lines(60, 120, prose(12))
    paper.line(60, 300, "(Numbers in thousands)", 13)
    paper.line(60, 350, "Tel.: 04.66.38.61.58", 13, "hebo")
    paper.lines(60, 400, prose(12))
    kinds = _kinds(paper)
    assert kinds["A title"] == "heading"
    assert (kinds["(Numbers in thousands)"], kinds["Tel.: 04.66.38.61.58"]) == ("paragraph", "paragraph")


def test_a_bold_paragraph_is_no_heading() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(6))
    for number, text in enumerate([*prose(2, 3, width=19), "and ends here."]):
        paper.line(60, 160 + 13 * number, text, 10, "hebo")
    paper.lines(60, 230, prose(6, 2, width=20))
    assert _headings(paper.pages()) == []


def test_a_unit_between_a_caption_and_its_table_is_no_heading() -> None:
    paper = Paper()
    for row in range(20):
        for column in range(5):
            paper.line(60 + 90 * column, 160 + 15 * row, f"cell {row}.{column}", 8)
    paper.line(60, 110, "Table 7-2: What was granted", 11, "hebo")
    paper.line(420, 130, "Unit: EUR m", 11)
    assert _headings(paper.pages()) == []


def test_the_first_line_of_open_text_larger_than_a_table_is_no_heading() -> None:
    paper = Paper()
    for row in range(30):
        for column in range(5):
            paper.line(60 + 90 * column, 200 + 15 * row, f"cell {row}.{column}x", 8)
    paper.lines(60, 100, [*prose(1, width=16), "the end of it."], 11, 21)
    assert _headings(paper.pages()) == []
