"""Rows become blocks: headings, paragraphs, lists, tables, captions, code and footnotes."""

from __future__ import annotations

import re

from services.extractor.reader.grids import Table
from services.extractor.reader.headings import Headings
from services.extractor.reader.openings import begins_entry, ends_sentence, opens_block
from services.extractor.reader.piece import BULLET, CAPTION, TICK, Piece, solid
from services.extractor.reader.rows import Row
from services.extractor.reader.styles import Styles, is_numbered
from services.extractor.reader.tables import find_tables
from services.extractor.reader.text import is_broken_address, join, shorten_leaders

_NUMBER = re.compile(r"^(\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)])\s+(?=\S)")
_FOOTNOTE = re.compile(r"^(?:\d{1,3}[).]?|[*†‡§¶]+|[⁰¹²³⁴-⁹]+|[a-z](?=\s)|\(\d{1,2}\))\s*\S")
_CHAPTER = re.compile(
    r"^(?:chapter|kapitel|appendix|anhang|part|teil|chapitre|cap[ií]tulo|capitolo|annexe?)\s+[\dA-Z]{1,4}$", re.I
)
_LABEL = re.compile(r"^\w+\.?\s?[\dA-Z][\w.\-]{0,6}[.:]?$")
_SPREAD = 1.9  # usual distances of lines: the most within a paragraph
_ADDRESS = re.compile(r"@|^(?:https?://|www\.)")
_WEB = re.compile(r"\s(?:https?://|www\.)")


