"""Boxes: a chunk names the blocks of the pages that its text touches, and none where that cannot be known."""

from __future__ import annotations

import json

from services.ingestor.boxes import MOST_BOXES, page_boxes
from services.ingestor.chunks import make_chunks
from services.ingestor.segments import Part
from services.ingestor.windows import Shape
from shared.anchors import split_pages
from shared.testing.memory_vectors import WordTokenizer
from tests.unit.ingestor.test_chapters import body_of


def row(page: int, *blocks: tuple[int, int], kind: str = "paragraph") -> bytes:
    made = [{"kind": kind, "bbox": [n, n, n + 1, n + 1], "start": a, "end": b} for n, (a, b) in enumerate(blocks)]
    return json.dumps({"number": page, "blocks": made}).encode()


def test_chunks_know_the_boxes_of_their_blocks() -> None:
    body = body_of("aa bb\n\ncc dd", "ee ff")
    boxes = page_boxes([row(1, (0, 5), (7, 12)), row(2, (0, 5))], split_pages(body)[1])
    found = make_chunks(
        body, {}, "d", tokenizer=WordTokenizer(), small=Shape(2, 0, 0), large=Shape(6, 0, 0), boxes=boxes
    )
    seen = [(chunk.scale, chunk.text, [(box.page, box.bbox[0]) for box in chunk.boxes]) for chunk in found]
    assert seen == [
        ("large", "aa bb\n\ncc dd\n\nee ff", [(1, 0), (1, 1), (2, 0)]),
        ("small", "aa bb", [(1, 0)]),
        ("small", "cc dd", [(1, 1)]),
        ("small", "ee ff", [(2, 0)]),
    ]


def test_a_page_that_was_changed_has_no_boxes() -> None:
    body = body_of("aa bb and more", "ee ff")
    boxes = page_boxes([row(1, (0, 5)), row(2, (0, 5)), b"no row", b'{"number": "x"}'], split_pages(body)[1])
    pages = split_pages(body)[1]
    assert [len(boxes.of([Part(page.number, page.start, page.end)])) for page in pages] == [0, 1]


def test_pictures_are_no_places_of_text() -> None:
    body = body_of("aa bb")
    (page,) = split_pages(body)[1]
    boxes = page_boxes([row(1, (0, 5), kind="image")], [page])
    assert boxes.of([Part(1, page.start, page.end)]) == []


def test_many_blocks_become_one_box_a_page() -> None:
    text = " ".join("x" for _ in range(100))
    body = body_of(text)
    (page,) = split_pages(body)[1]
    boxes = page_boxes([row(1, *((n * 2, n * 2 + 1) for n in range(100)))], [page])
    assert len(boxes.of([Part(1, page.start, page.start + 10)])) == 5
    assert MOST_BOXES < 100
    assert [box.bbox for box in boxes.of([Part(1, page.start, page.end)])] == [(0, 0, 100, 100)]


def test_a_chunk_with_recognised_text_says_so_with_the_lowest_confidence() -> None:
    body = body_of("aa bb", "ee ff", "gg hh")
    rows = [row(1, (0, 5))]
    for page, confidence in ((2, 0.9), (3, 0.4)):
        rows.append(json.dumps({"number": page, "method": "ocr", "confidence": confidence, "blocks": []}).encode())
    boxes = page_boxes(rows, split_pages(body)[1])
    found = make_chunks(
        body, {}, "d", tokenizer=WordTokenizer(), small=Shape(2, 0, 0), large=Shape(6, 0, 0), boxes=boxes
    )
    seen = [(chunk.scale, chunk.pages, chunk.chunk_type, chunk.ocr_confidence) for chunk in found]
    assert seen == [
        ("large", [1, 2, 3], "ocr", 0.4),
        ("small", [1], "text", None),
        ("small", [2], "ocr", 0.9),
        ("small", [3], "ocr", 0.4),
    ]
