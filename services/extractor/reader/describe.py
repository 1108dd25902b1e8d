"""Metadata, outline and permissions of a document."""

from __future__ import annotations

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
        rows = doc.get_toc(simple=True)
    except MemoryError:
        raise
    except Exception:  # RecursionError on deep outlines, MuPDF errors on cyclic ones
        return [], ["outline_unreadable"]
    entries = [
        OutlineEntry(int(row[0]), clean(str(row[1])).strip()[:_TITLE_LIMIT], max(0, int(row[2])))
        for row in rows[:_OUTLINE_LIMIT]
    ]
    return entries, ["outline_truncated"] if len(rows) > _OUTLINE_LIMIT else []


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
