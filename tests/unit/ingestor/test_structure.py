"""The structure-aware chunker: headings, lists and tables stay whole, nothing is lost, every piece knows its place."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestor.chunks import Chunk, make_chunks
from services.ingestor.windows import Shape
from shared.anchors import split_pages
from shared.testing.memory_vectors import WordTokenizer
from tests.unit.ingestor.test_chapters import body_of

SHAPES: dict[str, Any] = {"small": Shape(20, 5, 5), "large": Shape(60, 5, 5)}


def chunks(body: str, scale: str = "small", **shapes: Shape) -> list[Chunk]:
    found = make_chunks(
        body, {"title": "T"}, "d", tokenizer=WordTokenizer(), chunker="structure", **{**SHAPES, **shapes}
    )
    return [chunk for chunk in found if chunk.scale == scale]


def words(name: str, count: int) -> str:
    return " ".join(f"{name}{n}" for n in range(count))


def test_a_heading_begins_a_chunk_and_stays_with_its_text() -> None:
    body = body_of(f"# One\n\n{words('a', 12)}\n\n## Two\n\n{words('b', 12)}")
    first, second = chunks(body)
    assert first.text == f"# One\n\n{words('a', 12)}"
    assert second.text.startswith("## Two")
    assert (first.header, second.header) == ("T > One", "T > One > Two")


def test_short_sections_share_a_chunk() -> None:
    body = body_of("# One\n\na b\n\n# Two\n\nc d\n\n# Three\n\ne f")
    assert len(chunks(body)) == 2


def test_a_table_is_cut_between_rows_and_every_piece_knows_the_columns() -> None:
    rows = "\n".join(f"| r{n} | x{n} |" for n in range(12))
    found = chunks(body_of(f"| Name | Value |\n| --- | --- |\n{rows}"))
    assert len(found) > 1
    assert found[0].text.startswith("| Name | Value |\n| --- | --- |\n| r0 | x0 |")
    for chunk in found:
        assert all(line.startswith("|") and line.endswith("|") for line in chunk.text.splitlines())
    assert all(chunk.header == "T > | Name | Value |" for chunk in found[1:])
    assert sum(chunk.text.count("| r") for chunk in found) == 12


def test_list_items_are_not_cut() -> None:
    items = [f"- {words(f'i{n}x', 6)}" for n in range(9)]
    found = chunks(body_of("\n".join(items)))
    assert [line for chunk in found for line in chunk.text.splitlines()] == items


def test_a_fence_hides_what_looks_like_headings() -> None:
    (chunk,) = chunks(body_of("```\n# no heading\n\n- no item\n```"))
    assert chunk.header == "T"


def test_nothing_crosses_a_page() -> None:
    found = chunks(body_of("a b c", "d e f"))
    assert [chunk.pages for chunk in found] == [[1], [2]]


def test_a_long_paragraph_is_cut_between_tokens() -> None:
    found = chunks(body_of(words("w", 100)))
    assert [chunk.tokens for chunk in found] == [30, 30, 30, 10]
    assert " ".join(chunk.text for chunk in found) == words("w", 100)


def test_children_name_the_large_chunk_that_holds_them() -> None:
    body = body_of(*(f"# H{n}\n\n{words(f'p{n}x', 25)}" for n in range(9)))
    large = {chunk.chunk_id: chunk for chunk in chunks(body, "large")}
    assert len(large) > 1
    for child in chunks(body):
        parent = large[child.parent_id]
        assert parent.core_start <= child.core_start < child.core_end <= parent.core_end
        assert parent.position == child.large_position


line = st.sampled_from(["# A", "## B b", "- item x", "| a | b |", "| --- | --- |", "```", "", " ", "plain words here"])


@settings(deadline=None)
@given(st.lists(st.lists(line, max_size=12).map("\n".join), max_size=4), st.integers(1, 12))
def test_chunks_tile_every_text(pages: list[str], core: int) -> None:
    body = body_of(*pages)
    for scale in ("small", "large"):
        found = chunks(body, scale, small=Shape(core, 1, 1), large=Shape(core * 3, 1, 1))
        cores = [i for chunk in found for i in range(chunk.core_start, chunk.core_end)]
        assert len(cores) == len(set(cores))
        text = {i for page in split_pages(body)[1] for i in range(page.start, page.end) if not body[i].isspace()}
        assert text <= set(cores)
        assert all(chunk.text.strip() for chunk in found)
