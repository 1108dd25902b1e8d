"""Why a page that `fast` has read should be read by another method. Cheap on pages that read well."""

from __future__ import annotations

import re

import pymupdf

from services.extractor.methods.picture import image_share, is_blank, looks_like_paper
from services.extractor.pages import Block, Page
from services.extractor.reader.wording import CHANCE, letter_order

OCR, LAYOUT = "ocr", "layout"
_SCANNED_CHARS = 400
_PAGE_FILLING = 0.6
_TRUSTED = 0.7
_SHORT = 20
_NO_LANGUAGE = 5.0  # a few words of a shifted text may be words of some language by chance
_HALF_EMPTY = 0.6
_CAPTION = re.compile(r"^(?:table|tabelle|tab\.|tableau|tabla|tabella)\s+\w+", re.I)
_NUMBERS = re.compile(r"\d")


def reason(document: pymupdf.Document, page: Page) -> tuple[str, str] | None:
    """The method that should be tried on `page`, and why in one word; None when it is good or cannot be had better.

    no_text: nothing was read although something is drawn. garbled_text: characters without a meaning, or in an order
    that no language knows. scanned: a few words over a picture that looks like a page of text. table_open: a table
    that was seen but not taken apart.
    """
    if page.error:
        return None
    letters = len(page.markdown) - page.markdown.count(" ") - page.markdown.count("\n")
    if letters == 0:
        return None if is_blank(document[page.number - 1]) else (OCR, "no_text")
    if _is_garbled(page, letters):
        return OCR, "garbled_text"
    if letters < _SCANNED_CHARS and _is_scan(document[page.number - 1]):
        return OCR, "scanned"
    return (LAYOUT, "table_open") if _has_open_table(page) else None


def _is_garbled(page: Page, letters: int) -> bool:
    if "text_garbled" in page.warnings:
        return True
    if page.confidence < (_TRUSTED if letters >= _SHORT else 0.4):
        return True
    return letter_order(page.markdown) < (CHANCE if page.language == "und" else _NO_LANGUAGE)


def _is_scan(page: pymupdf.Page) -> bool:
    return image_share(page) >= _PAGE_FILLING and looks_like_paper(page)


def _has_open_table(page: Page) -> bool:
    tables = [block for block in page.blocks if block.kind == "table"]
    if not tables:
        captions = [b for b in page.blocks if b.kind == "caption" and _CAPTION.match(page.markdown[b.start : b.end])]
        return any(_numbers_beside(page, caption) for caption in captions)
    return any(empty_share(page.markdown[table.start : table.end]) > _HALF_EMPTY for table in tables)


def _numbers_beside(page: Page, caption: Block) -> bool:
    """Whether lines full of numbers stand next to a caption of a table."""
    at = page.blocks.index(caption)
    beside = page.blocks[max(0, at - 6) : at] + page.blocks[at + 1 : at + 7]
    texts = [page.markdown[block.start : block.end] for block in beside]
    return sum(len(_NUMBERS.findall(text)) * 4 > len(text) for text in texts) >= 4


def empty_share(table: str) -> float:
    """The share of empty cells of a Markdown table of at least three columns and three rows; 0 for smaller ones."""
    rows = [line.strip().strip("|").split("|") for line in table.splitlines() if line.strip()]
    rows = [row for row in rows if not all(set(cell.strip()) <= set("-:") and cell.strip() for cell in row)]
    cells = [cell.strip() for row in rows for cell in row]
    if len(rows) < 3 or len(cells) < 3 * len(rows):
        return 0.0
    return sum(not cell for cell in cells) / len(cells)
