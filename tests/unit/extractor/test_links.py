"""Links, raised digits, broken addresses, and that every block is where its span and box say."""

from __future__ import annotations

import itertools
import re

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.extractor.extract import read_pages
from services.extractor.reader.links import safe_uri
from services.extractor.reader.text import join
from tests.unit.extractor.papers import WORDS, Paper, prose


def _link(paper: Paper, x: float, y: float, text: str, uri: str, *, size: float = 10) -> float:
    """Write `text` with a link over it; returns where it ends."""
    end: float = x + pymupdf.get_text_length(text, fontsize=size)
    paper.line(x, y, text, size)
    paper.page.insert_link({"kind": pymupdf.LINK_URI, "from": pymupdf.Rect(x, y - size, end, y + 3), "uri": uri})
    return end


def test_the_words_under_a_link_lead_to_its_address() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(3))
    paper.line(60, 96, "See here and ", 10)
    end = _link(
        paper, 60 + pymupdf.get_text_length("See here and ", fontsize=10), 96, "here", "https://example.org/a(b)"
    )
    paper.line(end + 3, 96, "for more.", 10)
    assert "See here and [here](https://example.org/a%28b%29) for more." in paper.markdown()


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "vbscript:x", "JaVaScRiPt:x", "//host/x"]
)
def test_hostile_addresses_never_become_links(uri: str) -> None:
    assert safe_uri(uri) == ""
    paper = Paper()
    paper.lines(60, 60, prose(3))
    _link(paper, 60, 120, "Click this text", uri)
    assert "Click this text" in paper.markdown()
    assert "](" not in paper.markdown()


def test_a_link_printed_in_the_text_stays_text() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(3))
    paper.line(60, 120, "[click](javascript:alert(1)) and ![x](http://example.org/x.png)")
    paper.lines(60, 180, ["[x]: javascript:alert(1)"])
    text = paper.markdown()
    assert "](" not in text
    assert "\n\n\\[x]: javascript" in text


def test_an_address_that_is_its_own_text_stays_bare_and_is_made_whole() -> None:
    paper = Paper()
    first = "www.example.org/a/long/"
    paper.lines(60, 60, prose(3))
    x = 60 + pymupdf.get_text_length("look at ", fontsize=10)
    paper.line(60, 96, "look at ")
    _link(paper, x, 96, first, "http://www.example.org/a/long/path")
    _link(paper, 60, 108, "path", "http://www.example.org/a/long/path")
    assert "look at www.example.org/a/long/path" in paper.markdown()


@pytest.mark.parametrize(
    ("left", "right", "whole"),
    [
        ("see https://example.org/my-", "page now", "see https://example.org/my-page now"),
        ("see https://packages.", "example.org/x", "see https://packages.example.org/x"),
        ("see https://example.org.", "Then go", "see https://example.org. Then go"),
        ("either/", "or", "either/ or"),
    ],
)
def test_addresses_broken_over_lines_are_joined(left: str, right: str, whole: str) -> None:
    assert join(left, right) == whole


def test_raised_and_lowered_digits_keep_their_meaning() -> None:
    paper = Paper()
    paper.lines(60, 60, prose(3))
    paper.line(60, 120, "An area of 10", 12)
    x = 60 + pymupdf.get_text_length("An area of 10", fontsize=12)
    paper.line(x, 115, "6", 7)
    paper.line(60, 160, "Water is H", 12)
    x = 60 + pymupdf.get_text_length("Water is H", fontsize=12)
    paper.line(x, 162.5, "2", 7)
    paper.line(x + 4, 160, "O", 12)
    text = paper.markdown()
    assert "10⁶" in text
    assert "H₂O" in text


def _word(number: int) -> str:
    """A word that no other number gives and no hyphenation touches."""
    return "q" + "".join("abcdefghij"[int(digit)] for digit in f"{number:04d}") + "z"


_PAGES = st.fixed_dictionaries(
    {
        "rotation": st.sampled_from([0, 90, 180, 270]),
        "turned": st.sampled_from([0, 90, 270]),
        "columns": st.integers(1, 2),
        "blocks": st.lists(
            st.tuples(st.sampled_from(["prose", "heading", "list"]), st.integers(1, 5)), min_size=1, max_size=6
        ),
        "side": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(page=_PAGES)
def test_the_box_of_a_block_holds_the_words_of_its_span(page: dict[str, object]) -> None:
    doc = pymupdf.open()
    sheet = doc.new_page(width=612, height=792)
    turned = int(str(page["turned"]))
    count = 0
    for column in range(int(str(page["columns"]))):
        along = 60.0
        for kind, lines in page["blocks"]:  # type: ignore[attr-defined]
            size = 16 if kind == "heading" else 10
            for line in range(1 if kind == "heading" else lines):
                words = " ".join([_word(count := count + 1) for _ in range(4)] + WORDS[:2])
                text = ("- " if kind == "list" and line == 0 else "") + words
                across = 50 + 260 * column
                place = {0: (across, along), 90: (along, 742 - across), 270: (612 - along, across)}[turned]
                sheet.insert_text(place, text, fontsize=size if kind != "heading" else 11, rotate=turned)
                along += 12
            along += 14
    if page["side"]:
        sheet.insert_text((600, 500), _word(9999), fontsize=8, rotate=90 if turned == 0 else 0)
    sheet.set_rotation(int(str(page["rotation"])))
    doc = pymupdf.open("pdf", doc.tobytes())
    read = next(read_pages(doc))
    shown = {str(word[4]): pymupdf.Rect(word[:4]) for word in doc[0].get_text("words")}
    turn = doc[0].rotation_matrix
    assert (read.width, read.height) == (doc[0].rect.width, doc[0].rect.height)
    spans = [(block.start, block.end) for block in read.blocks]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))
    seen = set()
    for block in read.blocks:
        box = pymupdf.Rect(block.bbox)
        assert pymupdf.Rect(doc[0].rect).contains(box)
        for word in re.findall(r"\bq[a-j]{4}z\b", read.markdown[block.start : block.end]):
            middle = (shown[word] * turn).normalize()
            point = pymupdf.Point((middle.x0 + middle.x1) / 2, (middle.y0 + middle.y1) / 2)
            assert box.x0 - 1 <= point.x <= box.x1 + 1
            assert box.y0 - 1 <= point.y <= box.y1 + 1
            seen.add(word)
    assert len(seen) >= count
