"""The entry points of extraction: open a PDF, describe it, read its pages as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pymupdf

from services.extractor.caps import Caps
from services.extractor.pages import Page
from services.extractor.places import Lost, Touch, untold
from services.extractor.reader.describe import describe_document
from services.extractor.reader.document import Reader
from services.extractor.reader.opening import open_pdf

__all__ = ["describe_document", "open_pdf", "pdf_to_markdown", "read_pages", "transcript"]


def read_pages(
    doc: pymupdf.Document,
    *,
    first: int = 1,
    last: int | None = None,
    lost: Lost | None = None,
    touch: Touch = untold,
    caps: Caps = Caps(),
) -> Iterator[Page]:
    """The pages of `doc` one by one; a page that cannot be read comes with an error code, the next follows.

    `touch` is told every place before it is read; the places of `lost` are not read (`services.extractor.places`).
    """
    end = min(last or doc.page_count, doc.page_count)
    if first <= end:
        yield from Reader(doc, lost, touch, caps).pages(max(1, first), end)


def transcript(pages: Iterable[Page]) -> str:
    """All pages as one Markdown text, each after a line that names its sheet."""
    return "\n".join(f"--- Seite {page.number} ---\n\n{page.markdown}\n" for page in pages)


def pdf_to_markdown(path: str | Path, method: str = "fast") -> str:
    """The Markdown of the PDF at `path`, pages parted by an empty line."""
    if method != "fast":
        raise ValueError(f"unknown extraction method: {method}")
    doc = open_pdf(path)
    try:
        return "\n\n".join(page.markdown for page in read_pages(doc))
    finally:
        doc.close()
