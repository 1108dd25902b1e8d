"""Search over the in-memory ports: filters, places, the parent's text, and refusals that say what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.gateway.pictures.picture_links import PictureLinks
from services.gateway.search.catalogue import Catalogue
from services.gateway.search.searching import Search, SearchRequest
from shared.errors import RequestError
from shared.job import Artefact
from shared.ports import VectorRow
from shared.testing.memory import MemoryDocuments, MemoryStorage
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors
from tests.support.records import make_document


async def searched(**wanted: Any) -> list[Any]:
    """A document of two windows over pages 1-2 and 3, with a large chunk around each."""
    documents, storage, vectors, embedder = MemoryDocuments(), MemoryStorage(), MemoryVectors(), HashEmbedder()
    lines = [{"chunk_id": f"large-{n}", "scale": "large", "text": f"around {n}"} for n in (1, 2)]
    written = await storage.write("d/chunks.jsonl", b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    chunks = Artefact(key=written.key, sha256=written.sha256, size=written.size)
    document = make_document(artefacts={"chunks": chunks}, generation="g2")
    await documents.put(document)
    texts = {
        "a": ("herons stand\n\nfrogs sing", "Birds", [1, 2], [[1, 20, 32], [2, 60, 70]], "large-1"),
        "b": ("owls sleep", "Birds / Night", [3], [[3, 100, 110]], "large-2"),
    }
    for generation in ("g1", "g2"):
        for name, (text, chapter, pages, parts, parent) in texts.items():
            boxes = [[page, start, end, 1.0, 2.0, 3.0, page * 1.0] for page, start, end in parts]
            await vectors.write([
                VectorRow(
                    row_id=f"{name}@{generation}", kind="chunk", library_id=document.library_id,
                    document_id=document.document_id, file_id="f", generation=generation,
                    vector=(await embedder.embed([text]))[0], text=text, scale="small", chapter=chapter, pages=pages,
                    extra={"chunkId": name, "parentId": parent, "header": "T", "start": parts[0][1],
                           "end": parts[-1][2], "parts": parts, "boxes": boxes},
                )
            ])  # fmt: skip
    links = PictureLinks("s")
    search = Search(documents, vectors, embedder, storage, Catalogue(documents, storage, links), links)
    found = await search.find(SearchRequest(**({"query": "frogs"} | wanted)))
    return list(found)


async def test_a_hit_cites_one_page_its_boxes_and_the_words() -> None:
    hit, *_ = await searched()
    assert (hit.pages, hit.text, hit.highlights, hit.chunk_ids) == ([2], "frogs sing", [(0, 5)], ["a"])
    assert [(box.page, box.bbox) for box in hit.boxes] == [(2, (1.0, 2.0, 3.0, 2.0))]
    assert (hit.confidence, hit.confident, hit.header, hit.context) == (1.0, True, "T", "")


async def test_a_window_as_a_whole_has_all_its_pages_and_boxes() -> None:
    hit, *_ = await searched(collapse="none")
    assert (hit.pages, [box.page for box in hit.boxes]) == ([1, 2], [1, 2])


async def test_the_parents_text_comes_on_request() -> None:
    assert [hit.context for hit in await searched(expand=True, pages=(2, 3))] == ["around 1", "around 2"]


async def test_filters_by_chapter_and_pages() -> None:
    assert [hit.pages for hit in await searched(chapter="Birds / Night")] == [[3]]
    assert sorted(hit.pages for hit in await searched(chapter="Birds")) == [[1], [2], [3]]
    assert [hit.pages for hit in await searched(pages=(1, 1))] == [[1]]
    assert await searched(chapter="Night") == []
    assert await searched(kinds=["summary"]) == []


@pytest.mark.parametrize(
    ("wanted", "word"),
    [
        ({"query": " "}, "query"),
        ({"top": 0}, "top"),
        ({"kinds": ["doc"]}, "kinds"),
        ({"kinds": []}, "kinds"),
        ({"pages": (3, 2)}, "pages"),
        ({"pages": (0, 2)}, "pages"),
        ({"collapse": "book"}, "collapse"),
    ],
)
async def test_what_cannot_be_searched_for_is_refused(wanted: dict[str, Any], word: str) -> None:
    with pytest.raises(RequestError, match=word):
        await searched(**wanted)
