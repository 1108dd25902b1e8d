"""Reading of a whole document page by page, with a bounded look-ahead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import pymupdf

from services.extractor.caps import Caps
from services.extractor.pages import Block, OutlineEntry, Page
from services.extractor.places import OUTLINE, Lost, LostPage, Touch, untold
from services.extractor.reader.bands import close_bands
from services.extractor.reader.blocks import Region, join_across
from services.extractor.reader.columns import regions
from services.extractor.reader.describe import read_outline
from services.extractor.reader.forms import place_fields, read_fields
from services.extractor.reader.frames import take_frames
from services.extractor.reader.grids import take_grids
from services.extractor.reader.language import confidence_of, garbled_letters, language_of
from services.extractor.reader.markdown import write
from services.extractor.reader.piece import Piece
from services.extractor.reader.rows import rows_of
from services.extractor.reader.rulings import thin_strokes
from services.extractor.reader.running import Margins, Running
from services.extractor.reader.segments import read_sheet
from services.extractor.reader.sheet import Sheet
from services.extractor.reader.styles import Styles

_SAMPLE = 12
_REACH = 2
_GARBLED = 0.7
_UNKNOWN = 3  # characters of a page without a meaning that are worth a word
_STAMP = 60.0
_ALLOCATION = re.compile(r"\b(?:m|c|re)alloc \(.*\) failed")
"""How MuPDF says that there is no memory left; its exceptions are of the same types as those of damaged files."""


class Reader:
    """Reads the pages of one document; sheets around the current page are kept for a moment.

    `touch` is told each place before it is read; the places of `lost` are left alone, when they are looked at too.
    """

    def __init__(
        self, doc: pymupdf.Document, lost: Lost | None = None, touch: Touch = untold, caps: Caps = Caps()
    ) -> None:
        self.doc = doc
        self.lost, self.touch, self.caps = lost or {}, touch, caps
        self.count: int = doc.page_count
        self.sheets: dict[int, Sheet | Exception] = {}
        self.margins: dict[int, Margins] = {}
        self.form = self._has_form()
        touch(OUTLINE)
        outline, self.warnings = ([], ["outline_lost"]) if OUTLINE in self.lost else read_outline(doc)
        self._sample(outline)

    def _has_form(self) -> bool:
        try:
            return bool(self.doc.is_form_pdf)
        except MemoryError:
            raise
        except Exception:
            return False

    def _sample(self, outline: list[OutlineEntry]) -> None:
        step = max(1, self.count // _SAMPLE)
        chosen = sorted({*range(min(3, self.count)), *range(0, self.count, step)})[: _SAMPLE + 3]
        sheets = [sheet for index in chosen if isinstance(sheet := self._sheet(index), Sheet)]
        self.styles = Styles(sheets, outline)
        self.running = Running([self.margins[sheet.number - 1] for sheet in sheets], self.styles.body)

    def _sheet(self, index: int) -> Sheet | Exception:
        """The sheet at `index`, read once while it is needed; a failure is kept in its place."""
        found = self.sheets.get(index)
        if found is None:
            try:
                self._approach(index)
                found = read_sheet(self.doc.load_page(index), self.caps)
                self.margins[index] = Margins(found)
            except MemoryError:
                raise
            except Exception as exc:  # MuPDF raises many types; the page is lost, not the document
                if _ALLOCATION.search(str(exc)):
                    raise MemoryError from exc
                found = exc
            self.sheets[index] = found
        return found

    def _approach(self, index: int) -> None:
        place = str(index + 1)
        if place in self.lost:
            raise LostPage(self.lost[place])
        self.touch(place)

    def pages(self, first: int, last: int) -> Iterator[Page]:
        """Sheets `first` to `last`, counted from 1."""
        for index in range(max(0, first - 1 - _REACH), first - 1):  # a part reads like the same part of the whole
            self._sheet(index)
            self.sheets.pop(index, None)
        for index in range(first - 1, last):
            yield self._page(index)
            self.sheets.pop(index, None)
            self.margins.pop(index - _REACH, None)

    def _page(self, index: int) -> Page:
        sheet = self._sheet(index)
        if isinstance(sheet, Sheet):
            try:
                return self._read(sheet, index)
            except MemoryError:
                raise
            except Exception as exc:
                sheet = exc
        return Page(
            index + 1, "", 0, 0.0, "und", 0.0, 0.0, 0, [],
            warnings=[f"page_failed: {type(sheet).__name__}"],
            error=sheet.code if isinstance(sheet, LostPage) else "pdf_page_failed",
        )  # fmt: skip

    def _read(self, sheet: Sheet, index: int) -> Page:
        around = [i for i in range(index - _REACH, index + _REACH + 1) if i != index and 0 <= i < self.count]
        for other in around:
            if other > index:
                self._sheet(other)
        self.touch(str(sheet.number))
        neighbours = [self.margins[other] for other in around if other in self.margins]
        header, footer, label = self.running.take(
            sheet, self.margins[index], neighbours, partial(self.styles.outline_level, sheet.number)
        )
        if self.styles.uneven:
            self.styles.even_out(sheet)
        left = place_fields(sheet, read_fields(self.doc.load_page(index))) if self.form else []
        pieces = layout(sheet, self.styles)
        if self._disagrees(pieces, sheet.number):
            sheet.warnings.append("outline_disagrees")
        markdown, blocks = write(pieces, sheet)
        if left:
            markdown, blocks = _with_fields(left, markdown, blocks, sheet)
        language = language_of(markdown)
        garbled = garbled_letters(markdown)
        confidence = confidence_of(markdown, language, garbled)
        if len(markdown) > 20 and (confidence < _GARBLED or garbled > 2):
            sheet.warnings.append("text_garbled")
        if not markdown.isascii() and markdown.count("\ufffd") >= _UNKNOWN:
            sheet.warnings.append("characters_unknown")
        warnings = [*self.warnings, *sheet.warnings] if index == 0 else sheet.warnings
        return Page(
            sheet.number, markdown, len(markdown), confidence, language, *sheet.shown, sheet.rotation,
            blocks, header, footer, label, warnings,
        )  # fmt: skip

    def _disagrees(self, pieces: list[Piece], page: int) -> bool:
        """Whether the outline promises titles on this page of which none stands there."""
        return page in self.styles.titles and not any(
            self.styles.outline_level(page, piece.text) or self.styles.opens_title(page, piece.text)
            for piece in pieces
            if piece.kind == "heading"
        )


def _with_fields(lines: list[str], markdown: str, blocks: list[Block], sheet: Sheet) -> tuple[str, list[Block]]:
    """The page with fields that have no place on it behind its text."""
    text = "\n".join(lines)
    start = len(markdown) + 2 if markdown else 0
    block = Block("form", (0.0, 0.0, *sheet.shown), start, start + len(text))
    return (f"{markdown}\n\n{text}" if markdown else text), [*blocks, block]


def _lift_stamps(sheet: Sheet) -> None:
    """Put aside huge words that lie over the text, such as "DRAFT"; they would join what they cover."""
    for stamp in [s for s in sheet.segments if s.y1 - s.y0 > _STAMP and len(s.text) < 40]:
        covered = sum(
            stamp.x0 < s.x1 and s.x0 < stamp.x1 and stamp.y0 < (s.y0 + s.y1) / 2 < stamp.y1 for s in sheet.segments
        )
        if covered > 6:
            sheet.segments = [s for s in sheet.segments if s is not stamp]
            sheet.aside.setdefault(sheet.turn, []).append(stamp)


def layout(sheet: Sheet, styles: Styles) -> list[Piece]:
    """The blocks of a sheet in reading order."""
    _lift_stamps(sheet)
    thin_strokes(sheet)
    close_bands(sheet)
    sheet.segments = take_grids(sheet)
    sheet.segments = take_frames(sheet)
    pieces: list[Piece] = []
    for region in regions(sheet.segments):
        pieces.extend(Region(rows_of(region), styles, sheet.number, sheet.height).pieces_of())
    pieces = join_across(pieces)
    for way, segments in sheet.aside.items():
        for row in rows_of(segments):
            piece = Piece("paragraph", row, row.text)
            piece.way = way
            pieces.append(piece)
    return pieces
