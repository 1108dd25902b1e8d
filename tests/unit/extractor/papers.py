"""Small PDFs that the tests of the reader make for themselves."""

from __future__ import annotations

from pathlib import Path

import pymupdf

from services.extractor.extract import read_pages
from services.extractor.pages import Page

_SENTENCE = "the reader of this page sees that words stand in lines and lines stand in columns with care"
WORDS = _SENTENCE.split(" ")


def prose(lines: int, seed: int = 0, width: int = 9) -> list[str]:
    """`lines` lines of English words without meaning, each about equally long."""
    starts = [seed + 7 * line for line in range(lines)]
    return [" ".join(WORDS[(start + word) % len(WORDS)] for word in range(width)) for start in starts]


class Paper:
    """A document written line by line."""

    def __init__(self) -> None:
        self.doc = pymupdf.open()
        self.page = self.doc.new_page()

    def next_page(self) -> None:
        self.page = self.doc.new_page()

    def line(self, x: float, y: float, text: str, size: float = 10, font: str = "helv") -> None:
        self.page.insert_text((x, y), text, fontsize=size, fontname=font)

    def lines(self, x: float, y: float, texts: list[str], size: float = 10, step: float = 12) -> float:
        for number, text in enumerate(texts):
            self.line(x, y + number * step, text, size)
        return y + len(texts) * step

    def drawn(self, operators: str) -> None:
        """Go on within the text written last, in the operators of PDF; fonts are those the page has used."""
        stream = self.page.get_contents()[-1]
        before, end, after = self.doc.xref_stream(stream).decode().rpartition("ET")
        self.doc.update_stream(stream, f"{before} {operators} {end}{after}".encode())

    def reopened(self) -> pymupdf.Document:
        return pymupdf.open("pdf", self.doc.tobytes())

    def pages(self) -> list[Page]:
        return list(read_pages(self.reopened()))

    def markdown(self) -> str:
        return "\n\n".join(page.markdown for page in self.pages())

    def saved(self, folder: Path, **options: object) -> Path:
        path = folder / "paper.pdf"
        self.doc.save(path, **options)
        return path
