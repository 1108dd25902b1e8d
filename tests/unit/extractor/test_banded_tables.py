"""Tables that are told row from row by bands of colour alone."""

from __future__ import annotations

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
