"""Chunks: exact places, nothing lost, deterministic ids, bounded memory."""

from __future__ import annotations

import resource
import tracemalloc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestor import chunks as module
from services.ingestor.chunks import Chunk, make_chunks
from services.ingestor.windows import Shape, windows
from shared.adapters.wordllama_tokens import WordLlamaTokenizer
from shared.errors import ConfigurationError
from shared.testing.memory_vectors import WordTokenizer
from tests.unit.ingestor.test_chapters import body_of, chapter

TINY: dict[str, Any] = {"small": Shape(4, 1, 1), "large": Shape(8, 2, 2)}


def chunks(body: str, meta: dict[str, Any] | None = None, **settings: Any) -> list[Chunk]:
    return list(make_chunks(body, meta or {}, "doc-1", tokenizer=WordTokenizer(), **(TINY | settings)))


def of(scale: str, found: list[Chunk]) -> list[Chunk]:
    return [chunk for chunk in found if chunk.scale == scale]


def words(start: int, end: int) -> str:
    return " ".join(f"w{i}" for i in range(start, end))


def test_windows_cross_pages_and_never_hold_an_anchor() -> None:
    found = of("small", chunks(body_of(words(0, 3), words(3, 7))))
    assert [chunk.text for chunk in found] == ["w0 w1 w2\n\nw3 w4", "w3 w4 w5 w6"]
    assert [chunk.pages for chunk in found] == [[1, 2], [2]]
    assert [chunk.tokens for chunk in found] == [5, 4]


def test_places_are_those_in_the_body() -> None:
    body = body_of(words(0, 30), words(30, 41), preamble="before it\n")
    for chunk in chunks(body):
        assert chunk.text == "\n\n".join(body[part.start : part.end] for part in chunk.parts)
        assert (chunk.start, chunk.end) == (chunk.parts[0].start, chunk.parts[-1].end)
        assert chunk.start <= chunk.core_start < chunk.core_end <= chunk.end
        assert "Seite" not in chunk.text


def test_the_preamble_has_no_page() -> None:
    first, *_ = chunks("cover\n" + body_of("text"), {"chapters": [chapter("A", 1, 1)]})
    assert (first.text, first.pages) == ("cover", [])


def test_small_chunks_name_the_large_one_with_their_core() -> None:
    found = chunks(body_of(words(0, 20), words(20, 25)), {"chapters": [chapter("A", 1, 1), chapter("B", 2, 2)]})
    large = {chunk.position: chunk for chunk in of("large", found)}
    assert sorted(large) == list(range(len(large)))
    assert all(chunk.large_position == chunk.position for chunk in large.values())
    for chunk in of("small", found):
        parent = large[chunk.large_position]
        assert parent.core_start <= chunk.core_start < chunk.core_end <= parent.core_end
        assert parent.chapter == chunk.chapter


def test_the_header_is_embedded_but_not_shown() -> None:
    meta = {"title": " Otters ", "chapters": [chapter("Life", 1, 1), chapter("Food", 1, 1, level=2)]}
    chunk = chunks(body_of("fish"), meta)[0]
    assert (chunk.header, chunk.chapter) == ("Otters > Life > Food", ("Life", "Food"))
    assert (chunk.text, chunk.embedding_text) == ("fish", "Otters > Life > Food\n\nfish")
    plain = chunks("fish")[0]
    assert plain.embedding_text == "fish"


def test_ids_are_deterministic_and_distinct() -> None:
    body = body_of("boiler plate", "boiler plate", "boiler plate")
    meta = {"chapters": [chapter("A", 1, 1), chapter("B", 2, 2)]}
    found = chunks(body, meta)
    assert found == chunks(body, meta)
    ids = [chunk.chunk_id for chunk in found]
    assert len(set(ids)) == len(ids)
    assert {chunk.chunk_id.startswith(f"chunk-{chunk.scale}-") for chunk in found} == {True}
    other = list(make_chunks(body, meta, "doc-2", tokenizer=WordTokenizer(), **TINY))
    assert not set(ids) & {chunk.chunk_id for chunk in other}


@pytest.mark.parametrize("body", ["", "  \n ", "--- Seite 1 ---\n", "--- Seite 1 ---\n--- Seite 2 ---\n\n"])
def test_a_blank_body_has_no_chunks(body: str) -> None:
    assert chunks(body) == []


def test_a_large_core_must_hold_whole_small_ones() -> None:
    with pytest.raises(ConfigurationError):
        chunks("text", large=Shape(7, 0, 0))


def test_pieces_change_neither_windows_nor_places(monkeypatch: pytest.MonkeyPatch) -> None:
    body = body_of(words(0, 3_000), words(3_000, 3_100))
    whole = chunks(body)
    monkeypatch.setattr(module, "PIECE", 1_000)
    for scale in ("small", "large"):
        assert of(scale, chunks(body)) == of(scale, whole)


page = st.text(alphabet=st.sampled_from("ab \n\t🙂日é-"), max_size=60)
shape = st.builds(
    lambda core, left, right: Shape(core, left, right), st.integers(1, 6), st.integers(0, 4), st.integers(0, 4)
)


@settings(deadline=None)
@given(st.lists(page, max_size=5), shape, st.integers(1, 3))
def test_cores_tile_and_windows_are_the_specified_ones(pages: list[str], small: Shape, ratio: int) -> None:
    body = body_of(*pages)
    large = Shape(small.core * ratio, small.left, small.right)
    for tokenizer in (WordTokenizer(), WordLlamaTokenizer()):
        found = list(make_chunks(body, {}, "d", tokenizer=tokenizer, small=small, large=large))
        tokens = sum(len(tokenizer.spans(text.strip())) for text in pages if text.strip())
        for scale, size in (("small", small), ("large", large)):
            own = of(scale, found)
            assert [chunk.tokens for chunk in own] == [window.end - window.start for window in windows(tokens, size)]
            for former, latter in pairwise(own):
                assert former.core_end <= latter.core_start
            cores = {i for chunk in own for i in range(chunk.core_start, chunk.core_end)}
            shown = {i for chunk in own for part in chunk.parts for i in range(part.start, part.end)}
            text = {i for start, end in _page_spans(body) for i in range(start, end) if not body[i].isspace()}
            assert text <= cores
            assert text <= shown


def test_memory_does_not_grow_with_the_document() -> None:
    tokenizer = WordLlamaTokenizer()
    tokenizer.spans("load")
    body = body_of(*(words(i * 500, i * 500 + 500) for i in range(100)))
    tracemalloc.start()
    count = sum(1 for _ in make_chunks(body, {}, "d", tokenizer=tokenizer))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 1_000
    assert peak < 15_000_000  # 8 of them for remembered words


def test_five_megabytes_of_text_need_little_memory() -> None:
    tokenizer = WordLlamaTokenizer()
    tokenizer.spans("load")
    page = " ".join(words(i % 3_000, i % 3_000 + 8) for i in range(100))
    body = body_of(*([page] * 1_600))
    assert len(body) > 5_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    count = sum(1 for _ in make_chunks(body, {}, "d", tokenizer=tokenizer))
    assert count > 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def _page_spans(body: str) -> list[tuple[int, int]]:
    from shared.anchors import split_pages

    return [(found.start, found.end) for found in split_pages(body)[1]]


def test_a_page_of_pictures_alone_has_no_chunk() -> None:
    scans = ["![](images/1_0.jpg)", "![A scan](images/2_0.png)\n\n![](images/2_1.png)"]
    assert chunks(body_of(*scans)) == []
    assert {page for chunk in chunks(body_of(*scans, "text")) for page in chunk.pages} == {3}
