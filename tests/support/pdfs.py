"""PDFs made for tests."""

from __future__ import annotations

import random
from pathlib import Path

import pymupdf

WORDS = (
    "harbour signal lantern granite ferry current ledger storm keeper prism window garden copper letter winter "
    "bridge timber island season market station compass valley orchard river engine mirror carpet silver marble"
).split()


def long_pdf(path: Path, pages: int, seed: int = 1) -> Path:
    """A text PDF with `pages` different pages, a heading on each tenth, an outline, and one odd word on each page."""
    chance = random.Random(seed)
    document = pymupdf.open()
    toc = []
    for number in range(1, pages + 1):
        page = document.new_page()
        if number % 10 == 1:
            page.insert_text((72, 90), f"Part {number // 10 + 1}", fontsize=20)
            toc.append([1, f"Part {number // 10 + 1}", number])
        words = [chance.choice(WORDS) for _ in range(300)]
        words.insert(chance.randrange(300), marker(number))
        page.insert_textbox(pymupdf.Rect(72, 110, 520, 780), " ".join(words) + ".", fontsize=10)
    document.set_toc(toc)
    document.save(path, deflate=True, no_new_id=True)
    return path


def marker(page: int) -> str:
    """A word that stands on this page only."""
    return f"zq{page}word"


def encrypted_pdf(path: Path) -> Path:
    """A PDF that asks for a password."""
    document = pymupdf.open()
    document.new_page().insert_text((72, 90), "secret")
    document.save(path, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="hard to guess", owner_pw="harder")
    return path


def truncated_pdf(path: Path) -> Path:
    """The first bytes of a PDF: it claims six pages and has none of them."""
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        b"2 0 obj\n<</Type/Pages/Count 6/Kids[3 0 R 4 0 R 5 0 R 6 0 R 7 0 R 8 0 R]>>\nendobj\n3 0 obj\n<</Ty"
    )
    return path


def text_pdf(text: str) -> bytes:
    """One page with a paragraph."""
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_textbox((72, 72, 500, 400), text, fontsize=11)
        content: bytes = document.tobytes()
    return content


def pictured_pdf(number: int, pictures: int = 2) -> bytes:
    """Words of its own, and on each page a picture of its own; the same bytes every time."""
    with pymupdf.open() as document:
        for at in range(pictures or 1):
            page = document.new_page()
            words = f"Otters of river {number}, part {at}. They fish at dusk and sleep on stones. " * 25
            assert page.insert_textbox((72, 72, 520, 400), words, fontsize=9) > 0
            if pictures:
                noise = random.Random(f"{number} {at}").randbytes(60 * 60 * 3)
                page.insert_image((72, 450, 272, 650), pixmap=pymupdf.Pixmap(pymupdf.csRGB, 60, 60, noise, False))
        content: bytes = document.tobytes(no_new_id=True)
    return content
