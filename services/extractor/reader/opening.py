"""Opening of files that claim to be PDF."""

from __future__ import annotations

from pathlib import Path

import pymupdf

from shared.errors import DocumentError

_LOOKS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"RIFF", "a RIFF file (WebP, WAV or AVI)"),
    (b"PK\x03\x04", "a ZIP archive (perhaps an Office document or an e-book)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript file"),
    (b"JVBERi", "a PDF in base64 encoding"),
)
_HEAD = 1024

pymupdf.TOOLS.mupdf_display_errors(False)  # damaged files are reported by codes, not on stderr
pymupdf.TOOLS.mupdf_display_warnings(False)


def open_pdf(path: str | Path, password: str | None = None) -> pymupdf.Document:
    """Open the PDF at `path`; DocumentError says why it cannot be read."""
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise DocumentError("pdf_empty")
    if b"%PDF-" not in head:
        raise DocumentError("pdf_not_a_pdf", f"The file is not a PDF; it looks like {_looks_like(head)}.")
    doc = _open(str(path))
    if not doc.is_pdf:
        doc.close()
        raise DocumentError("pdf_not_a_pdf", f"The file is not a PDF; it looks like {_looks_like(head)}.")
    try:
        _unlock(doc, password)
        _require_pages(doc)
    except BaseException:
        doc.close()
        raise
    return doc


def _open(path: str) -> pymupdf.Document:
    try:
        return pymupdf.open(path, filetype="pdf")
    except pymupdf.EmptyFileError as exc:
        raise DocumentError("pdf_empty") from exc
    except MemoryError:
        raise
    except Exception as exc:  # MuPDF raises many types for damaged files
        raise DocumentError("pdf_corrupt") from exc


def _unlock(doc: pymupdf.Document, password: str | None) -> None:
    try:
        locked = doc.needs_pass and not doc.authenticate("")
        if locked and not (password and doc.authenticate(password)):
            raise DocumentError("pdf_encrypted")
    except (DocumentError, MemoryError):
        raise
    except Exception as exc:
        raise DocumentError("pdf_corrupt") from exc


def _require_pages(doc: pymupdf.Document) -> None:
    try:
        count, objects = doc.page_count, doc.xref_length()
    except MemoryError:
        raise
    except Exception as exc:
        raise DocumentError("pdf_corrupt") from exc
    if count < 1:
        raise DocumentError("pdf_no_pages")
    if count > objects:  # looking for pages that do not exist takes minutes
        raise DocumentError("pdf_corrupt", f"The PDF claims {count} pages but has only {objects} objects.")


def _looks_like(head: bytes) -> str:
    for magic, name in _LOOKS:
        if head.startswith(magic):
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")) or b"<body" in text:
        return "an HTML page"
    if b"<svg" in text:
        return "an SVG image"
    if text.startswith(b"<?xml"):
        return "an XML file"
    if not text:
        return "white space"
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return "plain text" if printable > 0.95 * len(head) else "binary data"
