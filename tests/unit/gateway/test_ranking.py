"""Ranking: windows become passages of a page, headings count, words that are nowhere are not pretended."""

from __future__ import annotations

from typing import Any

from services.gateway.search.ranking import CONFIDENT, asked, highlights, rank
from shared.ports import Hit, VectorRow


def window(name: str, pages: dict[int, str], score: float = 1.0, at: int = 0, header: str = "") -> Hit:
    """A row of one stretch a page; a page lies 1,000 characters behind the former one."""
    parts: list[list[int]] = []
    for page, text in pages.items():
        start = page * 1_000 + at
        parts.append([page, start, start + len(text)])
    extra: dict[str, Any] = {"chunkId": name, "parts": parts, "header": header, "start": parts[0][1]}
    return Hit(
        row=VectorRow(
            row_id=name,
            kind="chunk",
            library_id="lib",
            document_id="doc",
            file_id="f",
            generation="g",
            vector=[],
            text="\n\n".join(pages.values()),
            pages=list(pages),
            extra=extra,
        ),
        score=score,
    )


def test_the_page_that_holds_the_words_comes_first() -> None:
    found = rank(
        "blue herons", [window("a", {1: "about nothing", 2: "blue herons stand here", 3: "nothing more"})], by_page=True
    )
    assert (found[0].page, found[0].text) == (2, "blue herons stand here")
    assert [passage.page for passage in found[1:]] == [1, 3]


def test_a_heading_tells_what_a_page_is_about() -> None:
    hits = [
        window("a", {1: "Herons, herons and herons, seen beside other birds of the river and the lake"}),
        window("b", {2: "# Herons\n\nThey stand in the river for hours, waiting for fish or frogs to come by"}),
        window("c", {3: "Fish live in the river"}),
    ]
    assert rank("herons", hits, by_page=True)[0].page == 2


def test_overlapping_windows_of_a_page_become_one_text() -> None:
    hits = [
        window("a", {1: "one two three"}),
        window("b", {1: "three four"}, at=8),
        window("c", {1: "far away"}, at=500),
    ]
    (passage,) = rank("two", hits, by_page=True)
    assert passage.text == "one two three four\n\n…\n\nfar away"
    assert [row.row_id for row in passage.rows] == ["a", "b", "c"]


def test_windows_stay_apart_when_asked() -> None:
    hits = [window("a", {1: "one", 2: "two"}), window("b", {2: "two"})]
    assert [passage.text for passage in rank("two", hits, by_page=False)] == ["two", "one\n\ntwo"]


def test_parts_that_do_not_fit_the_text_are_not_believed() -> None:
    hit = window("a", {4: "cut short […]"})
    hit.row.extra["parts"] = [[4, 0, 500], [5, 500, 900]]
    (passage,) = rank("cut", [hit], by_page=True)
    assert (passage.page, passage.text) == (4, "cut short […]")


def test_confidence_is_the_share_of_what_was_asked() -> None:
    hits = [window("a", {1: "The gold price list of all series"}), window("b", {2: "other things"})]
    sure, unsure = (
        rank(query, hits, by_page=True)[0] for query in ("What is the gold price?", "price of Zephyr XR-7?")
    )
    assert sure.confidence == 1.0
    assert unsure.confidence < CONFIDENT


def test_codes_are_words_and_so_are_their_parts() -> None:
    hits = [window("a", {1: "| AB1-1010-SAN | sand |"}), window("b", {2: "| AB1-1010-TER | clay |"})]
    assert rank("What is AB1-1010-TER?", hits, by_page=True)[0].page == 2
    assert asked("What is the AB1-10?") == ["ab1-10", "ab1", "10"]
    assert asked("Who is who") == ["who", "is"]


def test_highlights_are_the_words_in_the_text_and_their_forms() -> None:
    text = "Designed by one, the designer of AB1-10."
    assert [text[slice(*span)] for span in highlights("Who designed AB1?", text)] == ["Designed", "designer", "AB1"]


def test_nothing_found_is_nothing() -> None:
    assert rank("words", [], by_page=True) == []
