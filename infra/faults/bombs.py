"""PDFs that try to take the reader's time, memory or life, each with what may come of it.

Where a page is the weapon it stands between good pages, which must survive it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from infra.faults.hostile import document, page, stream

OK = "ok"
NOT_A_PDF = frozenset({"pdf_not_a_pdf"})
BROKEN = frozenset({"pdf_corrupt", "pdf_no_pages"})
LIMITS = frozenset({"pdf_page_timeout", "pdf_memory_limit", "pdf_timeout"})
GOOD_TEXT = "a good page with words"
_FORM = b"/XObject<</X0 6 0 R>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


class Bomb(NamedTuple):
    """A file's content, which codes (or OK) it may end with, and on which pages it may lose text."""

    content: bytes
    outcomes: frozenset[str]
    pages: int = 0
    lost: frozenset[int] = frozenset()
    slow: bool = False
    """Whether it is meant to run into a deadline."""


def write(folder: Path) -> dict[Path, Bomb]:
    """All of them, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, bomb in bombs().items():
        path = folder / f"{name}.pdf"
        path.write_bytes(bomb.content)
        written[path] = bomb
    return written


@cache
def bombs() -> dict[str, Bomb]:
    """Name -> bomb."""
    fine, third = frozenset({OK}), frozenset({3})
    return {
        "forms-within-forms-on-page-3": Bomb(_amid(*_laughs(), resources=_FORM), fine, 5, third, slow=True),
        "flood-of-glyphs-on-page-3": Bomb(_amid(_packed(_glyphs(20_000))), fine, 5, third, slow=True),
        "a-million-lines-on-page-3": Bomb(_amid(_packed(_paths(1_000_000))), fine, 5, third),
        "glyph-for-a-novel-on-page-3": Bomb(_amid(*_novel(), font=b"6 0 R"), fine, 5, third),
        "image-of-1600-megapixels-on-page-3": Bomb(_amid(*_image(40_000, 40_000), resources=_FORM), fine, 5),
        "image-of-negative-width-on-page-3": Bomb(_amid(*_image(-5, 100), resources=_FORM), fine, 5),
        "form-in-itself-on-page-3": Bomb(
            _amid(stream(_words() + b"\n/X0 Do"), _form(6, b"/X0 Do"), resources=_FORM), fine, 5
        ),
        "box-of-the-universe-on-page-3": Bomb(_amid(stream(_words()), box=b"[-1e30 -1e30 1e30 1e30]"), fine, 5),
        "page-3-of-75000-user-units": Bomb(_amid(stream(_words()), more=b"/UserUnit 75000"), fine, 5),
        "notes-by-the-thousand-on-page-3": Bomb(_amid(stream(_words()), more=_notes(20_000)), fine, 5),
        "outline-in-a-circle": Bomb(_outlined(_circle), fine, 1),
        "outline-of-5000-levels": Bomb(_outlined(_deep), fine, 1),
        "outline-of-20000-titles": Bomb(_outlined(_wide), fine, 1),
        "pages-3000-levels-down": Bomb(_deep_tree(3_000), fine | BROKEN | {"pdf_page_failed"}, 1, frozenset({1})),
        "xref-before-itself": Bomb(_amid(stream(_words()), trailer=b"/Prev 9"), fine | BROKEN, 5),
        "unknown-lock": Bomb(_locked(), frozenset({"pdf_encrypted", "pdf_corrupt"})),
        "nothing": Bomb(b"", frozenset({"pdf_empty"})),
        "a-web-page": Bomb(b"<!DOCTYPE html><title>Log in</title>%PDF-1.7", NOT_A_PDF | {"pdf_corrupt"}),
        "a-picture": Bomb(b"\x89PNG\r\n\x1a\n" + bytes(2_000), NOT_A_PDF),
        "an-archive": Bomb(gzip.compress(_amid(stream(_words()))), NOT_A_PDF),
        "an-office-file": Bomb(b"PK\x03\x04" + bytes(2_000), NOT_A_PDF),
        "base64": Bomb(b"JVBERi0xLjcK" * 200, NOT_A_PDF),
    }


def _words() -> bytes:
    return b"BT /F1 12 Tf 72 700 Td (%b) Tj ET" % GOOD_TEXT.encode()


def _amid(
    content: bytes,
    *others: bytes,
    resources: bytes = b"",
    font: bytes = _FONT,
    box: bytes = b"[0 0 612 792]",
    more: bytes = b"",
    trailer: bytes = b"",
) -> bytes:
    """Five pages of which the third has `content` (object 5) and may use `others` (objects 6 and on)."""
    good, bad = 3, 4
    first = 6 + len(others)
    kids = b" ".join(b"%d 0 R" % number for number in (first, first + 1, bad, first + 2, first + 3))
    own = b"<</Font<</F1 %b>>%b>>" % (font, resources)
    third = b"<</Type/Page/Parent 2 0 R/MediaBox%b/Resources%b/Contents 5 0 R%b>>" % (box, own, more)
    tree = b"<</Type/Pages/Count 5/Kids[%b]>>" % kids
    return document([tree, stream(_words()), third, content, *others, *[page(2, good)] * 4], trailer=trailer)


def _packed(content: bytes) -> bytes:
    return stream(content, packed=True)


def _glyphs(lines: int) -> bytes:
    return (b"BT /F1 8 Tf 10 700 Td (" + b"flood " * 400 + b") Tj ET\n") * lines


def _paths(count: int) -> bytes:
    return b"".join(b"%d %d 30 0.5 re f\n" % (10 + n % 500, 20 + n % 700) for n in range(count))


def _form(own: int, content: bytes) -> bytes:
    head = b"/Type/XObject/Subtype/Form/BBox[0 0 612 792]/Resources<</Font<</F1 %b>>/XObject<</X0 %d 0 R>>>>" % (
        _FONT,
        own,
    )
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (head, len(content), content)


def _laughs() -> list[bytes]:
    """Twelve forms, each of which shows the next ten times."""
    forms = [_form(7 + n, b"/X0 Do\n" * 10) for n in range(12)]
    return [stream(b"/X0 Do"), *forms, _form(6, _words())]


def _novel() -> list[bytes]:
    """A font whose only glyph is 250 letters long, and a page with 4,000 of it."""
    letters = b"".join(b"%04X" % (97 + n % 26) for n in range(250))
    cmap = b"1 begincodespacerange<00><FF>endcodespacerange 1 beginbfchar<61><%b>endbfchar" % letters
    cmap = b"/CIDInit/ProcSet findresource begin 12 dict begin begincmap %b endcmap end end" % cmap
    font = _FONT.replace(b">>", b"/ToUnicode 7 0 R>>")
    lines = b"".join(b"BT /F1 2 Tf 72 %d Td (%b) Tj ET\n" % (700 - 3 * n, b"a" * 100) for n in range(40))
    return [stream(lines), font, stream(cmap)]


def _image(width: int, height: int) -> list[bytes]:
    data = zlib.compress(zlib.compress(bytes(1 << 20), 9), 9)
    head = b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceGray/BitsPerComponent 8" % (width, height)
    image = b"<<%b/Filter[/FlateDecode/FlateDecode]/Length %d>>\nstream\n%b\nendstream" % (head, len(data), data)
    return [stream(_words() + b"\nq 400 0 0 400 50 50 cm /X0 Do Q"), image]


def _notes(count: int) -> bytes:
    note = b"<</Type/Annot/Subtype/Text/Rect[10 10 20 20]/Contents(note)>>"
    return b"/Annots[%b]" % (note * count)


def _outlined(make: Callable[[], list[bytes]]) -> bytes:
    tree = b"<</Type/Pages/Count 1/Kids[3 0 R]>>"
    return document([tree, page(2, 4), stream(_words()), *make()], catalogue=b"/Outlines 5 0 R")


def _circle() -> list[bytes]:
    return [
        b"<</Type/Outlines/First 6 0 R/Last 7 0 R>>",
        b"<</Title(one)/Parent 5 0 R/Next 7 0 R/First 6 0 R/Dest[3 0 R/Fit]>>",
        b"<</Title(two)/Parent 5 0 R/Next 6 0 R/First 5 0 R/Dest[3 0 R/Fit]>>",
    ]


def _deep() -> list[bytes]:
    levels = [
        b"<</Title(level)/Parent %d 0 R/First %d 0 R/Last %d 0 R/Dest[3 0 R/Fit]>>" % (5 + n, 7 + n, 7 + n)
        for n in range(5_000)
    ]
    return [b"<</Type/Outlines/First 6 0 R/Last 6 0 R>>", *levels, b"<</Title(end)/Parent 5004 0 R>>"]


def _wide() -> list[bytes]:
    count = 20_000
    titles = [b"<</Title(title)/Parent 5 0 R/Next %d 0 R/Dest[3 0 R/Fit]>>" % (7 + n) for n in range(count)]
    return [b"<</Type/Outlines/First 6 0 R/Last %d 0 R>>" % (6 + count), *titles, b"<</Title(end)/Parent 5 0 R>>"]


def _deep_tree(levels: int) -> bytes:
    nodes = [
        b"<</Type/Pages/Count 1/Kids[%d 0 R]%b>>" % (n + 3, b"/Parent %d 0 R" % (n + 1) if n else b"")
        for n in range(levels)
    ]
    return document([*nodes, page(levels + 1, levels + 3), stream(_words())])


def _locked() -> bytes:
    lock = b"/Encrypt<</Filter/Acme.Lock/V 9/R 9/O(o)/U(u)/P -1>>/ID[(a)(b)]"
    return document([b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page(2, 4), stream(_words())], trailer=lock)
