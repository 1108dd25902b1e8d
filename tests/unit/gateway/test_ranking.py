"""Ranking: windows become passages of a page, headings count, words that are nowhere are not pretended."""

from __future__ import annotations

import random
from typing import Any

import pytest

from services.gateway.search.ranking import CONFIDENT, asked, excerpt, highlights, rank
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


def test_a_table_of_contents_comes_behind_the_page_that_it_names() -> None:
    entries = "\n".join(f"- {n} How do I install otters on an old machine? ... {n}" for n in range(1, 6))
    hits = [
        window("a", {1: entries}, 0.9),
        window("b", {2: "## 2 Installing\n\nPut the otters into the machine."}, 0.8),
    ]
    assert [one.page for one in rank("How do I install otters on an old machine?", hits, by_page=True)] == [2, 1]
    prices = [window("a", {1: "otter\n3\nheron ... 4\nmole\n7"}, 0.9), hits[1]]
    assert rank("otter heron mole", prices, by_page=True)[0].page == 1


def shown(query: str, text: str) -> str:
    start, end = excerpt(text, highlights(query, text))
    return text[start:end]


def test_an_excerpt_begins_with_the_sentence_that_says_most_of_what_was_asked() -> None:
    text = (
        "a.keeper@tower.test " * 30 + "It was cold. " + "Hot loops are compiled to machine code. " + "More of it. " * 50
    )
    assert shown("how are hot loops compiled to machine code?", text).startswith(
        "Hot loops are compiled to machine code. M"
    )
    loops = "Loops of rope. " + "Nothing. " * 40 + "## On loops\n\nA hot loop is compiled at once. " + "Nothing. " * 40
    assert shown("when is a hot loop compiled", loops).startswith("## On loops\n\nA hot loop is compiled")


def test_an_excerpt_of_a_short_text_is_all_of_it_and_of_a_long_one_without_the_words_its_beginning() -> None:
    assert shown("otters", "Otters swim.") == "Otters swim."
    assert shown("otters", "") == ""
    start = shown("otters", "Herons wade in shallow water. " * 50)
    assert start.startswith("Herons wade")
    assert 250 < len(start) <= 300
    assert not start.endswith(" ")


def test_an_excerpt_of_text_without_any_blank_holds_the_whole_word_all_the_same() -> None:
    assert "otter" in shown("otter", "x" * 500 + ",otter," + "x" * 500)
    assert "otter" in shown("otter", "x" * 150 + " otter," + "y" * 600)
    for before in (400, 150, 90, 3):
        assert "水獭" in shown("水獭", "鱼" * before + "。水獭 在水里。" + "鱼" * 400)
        assert "水獭" in shown("水獭", "鱼" * before + " 水獭，" + "鱼" * 400)
    assert len(shown("水獭", "第一章 " + "鱼" * 1000)) == 300
    assert len(shown("otter", "The otter " + "鱼" * 600)) == 300


PIECES = [
    "otter",
    "Otters",
    "otter",
    " ",
    " " * 150,
    "\n" * 120,
    "\t\xa0",
    "水獭",
    "鱼" * 130,
    "x" * 333,
    ". ",
    "。",
    "é",
    "\ud800",
    "…",
]


@pytest.mark.parametrize("seed", range(40))
def test_an_excerpt_is_always_a_stretch_of_the_text_with_a_word_that_was_found(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        text = "".join(chance.choices(PIECES, k=chance.randrange(30)))
        found = highlights("otter 水獭", text)
        start, end = excerpt(text, found)
        assert 0 <= start <= end <= len(text)
        assert end - start <= 300
        if found:
            assert any(start <= a and b <= end for a, b in found if b - a <= 200) or all(b - a > 200 for a, b in found)
        elif text.strip():
            assert start == len(text) - len(text.lstrip()) or not text[:300].strip()


def test_nothing_found_is_nothing() -> None:
    assert rank("words", [], by_page=True) == []
