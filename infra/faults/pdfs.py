"""Harmless PDFs, each different, made from a number; the same number gives the same bytes."""

from __future__ import annotations

import random
from pathlib import Path

_WORDS = """
harbour signal lantern granite ferry current ledger storm keeper prism window garden copper letter winter
bridge timber island season market station compass valley orchard river engine mirror carpet silver marble
""".split()  # noqa: SIM905 - a list of so many short words is easier to read as a text


class Shelf:
    """Makes PDFs in a folder, once each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def pdf(self, number: int, pages: int = 3, words: int = 220) -> Path:
        """A text PDF with an outline; every page differs from every other."""
        path = self._folder / f"paper-{number}-{pages}.pdf"
        if not path.exists():
            _write(path, random.Random(number * 100_003 + pages), pages, words)
        return path

    def some(self, first: int, count: int, pages: int = 3) -> list[Path]:
        """Several in a row."""
        return [self.pdf(number, pages) for number in range(first, first + count)]


def _write(path: Path, chance: random.Random, pages: int, words: int) -> None:
    import pymupdf

    document = pymupdf.open()
    toc: list[list[object]] = []
    for number in range(1, pages + 1):
        page = document.new_page()
        if number % 10 == 1:
            page.insert_text((72, 90), f"Part {number // 10 + 1} {chance.choice(_WORDS)}", fontsize=20)
            toc.append([1, f"Part {number // 10 + 1}", number])
        text = " ".join([f"zq{chance.randrange(10**9)}word", *(chance.choice(_WORDS) for _ in range(words))])
        page.insert_textbox(pymupdf.Rect(72, 110, 520, 780), text + ".", fontsize=10)
    document.set_toc(toc)
    partial = path.with_suffix(".new")
    document.save(partial, deflate=True, no_new_id=True)
    document.close()
    partial.replace(path)
