"""Conformance table `chunk_windows`: real chunks of a text of numbered words, one token a word; a real ingestion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from services.ingestor import chunks, windows
from services.ingestor.chunks import Chunk
from shared.testing.memory_vectors import WordTokenizer
from tests.conformance.table import known, rows, rule_of
from tests.conformance.test_chapters import ingested

WIDTH = 8
"""Characters from one word's start to the next one's, so that an offset tells its token."""


def text_of(tokens: int) -> str:
    return " ".join(f"w{n:06d}" for n in range(tokens))


def made(tokens: int, small: windows.Shape = windows.SMALL, large: windows.Shape = windows.LARGE) -> list[Chunk]:
    body = text_of(tokens)
    return list(chunks.make_chunks(body, {}, "doc-1", tokenizer=WordTokenizer(), small=small, large=large))


def of(scale: str, found: Sequence[Chunk]) -> list[Chunk]:
    return [chunk for chunk in found if chunk.scale == scale]


def places(found: Sequence[Chunk]) -> list[list[int]]:
    """[core_start, core_end, window_start, window_end) in tokens, read from the characters of the chunks."""
    spans = [(chunk.core_start, chunk.core_end, chunk.start, chunk.end) for chunk in found]
    return [[-(-offset // WIDTH) for offset in span] for span in spans]


def defaults(given: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    known(given, "tokens")
    found = made(given["tokens"])
    small, large = of("small", found), of("large", found)
    assert all(chunk.tokens == len(chunk.text.split()) for chunk in found)
    listed = {"all": places(small), "first 3 and last 3": places(small[:3] + small[-3:])}
    return {
        "small_count": len(small),
        "large_count": len(large),
        "small": listed[want["small_listed"]],
        "large": places(large),
        "small_listed": want["small_listed"],
        "small_token_counts": sorted({chunk.tokens for chunk in small}),
        "large_token_counts": sorted({chunk.tokens for chunk in large}),
    }


def configured(given: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    known(given, "tokens", "core", "left", "right")
    shape = windows.Shape(given["core"], given["left"], given["right"])
    return {"windows": places(of("small", made(given["tokens"], small=shape, large=shape)))}


def alignment(given: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    known(given, "tokens")
    found = made(given["tokens"])
    small = places(of("small", found))
    inside = []
    for start, end, *_ in places(of("large", found)):
        cores = [n for n, core in enumerate(small) if start <= core[0] and core[1] <= end]
        assert (small[cores[0]][0], small[cores[-1]][1]) == (start, end)
        inside.append([cores[0], cores[-1]])
    covered = [token for start, end, *_ in small for token in range(start, end)]
    return {
        "every_large_core_is_small_cores": inside,
        "small_cores_disjoint_and_cover_all": covered == list(range(given["tokens"])),
    }


def ids(given: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    known(given, "same_text_twice", "documents")
    assert given == {"same_text_twice": True, "documents": 2}
    shape = windows.Shape(4, 0, 0)
    text = "the same four words\n" * 2

    def of_document(name: str) -> list[str]:
        return [
            chunk.chunk_id
            for chunk in chunks.make_chunks(text, {}, name, tokenizer=WordTokenizer(), small=shape, large=shape)
        ]

    one, again, other = of_document("doc-1"), of_document("doc-1"), of_document("doc-2")
    prefixes = dict.fromkeys(f"{'-'.join(name.split('-')[:2])}-" for name in one)
    bare = [name.rpartition("-")[2] for name in one]
    return {
        "id_prefixes": sorted(prefixes, reverse=True),
        "deterministic": one == again,
        "ids_differ_between_documents": not set(one) & set(other),
        "ids_differ_between_scales": len(set(bare)) == len(bare) == 4,
        "repeated_text_in_one_document_gets_distinct_ids": len(set(one)) == 4,
    }


async def embedding_scope(given: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    known(given, "tokens")
    stored, _ = await ingested({"title": "T"}, text_of(given["tokens"]))
    scales = {row.scale for row in stored if row.kind == "chunk"}
    return {
        "embedded": "small only" if scales == {"small"} else ", ".join(sorted(scales)),
        "embedding_rows": sum(row.kind == "chunk" for row in stored),
    }


RULES = {
    "defaults_60_200_60_and_100_1600_100": defaults,
    "configured_window": configured,
    "alignment": alignment,
    "ids": ids,
    "embedding_scope": embedding_scope,
}


async def check(row: dict[str, Any]) -> None:
    """One row; everything that it wants is compared as it stands."""
    seen = rule_of(row, RULES)(row["in"], row["want"])
    seen = seen if isinstance(seen, dict) else await seen
    assert row["want"], "the row wants nothing"
    assert {name: seen.get(name) for name in row["want"]} == row["want"]


@pytest.mark.parametrize("row", rows("chunk_windows"))
async def test_chunk_windows(row: dict[str, Any]):
    await check(row)