class Region:
    """The rows of one column on their way to blocks."""

    def __init__(self, rows: list[Row], styles: Styles, page: int, height: float) -> None:
        self.rows, self.styles, self.page, self.height = rows, styles, page, height
        plain = [row for row in rows if row.table is None]
        self.left = min((row.x0 for row in plain), default=0.0)
        self.right = max((row.x1 for row in plain), default=0.0)
        self.headings = Headings(plain, styles, page)
        self.pieces: list[Piece] = []
        self.unfinished: Piece | None = None  # an entry of a table of contents whose page number is still to come

    def pieces_of(self) -> list[Piece]:
        """The blocks of the region in order."""
        items = find_tables(self.rows)
        before: Row | None = None
        for index, item in enumerate(items):
            if isinstance(item, Table):
                self.pieces.append(Piece("table", item))
                before = None
                continue
            after = items[index + 1] if index + 1 < len(items) else None
            self._place(item, before, after if isinstance(after, Row) else None)
            before = item
        _level_runs(self.pieces)
        return self.pieces

    def _place(self, row: Row, before: Row | None, after: Row | None) -> None:
        text = shorten_leaders(row.text)
        last = self.pieces[-1] if self.pieces and before is not None else None
        if self._is_code(row, text) and not self._runs_over(row, before):
            self._code(row, last)
            return
        fresh = last is None or before is None or self._breaks(row, before, last, text)
        if last is not None and last.kind == "caption" and _LABEL.match(last.text) and not ends_sentence(text):
            last.add(row, text)
            return
        if after is not None and begins_entry(row, after, text, last):
            self.unfinished = Piece("list", row, "- " + text)
            self.pieces.append(self.unfinished)
            return
        level = self.headings.level(row, before, after, text, last)
        if level:
            self._add_heading(row, text, level, last, before)
            return
        if CAPTION.match(text) and (fresh or len(text) < 60):
            self.pieces.append(Piece("caption", row, text))
            return
        if text.count(" ... ") and text[-1].isdigit():  # an entry of a table of contents
            if last is not None and last.kind == "list" and self.unfinished is last:
                last.add(row, text.lstrip())
                self.unfinished = None
            else:
                self.pieces.append(Piece("list", row, "- " + text.lstrip()))
        elif fresh or (last is not None and last.kind in ("heading", "code", "table")):
            self._start(row, text, last)
        elif last is not None:
            last.add(row, text)

    def _is_code(self, row: Row, text: str) -> bool:
        """Whether `row` is a line of code; an address in other type than its words is none."""
        if self.styles.typewritten or not _is_mono(row) or self._titled(text) or _ADDRESS.search(text):
            return False
        return not (_WEB.search(text) and any(cell.mono < len(cell.text) for cell in row.cells))

    def _runs_over(self, row: Row, before: Row | None) -> bool:
        """Whether `row` is the rest of a monospaced word at the end of a full line of running text."""
        return (
            before is not None
            and self.pieces[-1].kind in ("paragraph", "list", "footnote", "caption")
            and not _is_mono(before)
            and before.cells[-1].mono > 0
            and before.cells[-1].text[-1] != ":"
            and before.x1 > self.right - 0.06 * (self.right - self.left)
            and abs(row.x0 - before.x0) < 3 * row.size
            and row.base - before.base < 1.32 * self.headings.pitch(row)
        )

    def _titled(self, text: str) -> bool:
        return bool(self.styles.outline_level(self.page, text))

    def _start(self, row: Row, text: str, last: Piece | None) -> None:
        bullet = BULLET.match(text)
        number = None if bullet else _NUMBER.match(text) or TICK.match(text)
        noted = row.size < 0.93 * self.styles.body and row.y0 > 0.5 * self.height
        if bullet and len(text) > bullet.end() and not (noted and text[0] == "*"):
            piece = Piece("list", row, "- " + text[bullet.end() :])
        elif noted and _FOOTNOTE.match(text):
            piece = Piece("footnote", row, text)
        elif number:
            sign = "- " if text[0] == "[" else ""
            piece = Piece("list", row, f"{sign}{number.group(1)} {text[number.end() :]}")
        else:
            piece = Piece("paragraph", row, text)
        if piece.kind == "list":
            piece.indent = self._list_indent(row, last)
        self.pieces.append(piece)

    def _list_indent(self, row: Row, last: Piece | None) -> int:
        if last is None or last.kind != "list":
            return 0
        start = last.rows[0].x0
        if row.x0 > start + 6:
            return min(last.indent + 1, 4)
        if row.x0 > start - 6:
            return last.indent
        for piece in reversed(self.pieces):
            if piece.kind != "list":
                return 0
            if abs(piece.rows[0].x0 - row.x0) <= 6:
                return piece.indent
        return 0

    def _code(self, row: Row, last: Piece | None) -> None:
        parts = [part for cell in row.cells for part in cell.parts or ((cell.x0, cell.x1, cell.text),)]
        letters, reach = sum([len(part[2]) for part in parts]), sum([part[1] - part[0] for part in parts])
        width = max(1.0, reach / max(1, letters))
        text, end = "", self.left
        for x0, x1, part in parts:
            text += " " * min(60, round((x0 - end) / width)) + part  # none where runs touch
            end = x1
        if last is not None and last.kind == "code":
            apart = row.base - last.rows[-1].base > 1.6 * self.headings.pitch(row)
            last.add(row, "\n" + text if apart else text)
        else:
            self.pieces.append(Piece("code", row, text))

    def _breaks(self, row: Row, before: Row, last: Piece, text: str) -> bool:
        """Whether a new block starts at `row`."""
        step = row.base - before.base
        if step < -2 or abs(row.size - before.size) > 0.12 * before.size:
            return True
        if step > 1.32 * self.headings.pitch(row):
            return step > _SPREAD * self.headings.pitch(row) or not self._goes_on(row, before, last, text)
        if last.text[-1] in "./-_" and is_broken_address(last.text, text):
            return False
        sentence = ends_sentence(last.text)
        if BULLET.match(text) or opens_block(text, last.text, sentence=sentence):
            return True
        filled = before.x1 > self.right - 0.06 * (self.right - self.left)
        if not filled and len(row.cells) == len(before.cells) == 2 and abs(row.cells[1].x0 - before.cells[1].x0) < 2:
            return True  # a term and what it means
        if _NUMBER.match(text) and (last.kind == "list" or sentence):
            return True
        if last.kind in ("footnote",) and _FOOTNOTE.match(text) and abs(row.x0 - last.rows[0].x0) < 4:
            return True
        if last.kind == "list":
            return self._leaves_list(row, before, last, sentence=sentence)
        return self._ends_paragraph(row, before, last, text, sentence=sentence)

    def _ends_paragraph(self, row: Row, before: Row, last: Piece, text: str, *, sentence: bool) -> bool:
        """Whether the paragraph ended with the line above `row`, by where both begin and end."""
        if sentence and not text[0].islower() and self._had_room(row, before, last):
            return True
        width = self.right - self.left
        if not text[0].islower() and self._set_right(row, before):
            return True
        short = before.x1 < self.right - max(0.22 * width, 20)
        indented = row.x0 > before.x0 + 0.8 * row.size and row.x0 < before.x0 + 5 * row.size
        if row.cells[0].rtl:
            short = before.x0 > self.left + max(0.22 * width, 20)
            indented = row.x1 < before.x1 - 0.8 * row.size
        if indented and (len(last.rows) > 1 or sentence) and before.x0 < self.left + 0.5 * width:
            return True
        ended = sentence or (not text[0].islower() and self._had_room(row, before, last))
        return short and ended and width > 100

    def _set_right(self, row: Row, before: Row) -> bool:
        """Whether both lines end at the right edge and begin where they will: names below a title."""
        return (
            before.x0 > self.left + 0.22 * (self.right - self.left)
            and abs(row.x1 - before.x1) < 1.0
            and row.x1 > self.right - row.size
            and abs(row.x0 - before.x0) > row.size
            and not row.cells[0].rtl
        )

    def _goes_on(self, row: Row, before: Row, last: Piece, text: str) -> bool:
        """Whether a sentence runs from a full line into `row`, below a formula that pushed the lines apart."""
        return (
            text[0].islower()
            and not ends_sentence(last.text)
            and before.x1 > self.right - 0.03 * (self.right - self.left)
            and row.x0 < before.x0 + row.size
        )

    def _leaves_list(self, row: Row, before: Row, last: Piece, *, sentence: bool) -> bool:
        """Whether `row` stands behind the item above it rather than in it."""
        start = last.rows[0].x0
        if row.x0 < start - 3:
            return sentence or (
                before.x1 < self.right - 0.15 * (self.right - self.left) and self._had_room(row, before, last)
            )
        indented = len(last.rows) > 1 and all(other.x0 < start - 3 for other in last.rows[1:])
        return indented and sentence  # only the first lines of items and of paragraphs are set in

    def _had_room(self, row: Row, before: Row, last: Piece) -> bool:
        """Whether the first word of `row` would have found room on the line above, had the paragraph gone on."""
        if row.cells[0].rtl or before.table is not None:
            return False
        right = max(other.x1 for other in last.rows) if len(last.rows) > 1 else self.right
        letters = len(row.text.split(None, 1)[0]) + 1
        return before.x1 + letters * (row.x1 - row.x0) / len(row.text) + row.size < max(right, row.x1)

    def _add_heading(self, row: Row, text: str, level: int, last: Piece | None, before: Row | None) -> None:
        goes_on = (
            last is not None
            and before is not None
            and last.kind == "heading"
            and abs(last.rows[-1].size - row.size) < 0.5
            and (row.cells[0].bold > 0) == (before.cells[0].bold > 0)
            and row.base - before.base < 1.7 * row.size
            and len(last.rows) < 4
            and not is_numbered(text)
            and not self._titled(text)
        )
        if last is not None and last.kind == "heading" and before is not None:
            title = f"{last.text} {text}"
            goes_on = goes_on or bool(self.styles.opens_title(self.page, title) or _CHAPTER.match(last.text))
        if goes_on and last is not None:
            if self._titled(text):
                last.level = min(last.level, level)
            last.add(row, text)
            return
        piece = Piece("heading", row, text)
        piece.level = level
        self.pieces.append(piece)


