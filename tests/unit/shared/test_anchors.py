"""Page anchors: what is one, what only looks like one, and that nothing gets lost between them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import anchors

LINES = st.sampled_from(
    [
        "--- Seite 1 ---",
        "  --- Seite 02 ---  ",
        "— Seite 3 —",
        "---",
        "--- Seite ---",
        "\\--- Seite 4 ---",
        "text",
        "",
        "\\\\--- Seite 5 ---",
        "    --- Seite 6 ---",
        "x --- Seite 7 ---",
        "--- Seite 8 ---\r",
        "a\r--- Seite 9 ---",
    ]
)
BODIES = st.lists(LINES | st.text(max_size=20)).map("\n".join)


@given(BODIES)
def test_between_preamble_and_pages_stand_only_anchor_lines(body: str) -> None:
    preamble, pages = anchors.split_pages(body)
    if not anchors.has_anchors(body):
        assert "".join(page.text for page in pages) == body.strip()
        return
    assert body.strip().startswith(preamble)
    position = body.index(preamble) + len(preamble)
    for page in pages:
        assert re.fullmatch(r"[-–—]+[ \t]*Seite[ \t]+\d+[ \t]*[-–—]+", body[position : page.start].strip())
        assert body[page.start : page.end] == page.text == page.text.strip()
        position = page.end
    assert not body[position:].strip()


@given(BODIES)
def test_escaped_text_holds_no_anchor_and_comes_back_unchanged(text: str) -> None:
    escaped = anchors.escape_anchors(text)
    assert not anchors.has_anchors(escaped)
    assert anchors.unescape_anchors(escaped) == text


def test_text_without_anchors_is_left_alone_by_escaping() -> None:
    assert anchors.escape_anchors("Text\n--- Page 3 ---\n---") == "Text\n--- Page 3 ---\n---"


def test_an_escaped_line_stays_on_its_page() -> None:
    page = anchors.escape_anchors("before\n--- Seite 9 ---\nafter")
    body = f"{anchors.anchor(1)}\n{page}\n{anchors.anchor(2)}\nsecond"
    assert [(p.number, p.text) for p in anchors.split_pages(body)[1]] == [
        (1, "before\n\\--- Seite 9 ---\nafter"),
        (2, "second"),
    ]


@pytest.mark.parametrize(
    "line", ["--- Seite 7 ---", "---Seite 7---", "—Seite 7—", "– Seite 7 –", "   --- Seite 07 ---  "]
)
def test_dash_and_blank_variants_are_anchors(line: str) -> None:
    assert anchors.split_pages(f"{line}\nText") == ("", [anchors.PageText(7, "Text", len(line) + 1, len(line) + 5)])


@pytest.mark.parametrize(
    "line",
    [
        "-- Seite 1 --",
        "--- Seite 1a ---",
        "--- Page 1 ---",
        "--- Seite ---",
        "x --- Seite 1 ---",
        "    --- Seite 1 ---",
        "---\nSeite 4\n---",
        "| --- Seite 1 --- |",
        "--- Seite ١ ---",
        "--- Seite 1",
    ],
)
def test_what_only_looks_like_an_anchor_is_text(line: str) -> None:
    assert not anchors.has_anchors(line)
    assert [page.number for page in anchors.split_pages(line)[1]] == [1]


def test_text_before_the_first_anchor_is_kept() -> None:
    preamble, pages = anchors.split_pages("Cover\n\n--- Seite 2 ---\nB")
    assert preamble == "Cover"
    assert [(page.number, page.text) for page in pages] == [(2, "B")]


def test_numbers_are_neither_sorted_nor_made_unique() -> None:
    _, pages = anchors.split_pages("--- Seite 5 ---\nA\n--- Seite 2 ---\n--- Seite 2 ---\nB")
    assert [(page.number, page.text) for page in pages] == [(5, "A"), (2, ""), (2, "B")]


def test_a_blank_body_has_no_page() -> None:
    assert anchors.split_pages(" \n ") == ("", [])


@pytest.mark.parametrize(
    ("declared", "count"), [(9, 9), ("12", 12), (0, 5), (-1, 5), (None, 5), (True, 5), ("many", 5), (3.0, 3)]
)
def test_declared_pages_count_if_they_are_a_number_above_zero(declared: object, count: int) -> None:
    assert anchors.page_count("--- Seite 5 ---\na\n--- Seite 2 ---\nb", declared) == count


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (2, 4, (2, 4, True)),
        (2, None, (2, 2, False)),
        (None, 4, (1, 4, False)),
        (None, None, (1, 1, False)),
        (5, 99, (5, 6, True)),
        (8, 12, (6, 6, True)),
        (5, 2, (5, 5, True)),
        (-5, -1, (1, 1, True)),
        (9, None, (6, 6, False)),
    ],
)
def test_ranges_are_repaired_in_the_order_of_the_rules(
    start: object, end: object, expected: tuple[int, int, bool]
) -> None:
    assert anchors.page_range(start, end, 6) == expected
