"""Pages by another method than `fast`: always, or under `auto` where `fast` reads badly; the better result is kept.

Whatever goes wrong with another method, the page stays as `fast` reads it, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pymupdf
from msgspec.structs import replace

from services.extractor.methods.layout import LayoutReader
from services.extractor.methods.ocr import OcrReader
from services.extractor.methods.reasons import LAYOUT, OCR, reason
from services.extractor.methods.verdict import is_better
from services.extractor.pages import Escalation, Page
from services.extractor.places import OUTLINE, method_of
from services.extractor.reader.describe import read_outline
from services.extractor.reader.document import Reader
from services.extractor.reading import Reading
from shared.errors import ConfigurationError, DocumentError


class Choice:
    """Reads a document's pages by `reading.method`, on top of the reader `fast`.

    Raises ConfigurationError ocr_language_missing or layout_unavailable when that very method was asked for; under
    `auto` the pages then stay as they are, with the code as a warning.
    """

    def __init__(self, doc: pymupdf.Document, reading: Reading, fast: Reader) -> None:
        self._doc, self._reading, self._fast = doc, reading, fast
        self._ocr: OcrReader | None = None
        self._layout: LayoutReader | None = None
        self._missing: dict[str, str] = {}
        self._spent = 0.0
        if reading.method == OCR:
            self._ocr = self._new_ocr()
        elif reading.method == LAYOUT:
            fast.touch(OUTLINE)
            self._layout = LayoutReader(doc)

    def pages(self, first: int, last: int) -> Iterator[Page]:
        """Sheets `first` to `last`, from 1."""
        try:
            for page in self._fast.pages(first, last):
                yield self._read(page)
        finally:
            if self._ocr is not None:
                self._ocr.close()

    def _read(self, page: Page) -> Page:
        method = self._reading.method
        if page.error:
            return page
        if method != "auto":
            found = self._try(method, page)
            return found if isinstance(found, Page) else _warned(page, found)
        wanted = self._wanted(page)
        return page if wanted is None else self._escalated(page, *wanted)

    def _wanted(self, page: Page) -> tuple[str, str] | None:
        try:
            return reason(self._doc, page)
        except MemoryError:
            raise
        except Exception:  # a page that cannot be drawn cannot be recognised either
            return None

    def _escalated(self, page: Page, to: str, why: str) -> Page:
        page = _doubted(page, why)
        if self._spent >= self._reading.budget:
            return _warned(page, f"budget_spent: {to} {why}")
        started = time.monotonic()
        found = self._try(to, page)
        self._spent += time.monotonic() - started
        if not isinstance(found, Page):
            return _warned(page, found)
        if is_better(found, page, why):
            warnings = [*found.warnings, f"escalated_to_{to}: {why}"]
            return replace(found, warnings=warnings, escalation=Escalation(to, why, True))
        return replace(_warned(page, f"{to}_not_better: {why}"), escalation=Escalation(to, why, False))

    def _try(self, method: str, page: Page) -> Page | str:
        """The page by that method, or the warning why not."""
        place = method_of(page.number, method)
        if place in self._fast.lost:
            return f"{method}_lost: {self._fast.lost[place]}"
        if method in self._missing:
            return self._missing[method]
        self._fast.touch(place)
        try:
            return self._by(method)(page)
        except MemoryError:
            raise
        except ConfigurationError as error:
            self._missing[method] = error.code
            return error.code
        except DocumentError as error:
            return f"{method}_failed: {error.code}"
        except Exception as error:  # MuPDF and the model raise many types
            return f"{method}_failed: {type(error).__name__}"
        finally:
            self._fast.touch(str(page.number))

    def _by(self, method: str) -> Callable[[Page], Page]:
        if method == OCR:
            ocr = self._ocr = self._ocr or self._new_ocr()
            return lambda page: ocr.page(page.number)
        layout = self._layout = self._layout or LayoutReader(self._doc)
        return lambda page: layout.page(page.number, page)

    def _new_ocr(self) -> OcrReader:
        outline = [] if OUTLINE in self._fast.lost else read_outline(self._doc)[0]
        return OcrReader(self._doc, self._reading, outline)


def _warned(page: Page, warning: str) -> Page:
    return replace(page, warnings=[*page.warnings, warning])


def _doubted(page: Page, why: str) -> Page:
    """The page with the confidence that it deserves when its letters make no words."""
    if why != "garbled_text":
        return page
    warnings = page.warnings if "text_garbled" in page.warnings else [*page.warnings, "text_garbled"]
    return replace(page, confidence=min(page.confidence, 0.3), warnings=warnings)