def _level_runs(pieces: list[Piece]) -> None:
    """Many like headings in a row, with nothing under them, are lines of text set large."""
    start = 0
    for index in range(len(pieces) + 1):
        here = pieces[index] if index < len(pieces) else None
        alike = here is not None and here.kind == "heading" and abs(here.size - pieces[start].size) < 0.5
        if alike and pieces[start].kind == "heading":
            continue
        if index - start >= 4 and not any(is_numbered(piece.text) for piece in pieces[start:index]):
            for piece in pieces[start:index]:
                piece.kind, piece.level = "paragraph", 0
        start = index


def _is_mono(row: Row) -> bool:
    mono = sum([cell.mono for cell in row.cells])
    return mono > 0 and mono >= 0.8 * sum([solid(cell.text) for cell in row.cells])


def join_across(pieces: list[Piece]) -> list[Piece]:
    """Join paragraphs that a column break cut in two; footnotes may stand between the parts."""
    out: list[Piece] = []
    for piece in pieces:
        last = next((p for p in reversed(out[-5:]) if p.kind not in ("footnote", "caption", "table")), None)
        if last is None or not _goes_on(last, piece):
            out.append(piece)
            continue
        last.text = join(last.text, piece.text)
        last.rows.extend(piece.rows)
        last.x0, last.x1 = min(last.x0, piece.x0), max(last.x1, piece.x1)
        last.y0, last.y1 = min(last.y0, piece.y0), max(last.y1, piece.y1)
    return out


def _goes_on(last: Piece, piece: Piece) -> bool:
    return (
        piece.kind == "paragraph"
        and last.kind in ("paragraph", "list")
        and piece.y0 < last.y1 - 20
        and piece.x0 > last.x0
        and abs(last.size - piece.size) < 0.5
        and not ends_sentence(last.text)
        and (piece.text[0].islower() or last.text[-1] in "-\u2010\u00ad–")
    )
