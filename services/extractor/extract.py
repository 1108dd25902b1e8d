"""The entry points of extraction: open a PDF, describe it, read its pages as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pymupdf

from services.extractor.caps import Caps
from services.extractor.pages import Page
from services.extractor.places import Lost, Touch, untold
from services.extractor.reader.describe import describe_document
from services.extractor.reader.document import Reader
from services.extractor.reader.opening import open_pdf
from services.extractor.reading import Reading, tessdata_folders
from shared.methods import LOCAL_METHODS

if TYPE_CHECKING:
    from services.extractor.methods.choice import Choice

__all__ = ["describe_document", "open_pdf", "pdf_to_markdown", "read_pages", "transcript"]


def read_pages(
    doc: pymupdf.Document,
    *,
    first: int = 1,
    last: int | None = None,
    lost: Lost | None = None,
    touch: Touch = untold,
    caps: Caps = Caps(),
    reading: Reading = Reading(),
) -> Iterator[Page]:
    """The pages of `doc` one by one; a page that cannot be read comes with an error code, the next follows.

    `touch` is told every place before it is read; the places of `lost` are not read (`services.extractor.places`).
    `reading` says by which method; other methods than `fast` stand on top of it (`services.extractor.methods`).
    """
    end = min(last or doc.page_count, doc.page_count)
    if first <= end:
        fast = Reader(doc, lost, touch, caps)
        source = fast if reading.method == "fast" else _choice(doc, reading, fast)
        yield from source.pages(max(1, first), end)


def _choice(doc: pymupdf.Document, reading: Reading, fast: Reader) -> Choice:
    from services.extractor.methods.choice import Choice

    return Choice(doc, reading, fast)


def transcript(pages: Iterable[Page]) -> str:
    """All pages as one Markdown text, each after a line that names its sheet."""
    return "\n".join(f"--- Seite {page.number} ---\n\n{page.markdown}\n" for page in pages)


def pdf_to_markdown(path: str | Path, method: str = "fast", languages: str = "deu+eng") -> str:
    """The Markdown of the PDF at `path`, pages parted by an empty line; everything in this process.

    `method` is one of shared.methods.LOCAL_METHODS, `languages` those of the text recognition. DocumentError for the
    document, ConfigurationError when the method's data or package are missing.
    """
    if method not in LOCAL_METHODS:
        raise ValueError(f"unknown extraction method: {method}; there are {', '.join(LOCAL_METHODS)}")
    doc = open_pdf(path)
    try:
        pages = read_pages(doc, reading=Reading(method=method, languages=languages, tessdata=tessdata_folders()))
        return "\n\n".join(page.markdown for page in pages)
    finally:
        doc.close()
