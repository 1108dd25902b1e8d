"""Opening of files that claim to be PDF."""

from __future__ import annotations

from pathlib import Path

import pymupdf

from shared.errors import DocumentError
from shared.magic import MAGIC_WITHIN, check_magic, is_known, not_a_pdf

_OWNER = 4
_WRONG = "The PDF is protected by a password, and the one that was given does not open it."

pymupdf.TOOLS.mupdf_display_errors(False)  # damaged files are reported by codes, not on stderr
pymupdf.TOOLS.mupdf_display_warnings(False)


def open_pdf(path: str | Path, password: str | None = None, *, respect_permissions: bool = False) -> pymupdf.Document:
    """Open the PDF at `path`; DocumentError says why it cannot be read.

    With `respect_permissions`, a document whose owner forbids copying is refused, unless `password` is the owner's.
    """
    with open(path, "rb") as file:
        head = file.read(MAGIC_WITHIN)
    check_magic(head)
    doc = _open(str(path), head)
    try:
        if not doc.is_pdf:
            raise not_a_pdf(head)
        rights = _unlock(doc, password or "")
        if respect_permissions and not rights & _OWNER and not doc.permissions & pymupdf.PDF_PERM_COPY:
            raise DocumentError("pdf_copy_forbidden")
        _require_pages(doc)
    except BaseException:
        doc.close()
        raise
    return doc


def _open(path: str, head: bytes) -> pymupdf.Document:
    try:
        return pymupdf.open(path, filetype="pdf")
    except pymupdf.EmptyFileError as exc:
        raise DocumentError("pdf_empty") from exc
    except MemoryError:
        raise
    except Exception as exc:  # MuPDF raises many types for damaged files
        if is_known(head):
            raise not_a_pdf(head) from exc
        if "encryption" in str(exc.__cause__).lower():
            raise DocumentError(
                "pdf_encrypted", "The PDF is protected in a way that this system does not know."
            ) from exc
        raise DocumentError("pdf_corrupt") from exc


def _unlock(doc: pymupdf.Document, password: str) -> int:
    """Open the lock with the empty password or the one given; what that allows (bits of `authenticate`)."""
    try:
        locked = doc.needs_pass
        rights = int(doc.authenticate(password)) if password else 0
        if locked and not rights and not (rights := int(doc.authenticate(""))):
            raise DocumentError("pdf_encrypted", _WRONG if password else None)
    except (DocumentError, MemoryError):
        raise
    except Exception as exc:
        raise DocumentError("pdf_corrupt") from exc
    return rights


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
