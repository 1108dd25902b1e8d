"""What stands close to running headers and footers and is none of them."""

from __future__ import annotations

from tests.unit.extractor.papers import Paper, prose


def _body(paper: Paper, number: int, top: float = 120) -> None:
    paper.lines(60, top, prose(40, seed=13 * number, width=8))


def test_the_last_line_of_a_source_note_is_no_footer_when_it_returns() -> None:
    paper = Paper()
    for number in range(3):
        _body(paper, number)
        paper.lines(
            60,
            736,
            [f"Source {'abc'[number]}: the survey of some schools. (This table", "was prepared in May.)"],
            8,
            10,
        )
        paper.line(60, 800, f"Reference Tables {number + 51}", 8)
        paper.next_page()
    pages = paper.pages()[:3]
    assert all(page.markdown.endswith("(This table was prepared in May.)") for page in pages)
    assert [page.footer for page in pages] == ["Reference Tables 51", "Reference Tables 52", "Reference Tables 53"]


def test_the_head_of_a_table_on_every_page_stays_with_the_table() -> None:
    paper = Paper()
    for number in range(3):
        paper.line(60, 40, "Listing of active licenses")
        for row, texts in enumerate(
            [("NUMBER", "NAME", "TOWN"), *((f"{number}{i}4", f"Bar {i}{number}", "Rome") for i in range(9))]
        ):
            for x, text in zip((60, 160, 300), texts, strict=True):
                paper.line(x, 80 + 14 * row, text)
        paper.next_page()
    pages = paper.pages()[:3]
    assert all(page.markdown.startswith("| NUMBER | NAME | TOWN |") for page in pages)
    assert all(page.header == "Listing of active licenses" for page in pages)


def test_two_running_lines_that_stand_together_are_both_taken() -> None:
    paper = Paper()
    for number in range(3):
        paper.line(60, 40, "Special Publication 800")
        paper.line(60, 54, "February of some year")
        _body(paper, number)
        paper.next_page()
    assert {page.header for page in paper.pages()[:3]} == {"Special Publication 800 February of some year"}


def test_the_only_sheet_gives_up_its_chapter_and_its_number() -> None:
    paper = Paper()
    paper.line(60, 40, "Chapter 3 | Derivatives", 8)
    paper.line(520, 40, "273", 8)
    _body(paper, 1)
    page = paper.pages()[0]
    assert (page.header, page.label) == ("Chapter 3 | Derivatives 273", "273")
    assert "Derivatives" not in page.markdown


def test_a_row_of_a_table_at_the_top_of_the_only_sheet_stays() -> None:
    paper = Paper()
    for row in range(12):
        paper.line(60, 40 + 14 * row, f"Item {'abcdefghijkl'[row]}")
        paper.line(300, 40 + 14 * row, str(640 - 7 * row * row))
    assert "| Item a | 640 |" in paper.markdown()


def test_page_numbers_may_say_of_how_many() -> None:
    paper = Paper()
    _body(paper, 1)
    paper.line(270, 810, "Page 101 of 205", 8)
    assert paper.pages()[0].label == "101"


def test_page_numbers_above_a_deep_margin_are_no_text() -> None:
    paper = Paper()
    for number in range(3):
        paper.lines(60, 120, prose(40, seed=13 * number, width=8))
        paper.line(300, 690, str(number + 1))
        paper.next_page()
    pages = paper.pages()[:3]
    assert [page.label for page in pages] == ["1", "2", "3"]
    assert not any(page.markdown.rstrip().endswith(page.label) for page in pages)
