"""Scans and damaged PDFs that the tests of the extraction methods make for themselves."""

from __future__ import annotations

import pymupdf

ENGLISH = [
    "The quick brown fox jumps over the lazy dog and runs away.",
    "Every page of this letter was put on a scanner last week.",
    "The machine has made pictures of them, and no text at all.",
]
GERMAN = [
    "Die Prüfung der Unterlagen wurde gestern abgeschlossen.",
    "Über das Ergebnis der Sitzung wird der Ausschuss berich-",
    "ten, sobald die Zahlen für das nächste Jahr vorliegen.",
]


def printed(lines: list[str], size: float = 14, width: float = 440, height: float = 200) -> pymupdf.Document:
    """A small page with these lines."""
    doc = pymupdf.open()
    page = doc.new_page(width=width, height=height)
    for number, line in enumerate(lines):
        page.insert_text((30, 50 + 1.4 * size * number), line, fontsize=size)
    return doc


def scanned(lines: list[str], turn: int = 0, dpi: int = 150, size: float = 14) -> pymupdf.Document:
    """The same page as a picture, lying turned by `turn` degrees."""
    return as_picture(printed(lines, size), turn, dpi)


def as_picture(doc: pymupdf.Document, turn: int = 0, dpi: int = 150) -> pymupdf.Document:
    """The first page of `doc` as an image that fills a page."""
    picture = doc[0].get_pixmap(matrix=pymupdf.Matrix(dpi / 72, dpi / 72).prerotate(turn), colorspace=pymupdf.csGRAY)
    scan = pymupdf.open()
    page = scan.new_page(width=picture.width * 72 / dpi, height=picture.height * 72 / dpi)
    page.insert_image(page.rect, pixmap=picture)
    return reopened(scan)


def garbled(lines: list[str], shift: int = 1) -> pymupdf.Document:
    """A page whose font says that every letter is the one `shift` places before it."""
    doc = printed(lines)
    for xref in range(1, doc.xref_length()):
        if doc.xref_get_key(xref, "Type")[1] == "/Font":
            table = doc.get_new_xref()
            doc.update_object(table, "<<>>")
            pairs = "\n".join(f"<{code:02x}> <{code - shift:04x}>" for code in range(0x41, 0x7B))
            cmap = (
                "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Wrong def /CMapType 2 def\n"
                "1 begincodespacerange <00> <ff> endcodespacerange\n"
                f"58 beginbfchar\n{pairs}\nendbfchar\nendcmap end end"
            )
            doc.update_stream(table, cmap.encode())
            doc.xref_set_key(xref, "ToUnicode", f"{table} 0 R")
    return reopened(doc)


def reopened(doc: pymupdf.Document) -> pymupdf.Document:
    """The document as it is when it comes from a file."""
    return pymupdf.open("pdf", doc.tobytes())
