"""PDFs that mean harm, made by script: each must fail alone, with a code, or be read."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

CORPUS = "SHADOWTWIN_HOSTILE_CORPUS"
"""May name a folder of further PDFs."""


def make(folder: Path) -> list[Path]:
    """All of them, and those of the folder that CORPUS names."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, content in _contents().items():
        path = folder / f"{name}.pdf"
        path.write_bytes(content)
        made.append(path)
    made.append(_encrypted(folder / "encrypted.pdf"))
    more = os.environ.get(CORPUS, "")
    return made + (sorted(Path(more).rglob("*.pdf")) if more else [])


def _contents() -> dict[str, bytes]:
    whole = document([b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page(2, 4), stream(b"BT /F1 12 Tf (hello) Tj ET")])
    return {
        "truncated": whole[: len(whole) // 2],
        "no-pages": document([b"<</Type/Pages/Count 0/Kids[]>>"]),
        "page-tree-loop": document(
            [b"<</Type/Pages/Count 5/Kids[2 0 R 3 0 R]>>", b"<</Type/Pages/Count 9/Kids[2 0 R]>>"]
        ),
        "huge-page-count": document([b"<</Type/Pages/Count 2147483647/Kids[3 0 R]>>", page(2, 4), stream(b"")]),
        "many-pages": _many_pages(20_000),
        "text-bomb": _text_bomb(),
        "deflate-bomb": document(
            [b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page(2, 4), stream(b" " * (1 << 28), packed=True)]
        ),
        "missing-stream": document([b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page(2, 99)]),
        "negative-lengths": whole.replace(b"/Length ", b"/Length -"),
        "garbage-after-magic": b"%PDF-1.7\n" + bytes(range(256)) * 400,
        "nul-bytes": b"%PDF-1.4\n" + b"\0" * 100_000,
        "deep-nesting": document([b"<</Type/Pages/Count 1/Kids[3 0 R]>>", b"[" * 50_000 + b"]" * 50_000]),
    }


def document(objects: list[bytes], *, catalogue: bytes = b"", trailer: bytes = b"") -> bytes:
    """A file whose object 1 is the catalogue and object 2 the first of those given; further entries for both."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate([b"<</Type/Catalog/Pages 2 0 R%b>>" % catalogue, *objects], 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R%b>>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, trailer, start)
    return bytes(out)


def page(parent: int, contents: int) -> bytes:
    """A page object with one font, F1."""
    font = b"<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>"
    return b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 612 792]/Resources<</Font %b>>/Contents %d 0 R>>" % (
        parent,
        font,
        contents,
    )


def stream(content: bytes, *, packed: bool = False) -> bytes:
    """A stream object; `packed`: deflated."""
    data = zlib.compress(content, 9) if packed else content
    kind = b"/Filter/FlateDecode" if packed else b""
    return b"<</Length %d%b>>\nstream\n%b\nendstream" % (len(data), kind, data)


def _many_pages(count: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(count))
    pages = [b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>"] * count
    return document([b"<</Type/Pages/Count %d/Kids[%b]>>" % (count, kids), *pages])


def _text_bomb() -> bytes:
    """One page with millions of glyphs in a few kilobytes of file."""
    line = b"BT /F1 8 Tf 10 700 Td (" + b"bomb " * 200 + b") Tj ET\n"
    return document([b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page(2, 4), stream(line * 4_000, packed=True)])


def _encrypted(path: Path) -> Path:
    import pymupdf

    document = pymupdf.open()
    document.new_page().insert_text((72, 90), "secret")
    document.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="hard to guess", owner_pw="harder")
    return path
