"""Chapters: from outline, headings or printed contents, always inside the document."""

from __future__ import annotations

from typing import Any

from services.transformer import chapters, contents
from tests.unit.transformer.documents import PROSE, read

PAGES = (
    f"# One\n\n{PROSE}",
    f"## One A\n\n{PROSE}",
    f"{PROSE}\n\n# Two\n\nThe second part starts in the middle of its page and goes on for a while. {PROSE}",
    f"# Three\n\n{PROSE}",
)


def found(*pages: str, outline: list[dict[str, Any]] | None = None, title: str = "") -> list[dict[str, Any]]:
    return chapters.find(read(*pages, outline=outline), title, [], "en")[0]


def row(level: int, title: str, page: int) -> dict[str, Any]:
    return {"level": level, "title": title, "page": page}


OUTLINE = [row(1, "One", 1), row(2, "One A", 2), row(1, "Two", 3), row(1, "Three", 4)]


def spans(items: list[dict[str, Any]]) -> list[tuple[str, int, int, int]]:
    return [(item["title"], item["level"], item["startPage"], item["endPage"]) for item in items]


def test_an_entry_ends_where_the_next_of_its_level_starts() -> None:
    assert spans(found(*PAGES, outline=OUTLINE)) == [
        ("One", 1, 1, 3),
        ("One A", 2, 2, 3),
        ("Two", 1, 3, 3),
        ("Three", 1, 4, 4),
    ]


def test_headings_are_the_chapters_where_there_is_no_outline() -> None:
    assert spans(found(*PAGES)) == spans(found(*PAGES, outline=OUTLINE))


def test_the_outline_wins_over_the_headings() -> None:
    assert spans(found(*PAGES, outline=[row(1, "All", 1), row(1, "Rest", 3)])) == [("All", 1, 1, 2), ("Rest", 1, 3, 4)]


def test_order_and_page_count_follow_from_the_place() -> None:
    items = found(*PAGES, outline=OUTLINE)
    assert [item["order"] for item in items] == [1, 2, 3, 4]
    assert all(item["pageCount"] == item["endPage"] - item["startPage"] + 1 for item in items)


def test_evidence_is_copied_from_the_start_page_and_summary_from_the_chapter() -> None:
    for item in found(*PAGES, outline=OUTLINE):
        assert 0 < len(item["startEvidence"]) <= 160
        assert item["startEvidence"] in PAGES[item["startPage"] - 1]
    two = found(*PAGES, outline=OUTLINE)[2]
    assert two["summary"] == "The second part starts in the middle of its page and goes on for a while."
    assert "second part" in two["keywords"] or two["keywords"]


def test_entries_without_a_real_page_are_placed_by_their_heading_or_dropped_loudly() -> None:
    rows = [row(1, "One", 1), row(1, "Three", 0), row(1, "Ghost", 99), row(1, "", 2)]
    items, warnings = chapters.find(read(*PAGES, outline=rows), "", [], "en")
    assert [(item["title"], item["startPage"]) for item in items] == [("One", 1), ("Three", 4)]
    assert len(warnings) == 1
    assert "Ghost" in warnings[0]


def test_levels_deeper_than_three_keep_their_nesting_but_are_called_three() -> None:
    rows = [row(1, "A", 1), row(2, "B", 1), row(3, "C", 1), row(4, "D", 2), row(3, "E", 3)]
    assert spans(found(*PAGES, outline=rows))[2:4] == [("C", 3, 1, 2), ("D", 3, 2, 2)]


def test_title_captions_contents_dates_and_running_heads_are_no_chapters() -> None:
    pages = [f"# My Book\n\n## March 2020\n\n### Contents\n\n## First\n\n{PROSE}"] + [
        f"## Running Head\n\n## Table 3\n\n## Part {word}\n\n{PROSE}" for word in ("alpha", "beta", "gamma", "delta")
    ]
    titles = [item["title"] for item in found(*pages, title="My Book")]
    assert titles == ["First", "Part alpha", "Part beta", "Part gamma", "Part delta"]


def test_a_chapter_number_above_its_title_is_no_chapter_of_its_own() -> None:
    assert [c["title"] for c in found(f"## Kapitel 1\n\n# Anfang\n\n{PROSE}", f"# Ende\n\n{PROSE}")] == [
        "Anfang",
        "Ende",
    ]


def test_printed_contents_are_read_with_the_offset_of_the_folio() -> None:
    toc = "Contents\n\nFirst steps ........ 1\n\n1.1 The river ... 2\n\nSecond thoughts . . . . 3\n"
    body = read("Cover", toc, f"First steps\n\n{PROSE}", f"1.1 The river\n\n{PROSE}", f"Second thoughts\n\n{PROSE}")
    assert contents.entries(body) == [
        row(1, "First steps", 3),
        row(2, "1.1 The river", 4),
        row(1, "Second thoughts", 5),
    ]
    assert spans(chapters.find(body, "", [], "en")[0]) == [
        ("First steps", 1, 3, 4), ("1.1 The river", 2, 4, 4), ("Second thoughts", 1, 5, 5),
    ]  # fmt: skip


def test_several_contents_lines_in_one_paragraph_are_parted_at_their_leaders() -> None:
    body = read("# SOMMAIRE\n\nI PREAMBULE ... 1 1 CONTEXTE ... 2 2 ETAT DES LIEUX ... 2", "Text", "Text")
    assert [entry["title"] for entry in contents.entries(body)] == ["I PREAMBULE", "1 CONTEXTE", "2 ETAT DES LIEUX"]


def test_a_wide_outline_is_cut_with_a_warning() -> None:
    rows = [row(1, f"Entry {n}", 1) for n in range(chapters.MOST + 5)]
    items, warnings = chapters.find(read(*PAGES, outline=rows), "", [], "en")
    assert len(items) == chapters.MOST
    assert warnings
