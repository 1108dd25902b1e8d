"""Rows of the vector index: what is stored beside a vector, so that a hit can name its place without the twin."""

from __future__ import annotations

from collections.abc import Iterable

from services.ingestor.chapters import Chapter
from services.ingestor.chunks import Chunk
from shared.document import Document
from shared.ports import VectorRow

PAGES_MOST = 500
"""Pages that one row names."""
_DIGITS = 1
"""Decimals of a box: a tenth of a point is finer than any text."""


def chunk_row(document: Document, generation: str, chunk: Chunk, vector: list[float]) -> VectorRow:
    """A chunk's row. `extra` holds the places by page: `parts` [page, start, end] and `boxes` [page, start, end, and
    the four numbers of the box], offsets in characters of the twin's body."""
    return VectorRow(
        row_id=f"{chunk.chunk_id}@{generation}",
        kind="chunk",
        library_id=document.library_id,
        document_id=document.document_id,
        file_id=document.item_id,
        generation=generation,
        vector=vector,
        text=chunk.text,
        scale=chunk.scale,
        position=chunk.position,
        chapter=" / ".join(chunk.chapter),
        pages=chunk.pages[:PAGES_MOST],
        extra={
            "chunkId": chunk.chunk_id,
            "parentId": chunk.parent_id,
            "name": document.name,
            "header": chunk.header,
            "start": chunk.start,
            "end": chunk.end,
            "parts": [list(part) for part in chunk.parts],
            "boxes": [[box.page, box.start, box.end, *_rounded(box.bbox)] for box in chunk.boxes],
        },
    )


def summary_row(document: Document, generation: str, chapter: Chapter, position: int, vector: list[float]) -> VectorRow:
    """The row of a chapter's summary."""
    return VectorRow(
        row_id=f"summary-{document.document_id}-{position}@{generation}",
        kind="summary",
        library_id=document.library_id,
        document_id=document.document_id,
        file_id=document.item_id,
        generation=generation,
        vector=vector,
        text=chapter.summary,
        position=position,
        chapter=" / ".join(chapter.path),
        pages=list(range(chapter.start_page, min(chapter.end_page, chapter.start_page + PAGES_MOST) + 1)),
        extra={"name": document.name, "startPage": chapter.start_page, "endPage": chapter.end_page},
    )


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [round(number, _DIGITS) for number in numbers]
