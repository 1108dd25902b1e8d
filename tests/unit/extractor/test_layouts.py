"""Harder layouts: close columns, marginal headings, running lines that are none, right-to-left lines, lost leaders."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest

from services.extractor.extract import describe_document, open_pdf, read_pages
from services.extractor.reader.arabic import _repaired
from services.extractor.reader.bidi import compose
from services.extractor.reader.language import confidence_of, garbled_letters
from services.extractor.reader.text import find_lost_leaders
from tests.unit.extractor.papers import WORDS, Paper, prose


def test_three_close_columns_are_read_one_after_the_other() -> None:
    paper = Paper()
    for column, x in enumerate((45, 222, 399)):
        for number in range(40):  # the columns share their baselines and are only nine points apart
            text = f"c{column}r{number} " + prose(1, number + column, 20)[0]
            while pymupdf.get_text_length(text, fontsize=9) > 168:
                text = text.rsplit(" ", 1)[0]
            paper.line(x, 100 + 10 * number, text, 9)
    text = paper.markdown()
    assert [text.index(mark) for mark in ("c0r39", "c1r0", "c1r39", "c2r0")] == sorted(
        text.index(mark) for mark in ("c0r39", "c1r0", "c1r39", "c2r0")
    )


def test_headings_in_the_margin_come_before_the_text_beside_them() -> None:
    paper = Paper()
    for part, top in enumerate((80, 260, 440)):
        for number, line in enumerate(("1.2." + str(part), "Marginal words", f"of part {part}")):
            paper.line(40, top + 12 * number, line, 9, "hebo")
        paper.lines(180, top, [f"p{part}l{number} {line}" for number, line in enumerate(prose(10, part))], 9)
    text = paper.markdown()
    assert "|" not in text
    assert text.index("p0l9") < text.index("of part 1") < text.index("p1l0") < text.index("p1l9")


def test_a_line_that_differs_under_the_header_is_kept() -> None:
    paper = Paper()
    for number in range(5):
        if number:
            paper.next_page()
        paper.line(60, 40, "Manual of Codes", 12)
        paper.line(60, 85, f"Exhibit 2.3-{7 + number} (Cont. {number})", 10, "hebo")
        paper.lines(60, 200, prose(20, number))
    pages = paper.pages()
    assert all(page.header == "Manual of Codes" for page in pages)
    assert [f"Exhibit 2.3-{7 + number}" in page.markdown for number, page in enumerate(pages)] == [True] * 5


def test_a_title_that_two_pages_share_below_the_header_stays_a_title() -> None:
    paper = Paper()
    for number in range(6):
        if number:
            paper.next_page()
        paper.line(60, 40, "Design Catalogue", 9)
        if number in (2, 3):
            paper.line(60, 85, "Certificates and marks", 18, "hebo")
        paper.lines(60, 200, prose(20, number))
    pages = paper.pages()
    assert all(page.header == "Design Catalogue" for page in pages)
    assert ["Certificates and marks" in page.markdown for page in pages] == [n in (2, 3) for n in range(6)]


def test_captions_in_the_same_place_of_every_page_are_text() -> None:
    paper = Paper()
    for number in range(7):
        if number:
            paper.next_page()
        named = max(number, 1)  # the first table goes on over the second page
        paper.line(60, 50, f"Table {named}. Actual numbers of {WORDS[named]} by region: School years", 8, "hebo")
        paper.line(60, 60, "2003-04 through 2021-22" + "-Continued" * (number == 1), 8, "hebo")
        paper.lines(60, 90, prose(40, number))
        paper.line(60, 800, f"Exhibit 2: Reference Tables   {52 + number}", 9)
    pages = paper.pages()
    assert [f"Table {max(number, 1)}." in page.markdown for number, page in enumerate(pages)] == [True] * 7
    assert all("Reference Tables" in page.footer for page in pages)


def test_spaces_that_are_raised_with_a_notes_number_do_not_tear_the_line() -> None:
    paper = Paper()
    paper.lines(60, 100, prose(3), 9)
    paper.line(60, 136, "the operator. Reports", 9)
    paper.drawn("/helv 6.4 Tf ( ) Tj 2.3 Ts (1) Tj /helv 9 Tf ( ) Tj 0 Ts (from the accident show) Tj")
    paper.lines(60, 148, prose(3), 9)
    assert "the operator. Reports ¹ from the accident show" in paper.markdown()


def test_a_row_of_numbers_at_the_top_is_no_header() -> None:
    paper = Paper()
    for number in range(3):
        if number:
            paper.next_page()
        for row in range(6):
            for column in range(5):
                paper.line(60 + 90 * column, 60 + 20 * row, str(100 * number + 7 * row + column + 1))
    assert [page.header for page in paper.pages()] == ["", "", ""]


def test_a_classification_at_the_edge_is_no_heading() -> None:
    paper = Paper()
    paper.line(250, 30, "CUI (when filled in)", 16, "hebo")
    paper.line(60, 80, "Real Heading", 18, "hebo")
    paper.lines(60, 120, prose(10))
    page = paper.pages()[0]
    assert page.header == "CUI (when filled in)"
    assert page.markdown.startswith("# Real Heading")


def test_words_at_both_edges_of_a_single_sheet_are_running_lines() -> None:
    paper = Paper()
    paper.line(250, 30, "Handle with care", 16, "hebo")
    paper.line(250, 820, "Handle with care", 16, "hebo")
    paper.lines(60, 120, prose(10))
    assert "Handle" not in paper.pages()[0].markdown


def test_signs_and_numbers_between_hebrew_words_are_put_in_their_place() -> None:
    left, right = "לנפש", "הכל"
    assert compose([(0, 15, left), (16.8, 21, "- "), (21, 32, right)], 7) == f"{right} - {left}"
    bracketed: list[tuple[float, float, str]] = [(0, 15, left), (17, 21, "( "), (21, 28, "1)  "), (28, 40, right)]
    assert compose(bracketed, 7) == f"{right} (1) {left}"
    assert compose([(0, 40, "Python "), (40, 60, right), (-20, 0, left)], 10) == f"{right}Python {left}"


def test_letters_of_an_arabic_ligature_are_put_in_order() -> None:
    def char(x0: float, x1: float, letter: str) -> str:
        return f'<char c="{letter}" quad="{x0} 0 {x1} 0 0 0 0 0"/>'

    assert _repaired(char(20, 24, "ا") + char(10, 10, "م") + char(10, 20, "ل") + char(0, 10, "ص")) == "المص"


def test_leaders_of_a_font_without_a_map_leave_the_page_trusted() -> None:
    lost = "\ufffd" * 40
    assert find_lost_leaders(f"Defense 3 {lost}") == "Defense 3 ..."
    assert find_lost_leaders(lost) == lost


def test_words_of_mixed_alphabets_are_told() -> None:
    assert garbled_letters("the word ϲΒϴΒ stands here") == 4
    assert garbled_letters("a width of 3 μm, Δt and kΩ; καλημέρα κόσμε") == 0
    assert confidence_of("habibi ϲΒϴΒ words of a page", "und", 4) < 0.7


def test_a_ruled_table_on_a_turned_sheet_keeps_its_cells() -> None:
    paper = Paper()
    page = paper.page
    for row in range(3):
        for column in range(3):
            box = pymupdf.Rect(60 + 40 * row, 400 - 120 * column, 100 + 40 * row, 520 - 120 * column)
            page.draw_rect(box, width=0.5)
            page.insert_text((box.x0 + 14, box.y1 - 6), f"r{row}c{column}", fontsize=10, rotate=90)
            page.insert_text((box.x0 + 28, box.y1 - 6), f"second{row}{column}", fontsize=10, rotate=90)
    assert "| r1c0 second10 | r1c1 second11 | r1c2 second12 |" in paper.markdown()


def test_a_repaired_file_says_so(tmp_path: Path) -> None:
    paper = Paper()
    paper.lines(60, 80, prose(3))
    path = paper.saved(tmp_path)
    whole = describe_document(open_pdf(path))
    assert (whole.repaired, whole.warnings) == (False, [])
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"startxref")] + b"startxref\n7\n%%EOF")
    mended = describe_document(open_pdf(path))
    assert (mended.repaired, mended.warnings) == (True, ["pdf_repaired"])


@pytest.mark.parametrize("first", range(1, 17))
def test_reading_from_any_page_gives_the_pages_of_the_whole(first: int) -> None:
    paper = Paper()
    for number in range(16):
        if number:
            paper.next_page()
        paper.line(60, 40, f"Chapter {number // 5}", 9)
        if number > 13:
            paper.line(300, 100, "Epilogue of two pages", 9, "tiro")
        paper.line(60, 80, f"Part {number}", 15, "hebo")
        paper.lines(60, 120, prose(20, number))
        paper.line(290, 810, f"{number + 1}", 9)
    doc = paper.reopened()
    assert list(read_pages(doc, first=first)) == list(read_pages(paper.reopened()))[first - 1 :]


def test_a_stamp_over_two_columns_does_not_join_them() -> None:
    paper = Paper()
    paper.lines(60, 100, [f"left{number} {line}" for number, line in enumerate(prose(30, 1, 7))], 9)
    paper.lines(320, 106, [f"right{number} {line}" for number, line in enumerate(prose(30, 4, 7))], 9)
    paper.line(100, 330, "DRAFT", 130, "hebo")
    text = paper.markdown()
    assert text.index("left29") < text.index("right0")
    assert text.endswith("DRAFT")
    assert "# DRAFT" not in text


def test_terms_and_their_meanings_keep_their_lines() -> None:
    paper = Paper()
    for number, line in enumerate(prose(4, 2, 5)):
        paper.line(60, 80 + 12 * number, f"key{number}", 10, "cour")
        paper.line(140, 80 + 12 * number, line)
    paper.lines(60, 200, prose(4))
    assert len(paper.pages()[0].blocks) == 5
