"""The method `ocr`: pages as their drawn picture reads."""

from __future__ import annotations

from functools import partial

import pymupdf

from services.extractor.methods.picture import is_blank
from services.extractor.methods.recognition import recognised
from services.extractor.methods.tessdata import Tessdata
from services.extractor.pages import OutlineEntry, Page
from services.extractor.reader.document import layout
from services.extractor.reader.language import common_words, confidence_of, garbled_letters, knows, language_of
from services.extractor.reader.markdown import write
from services.extractor.reader.running import Margins, Running
from services.extractor.reader.sheet import Sheet
from services.extractor.reader.styles import Styles
from services.extractor.reader.wording import word_share
from services.extractor.reading import Reading

_REACH = 2
_NOISE = 0.4
_DOUBT, _FEW, _TELLING, _NUMBERS = 0.4, 0.02, 100, 0.15
_ISO = {
    "deu": "de", "eng": "en", "fra": "fr", "spa": "es", "ita": "it", "por": "pt", "nld": "nl", "swe": "sv", "dan": "da",
    "nor": "no", "pol": "pl", "ces": "cs", "fin": "fi", "hun": "hu", "tur": "tr", "ron": "ro", "cat": "ca", "ind": "id",
    "vie": "vi",
}  # fmt: skip
"""Languages as the recognition's data are named and as pages are labelled, where frequent words are known."""


class OcrReader:
    """Recognises pages of one document; running lines are known from the pages recognised before."""

    def __init__(self, doc: pymupdf.Document, reading: Reading, outline: list[OutlineEntry]) -> None:
        """ConfigurationError ocr_language_missing when there are no data for a language."""
        self._doc, self._reading, self._outline = doc, reading, outline
        self._tessdata = Tessdata(reading.languages, reading.tessdata)
        self._margins: list[Margins] = []

    def close(self) -> None:
        """Give back what the language data needed."""
        self._tessdata.close()

    def page(self, number: int) -> Page:
        """Sheet `number`, from 1. Raises what MuPDF raises; MemoryError and pdf_memory_limit among it."""
        page = self._doc.load_page(number - 1)
        if is_blank(page):
            return _empty(page, ["page_blank"])
        sheet = recognised(page, self._tessdata, self._reading.pixels)
        return self._composed(sheet)

    def _composed(self, sheet: Sheet) -> Page:
        margins = Margins(sheet)
        styles = Styles([sheet], self._outline)
        titled = partial(styles.outline_level, sheet.number)
        header, footer, label = Running([]).take(sheet, margins, self._margins, titled)
        self._margins = [*self._margins, margins][-_REACH:]
        markdown, blocks = write(layout(sheet, styles), sheet)
        share = word_share(markdown)
        if share < _NOISE:  # the grain of a picture, taken for signs
            markdown, blocks, share = "", [], 0.0
            sheet.warnings.append("ocr_found_nothing")
        language = language_of(markdown)
        confidence = min(confidence_of(markdown, language, garbled_letters(markdown)), round(share, 3))
        if self._is_doubtful(markdown):
            language, confidence = "und", min(confidence, _DOUBT)
            sheet.warnings.append("ocr_doubtful")
        return Page(
            sheet.number, markdown, len(markdown), confidence, language, *sheet.shown, sheet.rotation,
            blocks, header, footer, label, sheet.warnings, method="ocr",
        )  # fmt: skip

    def _is_doubtful(self, text: str) -> bool:
        """Whether a text of some length has next to no frequent word of the languages it was read in: as handwriting
        does, of which the recognition makes what looks like words."""
        languages = [_ISO.get(name, "") for name in self._reading.languages.split("+")]
        letters, digits = sum(map(str.isalpha, text)), sum(map(str.isdigit, text))
        if letters < _TELLING or digits > _NUMBERS * letters or not all(map(knows, languages)):
            return False
        return common_words(text, languages) < _FEW


def _empty(page: pymupdf.Page, warnings: list[str]) -> Page:
    return Page(
        page.number + 1, "", 0, 0.0, "und", page.rect.width, page.rect.height, page.rotation, [],
        warnings=warnings, method="ocr",
    )  # fmt: skip
