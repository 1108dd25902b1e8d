"""Text recognition of one page by the Tesseract that MuPDF carries: a picture in, a sheet of segments out.

MuPDF writes what it recognised as invisible text of a PDF of one page; that is read like any other page, so the
reading order, paragraphs and lists are our own.
"""

from __future__ import annotations

import pymupdf
from pymupdf import mupdf

from services.extractor.methods.picture import drawn
from services.extractor.methods.recognised import tidied
from services.extractor.methods.tessdata import Tessdata
from services.extractor.reader.language import language_of
from services.extractor.reader.segments import read_sheet
from services.extractor.reader.sheet import Sheet
from services.extractor.reader.wording import word_share

_VARIABLES = "tessedit_pageseg_mode=3"
"""Of Tesseract: find columns and blocks. MuPDF's own default takes the page for one block; 1.28 takes one variable."""
_ENOUGH = 40
_SURE, _HOPELESS, _BETTER = 1.0, 0.35, 0.15
_KNOWN_LANGUAGE = 0.5


def recognised(page: pymupdf.Page, tessdata: Tessdata, pixels: int) -> Sheet:
    """What is written on `page`, whichever way up it lies; the sheet is turned like the text (warning text_turned)."""
    best = _read(page, tessdata, pixels, 0)
    score = _score(best)
    if score < _SURE and sum(map(str.isalpha, _text(best))) >= _ENOUGH:
        for turn in (90, 270) if _is_stacked(best) else (180,) if score > _HOPELESS else (180, 90, 270):
            other = _read(page, tessdata, pixels, turn)
            found = _score(other)
            if found > score + _BETTER:
                best, score = other, found
            if score >= _SURE:
                break
    return tidied(best)


def _read(page: pymupdf.Page, tessdata: Tessdata, pixels: int, turn: int) -> Sheet:
    picture = drawn(page, pixels, turn)
    with pymupdf.open("pdf", _recognise(picture.pixmap, tessdata)) as document:
        sheet = read_sheet(document[0])
    across, down = picture.beyond
    sheet.width, sheet.height = sheet.width - 2 * across, sheet.height - 2 * down
    for segment in sheet.segments:
        segment.x0, segment.x1 = segment.x0 - across, segment.x1 - across
        segment.y0, segment.y1, segment.base = segment.y0 - down, segment.y1 - down, segment.base - down
    sheet.number, sheet.rotation = page.number + 1, page.rotation
    sheet.warnings = ["text_turned"] if turn else []
    return sheet


def _recognise(picture: pymupdf.Pixmap, tessdata: Tessdata) -> bytes:
    wanted = mupdf.FzPdfocrOptions()
    variables = mupdf.FzOptions(_VARIABLES)
    wanted.options = variables.m_internal
    wanted.language_set2(tessdata.languages)
    wanted.datadir_set2(tessdata.folder)
    buffer = mupdf.FzBuffer(8192)
    out = mupdf.FzOutput(buffer)
    mupdf.fz_write_pixmap_as_pdfocr(out, picture.this, wanted)
    out.fz_close_output()
    return bytes(buffer.fz_buffer_extract())


def _score(sheet: Sheet) -> float:
    """How much the sheet reads like a text: upside down, letters still look like words, but of no language."""
    if _is_stacked(sheet):
        return 0.0
    text = _text(sheet)
    return word_share(text) + _KNOWN_LANGUAGE * (language_of(text) != "und")


def _text(sheet: Sheet) -> str:
    return " ".join(segment.text for segment in sheet.segments)


def _is_stacked(sheet: Sheet) -> bool:
    """Whether most segments are single letters: a text that runs upwards or downwards comes like that."""
    return len(sheet.segments) > 20 and sum(len(s.text) < 3 for s in sheet.segments) > 0.6 * len(sheet.segments)
