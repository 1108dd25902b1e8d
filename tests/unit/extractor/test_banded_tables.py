"""Tables whose rows, cells and spanning headers are told by bands of colour, shaded grounds and broken rules."""

from __future__ import annotations

from itertools import pairwise

import pymupdf

from tests.unit.extractor.papers import Paper

_ROWS = [
    ("81", ["Allegiant Air"], ["7100 Terminal Drive"], "Tulsa"),
    ("64", ["Allegiant Air"], ["7777 East Apache", "Street"], "Tulsa"),
    ("82", ["American Airlines"], ["7100 Terminal Drive"], "Norman"),
    ("50", ["American Eagle", "Airlines"], ["7777 East Drive"], "Sayre"),
    ("40", ["Delta Lines"], ["Rogers Airport", "Box 5997"], "Tulsa"),
    ("79", ["Endeavor Air"], ["210 Terminal Drive"], "Clinton"),
    ("47", ["Sunny Jet"], ["14 Airport Road", "West"], "Norman"),
    ("33", ["Southwest Air"], ["7777 East Apache", "Drive"], "Owasso"),
]
_XS = (50, 100, 240, 400)


def _banded() -> Paper:
    """Rows of one or two lines, their cells standing at the bottom, every other row in a band."""
    paper = Paper()
    for x, title in zip(_XS, ("No", "Name", "Address", "City"), strict=True):
        paper.line(x, 96, title)
    top = 100.0
    for index, (number, name, address, city) in enumerate(_ROWS):
        lines = max(len(name), len(address))
        bottom = top + 12 * lines
        if index % 2 == 0:
            paper.page.draw_rect(pymupdf.Rect(40, top, 500, bottom), color=None, fill=(0, 1, 1), overlay=False)
        for x, texts in zip(_XS, ([number], name, address, [city]), strict=True):
            for place, text in enumerate(texts):
                paper.line(x, bottom - 3 - 12 * (len(texts) - 1 - place), text)
        top = bottom
    return paper


def test_lines_of_a_cell_that_stand_closer_to_the_row_above_stay_in_their_band() -> None:
    rows = _banded().markdown().splitlines()
    assert "| 64 | Allegiant Air | 7777 East Apache Street | Tulsa |" in rows
    assert "| 50 | American Eagle Airlines | 7777 East Drive | Sayre |" in rows
    assert "| 40 | Delta Lines | Rogers Airport Box 5997 | Tulsa |" in rows


def test_the_last_row_belongs_to_the_table_though_no_band_follows() -> None:
    assert _banded().markdown().splitlines()[-1] == "| 33 | Southwest Air | 7777 East Apache Drive | Owasso |"


def test_a_list_in_boxes_is_no_table() -> None:
    paper = Paper()
    for index in range(7):
        y = 100 + 24 * index
        paper.page.draw_rect(pymupdf.Rect(40, y - 10, 500, y + 3), color=None, fill=(0.9, 0.9, 0.9), overlay=False)
        paper.line(50, y, "\u2022")
        paper.line(90, y, f"the {'one two three four five six seven'.split()[index]} of some short aims")
    assert "| " not in paper.markdown()
    assert "- the two of some short aims" in paper.markdown()


def test_the_shaded_grounds_of_lines_within_cells_are_no_cells() -> None:
    paper = Paper()
    xs = [60.0, 160.0, 260.0, 340.0, 420.0]
    for x0, x1 in pairwise(xs):
        paper.page.draw_rect(pymupdf.Rect(x0, 100, x1, 128), color=None, fill=(0.8, 0.8, 0.8), overlay=False)
        for y in (102, 114):
            paper.page.draw_rect(pymupdf.Rect(x0 + 5.4, y, x1 - 5.4, y + 12), color=None, fill=(0.8, 0.8, 0.8))
    for x in xs:
        paper.page.draw_line((x, 100), (x, 156), width=0.5)
    for y in (100, 128, 142, 156):
        paper.page.draw_line((60, y), (420, y), width=0.5)
    for x, top, low in zip(
        xs, ("All of", "Very", "Just a", "In"), ("the answers", "good", "little", "all"), strict=False
    ):
        paper.line(x + 12, 111, top)
        paper.line(x + 12, 123, low)
    for y, row in ((138, ("Standard", "115", "73", "24")), (152, ("Share", "50%", "40%", "10%"))):
        for x, text in zip(xs, row, strict=False):
            paper.line(x + 30, y, text)
    rows = paper.markdown().splitlines()
    assert rows[0] == "| All of the answers | Very good | Just a little | In all |"
    assert rows[2:] == ["| Standard | 115 | 73 | 24 |", "| Share | 50% | 40% | 10% |"]


def test_a_header_over_columns_whose_rules_begin_below_it_spans_them() -> None:
    paper = Paper()
    xs = [60.0, 160.0, 220.0, 280.0, 340.0, 400.0, 460.0]
    for y in (90, 120, 136, 152, 168):
        paper.page.draw_line((60, y), (460, y), width=0.5)
    for x in xs:
        paper.page.draw_line((x, 90 if x in (60, 160, 280, 400, 460) else 105), (x, 168), width=0.5)
    paper.line(200, 101, "Pre-Pawn")
    paper.line(312, 101, "Redemption")
    for x, text in zip(xs, ("State", "Handgun", "Long Gun", "Handgun", "Long Gun", "Totals"), strict=False):
        paper.line(x + 6, 116, text)
    for number, name in enumerate(("Alabama", "Alaska", "Arizona")):
        for x, text in zip(xs, (name, *(str(7 * number + k) for k in range(5))), strict=False):
            paper.line(x + 6, 132 + 16 * number, text)
    rows = paper.markdown().splitlines()
    assert rows[0] == "| State | Pre-Pawn |  | Redemption |  | Totals |"
    assert rows[2] == "|  | Handgun | Long Gun | Handgun | Long Gun |  |"


def test_a_header_over_a_rule_that_is_drawn_in_pieces_stands_over_its_first_column() -> None:
    paper = Paper()
    xs = [60, 200, 260, 320, 400, 460]
    for y in (90, 124, 196):
        paper.page.draw_line((60, y), (520, y), width=0.5)
    for x0, x1 in ((190, 252), (252, 312), (312, 372), (392, 452), (452, 520)):
        paper.page.draw_line((x0, 107), (x1, 107), width=0.5)
    paper.line(265, 102, "Actual")
    paper.line(430, 102, "Projected")
    for x, text in zip(xs, ("Region", "2003", "2004", "2005", "2009", "2010"), strict=True):
        paper.line(x, 119, text)
    for number, name in enumerate(("Maine", "Texas", "Idaho", "Ohio", "Iowa")):
        for x, text in zip(xs, (name, *(f"{31 + 17 * number * k},2{k}0" for k in range(5))), strict=True):
            paper.line(x, 136 + 14 * number, text)
    assert paper.markdown().splitlines()[0] == "|  | Actual |  |  | Projected |  |"
