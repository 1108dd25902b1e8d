"""Rows of the vector index: what is stored beside a vector, so that a hit can name its place without the twin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.ingestor.chapters import Chapter
from services.ingestor.chunks import Chunk
from services.ingestor.links.materials import ImageRow
from shared.document import Document
from shared.imaging import SPACES, WIDE, image_id
from shared.ports import ImageVectors, VectorRow

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
            "chunkType": chunk.chunk_type,
            "ocrConfidence": chunk.ocr_confidence,
            "imageIndex": chunk.image_index,
            "imageKey": chunk.image_key,
            "imageSize": chunk.image_size,
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


def image_rows(
    document: Document,
    generation: str,
    row: ImageRow,
    places: Sequence[ImageRow],
    vectors: ImageVectors,
    extra: dict[str, Any],
    text: str,
) -> list[VectorRow]:
    """A picture's five rows, one a space (`scale`). `row` is its first place, `places` are all; `text` is what words of
    a query are looked for in. `extra` is added to what a hit shows."""
    identity = image_id(document.document_id, row.sha256)
    shown = {
        "imageId": identity,
        "image": row.name,
        "file": row.file,
        "name": document.name,
        "page": row.page,
        "bbox": _rounded(row.bbox),
        "caption": clean(row.caption),
        "width": row.width,
        "height": row.height,
        **extra,
    }
    return [
        VectorRow(
            row_id=f"{identity}.{space}@{generation}",
            kind="image",
            library_id=document.library_id,
            document_id=document.document_id,
            file_id=document.item_id,
            generation=generation,
            vector=vectors[space],
            text=clean(text) if space == WIDE else "",
            scale=space,
            pages=sorted({place.page for place in places})[:PAGES_MOST],
            extra=shown,
        )
        for space in SPACES
    ]


def clean(text: str) -> str:
    """The text without what no store takes (lone surrogates)."""
    return text.encode("utf-8", "replace").decode()


def _rounded(numbers: Iterable[float]) -> list[float]:
    return [round(number, _DIGITS) for number in numbers]
