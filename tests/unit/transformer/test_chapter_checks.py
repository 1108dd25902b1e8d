"""Chapters of a model, held against the document."""

from __future__ import annotations

from typing import Any

from services.transformer import folios
from services.transformer.chapter_checks import check
from services.transformer.reading import Reading, read
from tests.unit.transformer.documents import PROSE, info, transcript


def reading(offset: int = 0) -> Reading:
    """Four sheets, a chapter on each of 2 to 4; with an offset, printed numbers are sheet - offset."""
    pages = ["Cover of the report", f"# Method\n\n{PROSE}", f"# Results\n\n{PROSE}", f"# Conclusion\n\n{PROSE}"]
    rows = [{"number": sheet, "label": str(sheet - offset) if sheet > offset else ""} for sheet in range(1, 5)]
    return read(transcript(*pages), info(4), rows)


def chapter(title: str, start: Any, end: Any = None, **more: Any) -> dict[str, Any]:
    return {"title": title, "startPage": start, "endPage": end, **more}


def test_chapters_get_their_ends_counts_and_order_from_the_document():
    found = check(reading(), [chapter("Results", 3), chapter("Method", 2, level=1), chapter("Conclusion", 4)])
    assert [(c["title"], c["startPage"], c["endPage"], c["order"]) for c in found.chapters] == [
        ("Method", 2, 2, 1),
        ("Results", 3, 3, 2),
        ("Conclusion", 4, 4, 3),
    ]
    assert found.warnings == []


def test_pages_that_do_not_exist_are_dropped_loudly_unless_the_title_stands_somewhere():
    answered = [chapter("Nowhere", 74), chapter("Method", 123), chapter("Invented", 0), chapter("No page", None)]
    found = check(reading(), answered)
    assert [(c["title"], c["startPage"]) for c in found.chapters] == [("Method", 2)]
    assert "Nowhere (page 74)" in found.warnings[0]
    assert "1..4" in found.warnings[0]


def test_printed_numbers_are_recognised_and_converted():
    shifted = reading(offset=1)
    found = check(shifted, [chapter("Method", 1, 1), chapter("Results", 2, 2), chapter("Conclusion", 3)])
    assert [(c["startPage"], c["endPage"]) for c in found.chapters] == [(2, 2), (3, 3), (4, 4)]
    assert "printed" in found.warnings[0]


def test_sheets_are_taken_as_sheets_although_other_numbers_are_printed():
    found = check(reading(offset=1), [chapter("Method", 2), chapter("Results", 3), chapter("Conclusion", 4)])
    assert [c["startPage"] for c in found.chapters] == [2, 3, 4]


def test_an_end_before_the_start_is_mended_and_levels_and_repeats_are_bounded():
    answered = [chapter("Method", 3, 1, level=9), chapter("Method", 3), chapter("Results", 3, level=-2)]
    found = check(reading(), answered)
    assert [(c["title"], c["level"], c["endPage"]) for c in found.chapters] == [("Method", 3, 3), ("Results", 1, 4)]


def test_evidence_that_stands_nowhere_is_told_and_nothing_else():
    found = check(reading(), [chapter("Method", 2, startEvidence="We flew to the moon")])
    assert len(found.chapters) == 1
    assert "evidence" in found.warnings[0]
    assert check(reading(), [chapter("Method", 2, startEvidence="The survey counted the tracks")]).warnings == []


def test_folios_agree_on_an_offset_only_where_most_do():
    assert folios.offset_of({3: "1", 4: "2", 5: "3", 6: "x"}) == 2
    assert folios.offset_of({1: "1"}) is None
    assert folios.offset_of({1: "9", 2: "4", 3: "1", 4: "30"}) is None
    assert folios.sheet_of(2, {3: "1", 4: "2", 5: "3"}, 5) == 4
    assert folios.sheet_of(9, {3: "1", 4: "2"}, 5) is None
    assert folios.folio_of("12 / 13") == 12
    assert folios.folio_of("iv") is None
