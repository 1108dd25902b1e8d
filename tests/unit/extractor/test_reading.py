"""What the fast reader makes of a page: order, headings, paragraphs, lists, code and tables."""

from __future__ import annotations

import pymupdf

from services.extractor.reader.text import clean, join
from tests.unit.extractor.papers import Paper, prose


def test_two_columns_are_read_one_after_the_other() -> None:
    paper = Paper()
    for number in range(12):  # written row by row would be a table; columns are written one after the other
        paper.line(60, 100 + 12 * number, f"left{number} " + prose(1, number, 7)[0], 9)
    for number in range(12):
        paper.line(320, 106 + 12 * number, f"right{number} " + prose(1, number + 3, 7)[0], 9)
    text = paper.markdown()
    assert text.index("left11") < text.index("right0")


def test_a_headline_over_two_columns_comes_first_and_one_between_parts_them() -> None:
    paper = Paper()
    paper.line(60, 60, "A headline that runs over both of the columns of this page", 18, "hebo")
    for top in (100, 330):
        if top == 330:
            paper.line(60, 310, "Another headline that runs over both of the columns", 18, "hebo")
        paper.lines(60, top, [f"left{top} {line}" for line in prose(12, top, 7)], 9)
        paper.lines(320, top + 5, [f"right{top} {line}" for line in prose(12, top, 7)], 9)
    text = paper.markdown()
    places = [text.index(mark) for mark in ("# A headline", "left100", "right100", "# Another", "left330", "right330")]
    assert places == sorted(places)


def test_larger_type_is_a_heading_and_levels_follow_size() -> None:
    paper = Paper()
    paper.line(60, 60, "Great Matters", 22, "hebo")
    paper.line(60, 100, "Smaller Matters", 15, "hebo")
    paper.lines(60, 130, prose(10))
    text = paper.markdown()
    assert "# Great Matters\n" in text
    assert "## Smaller Matters\n" in text
    assert text.count("#") == 3


def test_outline_gives_the_level_of_a_heading_in_plain_type() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(8))
    paper.line(60, 200, "Quiet title")
    paper.lines(60, 230, prose(8, 3))
    paper.doc.set_toc([[1, "Whole", 1], [2, "Deep", 1], [3, "Quiet title", 1]])
    assert "### Quiet title\n" in paper.markdown()


def test_a_bold_word_in_a_paragraph_is_no_heading() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(4))
    paper.line(60, 128, "Note", 10, "hebo")
    paper.line(86, 128, "that this goes on in the same line and is no title of anything")
    paper.lines(60, 140, prose(4, 5))
    assert "#" not in paper.markdown()


def test_lines_become_one_paragraph_and_hyphenated_words_are_made_whole() -> None:
    paper = Paper()
    paper.lines(60, 80, ["The first line ends within a transfor-", "mation and then it goes on to its end."])
    assert "transformation and then" in paper.markdown()


def test_wider_space_parts_paragraphs() -> None:
    paper = Paper()
    below = paper.lines(60, 80, prose(4))
    paper.lines(60, below + 12, prose(4, 2))
    assert len(paper.pages()[0].blocks) == 2


def test_hyphens_before_a_conjunction_stay() -> None:
    assert join("Haupt-", "und Nebensache") == "Haupt- und Nebensache"
    assert join("Donau-", "dampfschiff") == "Donaudampfschiff"
    assert join("E-", "Mail") == "E-Mail"


def test_chinese_lines_are_joined_without_a_space_and_english_ones_with_one() -> None:
    assert join("中文文本", "继续") == "中文文本继续"
    assert join("plain text", "goes on") == "plain text goes on"


def test_bullets_and_numbers_become_lists() -> None:
    paper = Paper()
    paper.lines(
        60, 80, ["\u2022 apples from the garden", "\u2022 pears from the market", "1. first step", "2. second step"]
    )
    text = paper.markdown()
    assert "- apples from the garden\n- pears from the market" in text
    assert "1. first step\n2. second step" in text


def test_monospaced_lines_become_code_with_their_indentation() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(4))
    paper.line(60, 140, "def answer():", 10, "cour")
    paper.line(84, 152, "return 42", 10, "cour")
    assert "```\ndef answer():\n    return 42\n```" in paper.markdown()


def test_ruled_table_becomes_a_pipe_table() -> None:
    paper = Paper()
    for row, cells in enumerate([["Name", "Size"], ["Oak", "12"], ["Elm", "7"]]):
        for column, cell in enumerate(cells):
            box = pymupdf.Rect(60 + 100 * column, 100 + 20 * row, 160 + 100 * column, 120 + 20 * row)
            paper.page.draw_rect(box, width=0.5)
            paper.line(box.x0 + 4, box.y1 - 6, cell)
    assert paper.markdown() == "| Name | Size |\n| --- | --- |\n| Oak | 12 |\n| Elm | 7 |"


def test_cell_of_several_lines_stays_one_cell_in_a_ruled_table() -> None:
    paper = Paper()
    for row in range(2):
        for column in range(2):
            box = pymupdf.Rect(60 + 150 * column, 100 + 40 * row, 210 + 150 * column, 140 + 40 * row)
            paper.page.draw_rect(box, width=0.5)
            paper.lines(box.x0 + 4, box.y0 + 14, [f"first{row}{column}", "second"])
    assert "| first00 second | first01 second |" in paper.markdown()


def test_unruled_columns_that_line_up_become_a_table() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(3))
    for row, cells in enumerate([["Land", "Area", "People"], ["Atlantis", "12.5", "300"], ["Thule", "7.1", "20"]]):
        for column, cell in enumerate(cells):
            paper.line(60 + 120 * column, 150 + 14 * row, cell)
    assert "| Land | Area | People |\n| --- | --- | --- |\n| Atlantis | 12.5 | 300 |" in paper.markdown()


def test_pipes_in_cells_are_escaped() -> None:
    paper = Paper()
    for row, cells in enumerate([["a|b", "c", "d"], ["e", "f", "g"], ["h", "i", "j"]]):
        for column, cell in enumerate(cells):
            paper.line(60 + 120 * column, 150 + 14 * row, cell)
    assert "| a\\|b | c | d |" in paper.markdown()


def test_captions_are_known_by_their_first_word() -> None:
    paper = Paper()
    paper.lines(60, 80, prose(4))
    paper.line(60, 160, "Figure 3: What was seen on that day.")
    assert [block.kind for block in paper.pages()[0].blocks] == ["paragraph", "caption"]


def test_blocks_name_their_span_and_place() -> None:
    paper = Paper()
    paper.line(60, 60, "Title", 20, "hebo")
    paper.lines(60, 100, prose(3))
    page = paper.pages()[0]
    heading, paragraph = page.blocks
    assert page.markdown[heading.start : heading.end] == "# Title"
    assert page.markdown[paragraph.start : paragraph.end].startswith("the reader")
    assert heading.bbox[3] <= paragraph.bbox[1] + 5


def test_ligatures_controls_and_surrogates_are_cleaned() -> None:
    assert clean("\ufb01ne \ufb02ow\x00\u200b\ud800") == "fine flow\ufffd"
    assert clean("na\u00a8\u0131ve") == "naïve"


def test_tags_are_defused_but_other_signs_are_left_alone() -> None:
    paper = Paper()
    paper.line(60, 80, "if a < b and c > d then <script>alert(1)</script> * _x_ [y]")
    assert paper.markdown() == "if a < b and c > d then \\<script>alert(1)\\</script> * _x_ [y]"
