"""Chapters of the frontmatter: tolerance beyond the conformance rows, hostile frontmatter, cutting at headings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestor.chapters import MOST_CHAPTERS, evidence_found, plan_chapters
from services.ingestor.chunks import plan_body
from services.ingestor.segments import Segment, segments
from shared.anchors import PageText, page_count, split_pages


def body_of(*pages: str, preamble: str = "") -> str:
    return preamble + "".join(f"--- Seite {number} ---\n{text}\n" for number, text in enumerate(pages, start=1))


def cut(body: str, *chapters: dict[str, Any], **meta: Any) -> list[tuple[str, str]]:
    """(chapter path, text) of every segment."""
    preamble, pages = split_pages(body)
    plan = plan_chapters({"chapters": list(chapters), **meta}, pages, page_count(body, meta.get("pages")))
    found = segments(body, preamble, pages, plan)
    return [(" > ".join(segment.path), "|".join(texts(body, segment))) for segment in found]


def texts(body: str, segment: Segment) -> list[str]:
    return [body[part.start : part.end].strip() for part in segment.parts]


def chapter(title: str, start: int, end: int, level: int = 1, **more: Any) -> dict[str, Any]:
    return {"title": title, "startPage": start, "endPage": end, "level": level, **more}


def test_chapters_of_whole_pages_and_orphans_between_them() -> None:
    found = cut(body_of("a", "b", "c", "d"), chapter("One", 1, 1), chapter("Two", 3, 3))
    assert found == [("One", "a"), ("", "b"), ("Two", "c"), ("", "d")]


def test_without_chapters_the_whole_text_is_one_segment_with_its_preamble() -> None:
    assert cut(body_of("a", "", "c", preamble="before\n")) == [("", "before|a|c")]


def test_text_before_the_first_anchor_is_kept_beside_chapters() -> None:
    found = cut(body_of("a", preamble="\n cover text \n"), chapter("One", 1, 1))
    assert found == [("", "cover text"), ("One", "a")]


def test_a_shared_page_is_cut_at_the_headings_found_on_it() -> None:
    body = body_of("# 1 One\nfirst", "rest of one\n## 2. Two\nsecond", "more two")
    found = cut(body, chapter("One", 1, 2), chapter("Two", 2, 3))
    assert found == [("One", "# 1 One\nfirst|rest of one"), ("Two", "## 2. Two\nsecond|more two")]


def test_many_chapters_on_one_page_do_not_repeat_its_text() -> None:
    body = body_of("intro\n# A\ntext a\n# B\ntext b\n# C\ntext c")
    found = cut(body, chapter("A", 1, 1), chapter("B", 1, 1), chapter("C", 1, 1))
    assert found == [("A", "intro\n# A\ntext a"), ("B", "# B\ntext b"), ("C", "# C\ntext c")]


def test_overlap_is_kept_where_no_heading_tells_the_border() -> None:
    found = cut(body_of("a", "b", "c"), chapter("One", 1, 2), chapter("Two", 2, 3))
    assert found == [("One", "a|b"), ("Two", "b|c")]


def test_a_chapter_that_goes_on_keeps_a_page_that_another_one_begins_on() -> None:
    found = cut(body_of("a", "# Two\nb", "c"), chapter("One", 1, 3), chapter("Two", 2, 2))
    assert found == [("One", "a|# Two\nb|c"), ("Two", "# Two\nb")]


def test_chapters_of_identical_text_are_given_once() -> None:
    assert cut(body_of("a"), chapter("One", 1, 1), chapter("Two", 1, 1)) == [("One", "a")]


def test_an_outer_chapter_gives_its_pages_to_the_inner_ones() -> None:
    body = body_of("a", "b", "c", "d")
    found = cut(body, chapter("Outer", 1, 4), chapter("Inner", 2, 3, level=2), chapter("Deep", 3, 3, level=3))
    assert found == [("Outer", "a|d"), ("Outer > Inner", "b"), ("Outer > Inner > Deep", "c")]


def test_an_inner_heading_on_the_outer_ones_page() -> None:
    body = body_of("# Outer\nlead\n## Inner\ntext", "more")
    found = cut(body, chapter("Outer", 1, 2), chapter("Inner", 1, 2, level=2))
    assert found == [("Outer", "# Outer\nlead"), ("Outer > Inner", "## Inner\ntext|more")]


titles = st.sampled_from(["A", "B", "C", ""])
ranges = st.tuples(titles, st.integers(-1, 7), st.integers(-1, 7), st.integers(1, 3))
page_texts = st.sampled_from(["", "x", "# A", "y\n# B\nz", "# A\n# B\n# C", "p\n## C"])


@settings(deadline=None)
@given(st.lists(page_texts, min_size=1, max_size=6), st.lists(ranges, max_size=6), st.booleans())
def test_no_text_is_ever_lost(pages: list[str], chapters: list[tuple[str, int, int, int]], lead: bool) -> None:
    body = body_of(*pages, preamble="lead\n" if lead else "")
    preamble, found = split_pages(body)
    plan = plan_chapters({"chapters": [chapter(*entry) for entry in chapters]}, found, page_count(body))
    result = segments(body, preamble, found, plan)
    covered = {i for segment in result for part in segment.parts for i in range(part.start, part.end)}
    wanted = {i for page in found for i in range(page.start, page.end)} | set(range(len(preamble)))
    assert {i for i in wanted if not body[i].isspace()} <= covered
    assert covered <= wanted
    for segment in result:
        assert segment.parts == sorted(segment.parts, key=lambda part: part.start)
        assert all(a.end <= b.start for a, b in zip(segment.parts, segment.parts[1:], strict=False))


@pytest.mark.parametrize("chapters", [None, "text", 7, {}, [None, 3, "x", []], [[{"title": "nested"}]], []])
def test_chapters_that_are_none_fall_back_to_the_whole_text(chapters: object) -> None:
    plan = plan_body(body_of("a", "b"), {"chapters": chapters})
    assert (plan.fulltext, plan.orphan_pages, plan.chapters) == (True, [1, 2], [])


@pytest.mark.parametrize(
    "entry",
    [
        {}, {"title": None}, {"title": ["x"]}, {"title": "x", "level": "deep"}, {"title": "x", "startPage": "1"},
        {"title": "x", "startPage": 1e300, "endPage": float("inf")}, {"title": "x", "keywords": "no list"},
        {"title": "x", "startEvidence": {"a": 1}, "summary": ["s"]}, {"title": "x", "startPage": True},
    ],
)  # fmt: skip
def test_strange_entries_are_chapters_all_the_same(entry: dict[str, Any]) -> None:
    plan = plan_body(body_of("a", "b"), {"chapters": [entry]})
    assert len(plan.chapters) == 1
    assert 1 <= plan.chapters[0].start_page <= plan.chapters[0].end_page <= 2


def test_a_list_of_chapters_without_end_is_cut_and_noted() -> None:
    plan = plan_body(body_of("a"), {"chapters": [{"title": str(i)} for i in range(MOST_CHAPTERS + 5)]})
    assert len(plan.chapters) == MOST_CHAPTERS
    assert plan.notes[0].phase == "chapters_malformed"


def test_evidence_is_told_and_decides_nothing() -> None:
    entry = chapter("One", 1, 2, startEvidence="Once upon\n a time")
    plan = plan_body(body_of("nothing", "Once upon a time"), {"chapters": [entry]})
    assert [note.phase for note in plan.notes] == ["chapters_evidence_not_found"]
    assert plan.chapters[0].text_pages == [1, 2]


@pytest.mark.parametrize(
    ("evidence", "text", "found"),
    [
        ("The river, rises", "the RIVER\nrises here", True), ("river", "driver", False), ("*#!", "text", None),
        ("(a+)+$", "xa " * 5_000, False), ("Größe über", "die größe: über alles", True),
    ],
)  # fmt: skip
def test_evidence_is_matched_by_its_words(evidence: str, text: str, found: bool | None) -> None:
    assert evidence_found(evidence, text) is found


def test_pages_are_those_of_page_text() -> None:
    plan = plan_chapters({"chapters": [chapter("A", 1, 9)]}, [PageText(3, "x", 0, 1), PageText(2, "", 1, 1)], 9)
    assert plan.chapters[0].text_pages == [3]
