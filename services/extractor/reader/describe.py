"""Metadata, outline and permissions of a document."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pymupdf

from services.extractor.pages import DocumentInfo, OutlineEntry, Permissions
from services.extractor.reader.text import clean

_FIELDS = ("title", "author", "subject", "keywords", "creator", "producer", "creationDate", "modDate", "format")
_VALUE_LIMIT = 1000
_TITLE_LIMIT = 500
_OUTLINE_LIMIT = 10_000


def describe_document(doc: pymupdf.Document, *, with_outline: bool = True) -> DocumentInfo:
    """What is known of `doc` without reading its pages; damage in these parts is survived and told."""
    outline, warnings = read_outline(doc) if with_outline else ([], ["outline_lost"])
    repaired = bool(getattr(doc, "is_repaired", False))
    return DocumentInfo(
        pages=doc.page_count,
        metadata=_metadata(doc),
        outline=outline,
        encrypted=bool((doc.metadata or {}).get("encryption")),
        permissions=_permissions(doc),
        warnings=[*warnings, "pdf_repaired"] if repaired else warnings,
        repaired=repaired,
    )


def read_outline(doc: pymupdf.Document) -> tuple[list[OutlineEntry], list[str]]:
    """The bookmarks of `doc`, capped, and warnings when they could not be read in full."""
    try:
        entries = list(islice(_entries(doc), _OUTLINE_LIMIT + 1))
    except MemoryError:
        raise
    except Exception:  # MuPDF raises many types for damaged or cyclic ones
        return [], ["outline_unreadable"]
    return entries[:_OUTLINE_LIMIT], ["outline_truncated"] if len(entries) > _OUTLINE_LIMIT else []


def _entries(doc: pymupdf.Document) -> Iterator[OutlineEntry]:
    """The bookmarks in order, neither all at once nor by recursion as `get_toc` takes them: some have 5,000 levels."""
    pending = [doc.outline]  # at every level above the current one, what comes next there
    while pending:
        item = pending.pop()
        if item is None or not item.this.m_internal:
            continue
        title = clean(str(item.title or "")[: 2 * _TITLE_LIMIT]).strip()[:_TITLE_LIMIT]
        yield OutlineEntry(len(pending) + 1, title, max(0, _page_of(doc, item)))
        pending += [item.next, item.down]


def _page_of(doc: pymupdf.Document, item: pymupdf.Outline) -> int:
    """The sheet to which a bookmark leads, from 1; 0 or less for none of this document."""
    if item.is_external or not item.uri:
        return 0
    page = int(item.page)
    return (int(doc.resolve_link(item.uri)[0]) if page == -1 else page) + 1


def _metadata(doc: pymupdf.Document) -> dict[str, str]:
    raw = doc.metadata or {}
    values = {name: clean(str(raw.get(name) or "")).strip()[:_VALUE_LIMIT] for name in _FIELDS}
    return {name: value for name, value in values.items() if value}


def _permissions(doc: pymupdf.Document) -> Permissions:
    bits = int(doc.permissions)
    return Permissions(
        copy=bool(bits & pymupdf.PDF_PERM_COPY),
        print=bool(bits & pymupdf.PDF_PERM_PRINT),
        modify=bool(bits & pymupdf.PDF_PERM_MODIFY),
        annotate=bool(bits & pymupdf.PDF_PERM_ANNOTATE),
        accessibility=bool(bits & pymupdf.PDF_PERM_ACCESSIBILITY),
    )
