"""What the first bytes of a file say it is: the one check that it may be a PDF, at the upload and at the reader."""

from __future__ import annotations

from shared.errors import DocumentError

MAGIC_WITHIN = 1024
"""Bytes at the start of a file within which `%PDF-` must stand."""

_KINDS = (
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


def check_magic(head: bytes) -> None:
    """Raise DocumentError pdf_empty or pdf_not_a_pdf (which says what it is) for the first bytes of a file."""
    if not head:
        raise DocumentError("pdf_empty")
    if b"%PDF-" not in head[:MAGIC_WITHIN]:
        raise not_a_pdf(head)


def not_a_pdf(head: bytes) -> DocumentError:
    """The error for a file that starts like this."""
    return DocumentError("pdf_not_a_pdf", f"The file is not a PDF; it looks like {_looks_like(head)}.")


def is_known(head: bytes) -> bool:
    """Whether the file starts like something that is not a PDF, whatever else it contains."""
    return _kind(head) is not None


def _looks_like(head: bytes) -> str:
    kind = _kind(head)
    if kind is not None:
        return kind
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        return "white space"
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return "plain text" if printable > 0.95 * len(head) else "binary data"


def _kind(head: bytes) -> str | None:
    for magic, name in _KINDS:
        if head.startswith(magic):
            return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")) or b"<body" in text:
        return "an HTML page"
    if b"<svg" in text:
        return "an SVG image"
    return "an XML file" if text.startswith(b"<?xml") else None


class Opening:
    """The first bytes of a file that comes in pieces, checked as soon as there are enough of them, or at its end."""

    def __init__(self) -> None:
        self._head = b""

    def take(self, piece: bytes | bytearray) -> None:
        """What has come next. Raises as check_magic does."""
        if len(self._head) < MAGIC_WITHIN:
            self._head += piece[: MAGIC_WITHIN - len(self._head)]
            if len(self._head) == MAGIC_WITHIN:
                check_magic(self._head)

    def end(self) -> None:
        """Nothing more comes; a short or empty file is checked now."""
        check_magic(self._head)
