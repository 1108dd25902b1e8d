"""Rows become blocks: headings, paragraphs, lists, tables, captions, code and footnotes."""

from __future__ import annotations

import re

from services.extractor.pages import Box
from services.extractor.reader.grids import Table
from services.extractor.reader.rows import Row
from services.extractor.reader.styles import Styles, is_numbered
from services.extractor.reader.tables import Item, find_tables
from services.extractor.reader.text import join, shorten_leaders

_BULLET = re.compile(r"^([•●○◦▪■□◆◇►▶➢➤✓✔‣⁃∙\uf000-\uf0ff]|[-–—*·o](?=\s))\s*(?=\S)")
_NUMBER = re.compile(r"^(\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)])\s+(?=\S)")
_CAPTION = re.compile(
    r"^(?:table|figure|fig\.|tab\.|abb\.|abbildung|tabelle|exhibit|chart|tableau|figura|tabla|tabella|listing|plate|"
    r"box|scheme|algorithm|grafik|diagramm|図|表|그림|표|图|圖)\s*[\dA-Z(][\w.\-]*",
    re.I,
)
_FOOTNOTE = re.compile(r"^(?:\d{1,3}[).]?|[*†‡§¶]+|[¹²³⁴-⁹]+|[a-z](?=\s)|\(\d{1,2}\))\s*\S")
_CHAPTER = re.compile(
    r"^(?:chapter|kapitel|appendix|anhang|part|teil|chapitre|cap[ií]tulo|capitolo|annexe?)\s+[\dA-Z]{1,4}$", re.I
)
_LABEL = re.compile(r"^\w+\.?\s?[\dA-Z][\w.\-]{0,6}[.:]?$")
_ADDRESS = re.compile(r"@|^(?:https?://|www\.)")
_SENTENCE_END = re.compile(r"[.!?:;。！？：؟…][\"'”’)»\]]*$")


class Piece:
    """A block under construction: its kind, its lines and its place."""

    __slots__ = ("indent", "kind", "level", "lines", "rows", "size", "table", "text", "x0", "x1", "y0", "y1")

    def __init__(self, kind: str, row: Row | Table, text: str = "") -> None:
        self.kind, self.text, self.level, self.indent = kind, text, 0, 0
        self.table = row if isinstance(row, Table) else None
        self.rows: list[Row] = [row] if isinstance(row, Row) else []
        self.x0, self.y0, self.x1, self.y1 = row.bbox if isinstance(row, Table) else (row.x0, row.y0, row.x1, row.y1)
        self.size = row.size if isinstance(row, Row) else 0.0

    @property
    def bbox(self) -> Box:
        """Where the block stands on the sheet."""
        return (round(self.x0, 1), round(self.y0, 1), round(self.x1, 1), round(self.y1, 1))

    def add(self, row: Row, text: str) -> None:
        """Let the block go on with another row."""
        self.rows.append(row)
        self.text = f"{self.text}\n{text}" if self.kind == "code" else join(self.text, text)
        self.x0, self.x1 = min(self.x0, row.x0), max(self.x1, row.x1)
        self.y0, self.y1 = min(self.y0, row.y0), max(self.y1, row.y1)


class Region:
    """The rows of one column on their way to blocks."""

    def __init__(self, rows: list[Row], styles: Styles, page: int, height: float) -> None:
        self.rows, self.styles, self.page, self.height = rows, styles, page, height
        plain = [row for row in rows if row.table is None]
        self.left = min((row.x0 for row in plain), default=0.0)
        self.right = max((row.x1 for row in plain), default=0.0)
        self.pitches = _pitches(plain)
        self.pieces: list[Piece] = []

    def pitch(self, row: Row) -> float:
        """The distance from line to line that is usual for the type of `row`."""
        return max(self.pitches.get(round(row.size), 1.2 * row.size), 1.05 * row.size)

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
        return self.pieces

    def _place(self, row: Row, before: Row | None, after: Row | None) -> None:
        text = shorten_leaders(row.text)
        last = self.pieces[-1] if self.pieces and before is not None else None
        if _is_mono(row) and not self._titled(text) and not _ADDRESS.search(text):
            self._code(row, last)
            return
        fresh = last is None or before is None or self._breaks(row, before, last, text)
        if last is not None and last.kind == "caption" and _LABEL.match(last.text) and not _SENTENCE_END.search(text):
            last.add(row, text)
            return
        level = self._heading(row, before, after, text, last)
        if level:
            self._add_heading(row, text, level, last, before)
            return
        if _CAPTION.match(text) and (fresh or len(text) < 60):
            self.pieces.append(Piece("caption", row, text))
            return
        if text.count(" ... ") and text[-1].isdigit():  # an entry of a table of contents
            self.pieces.append(Piece("list", row, "- " + text))
        elif fresh or (last is not None and last.kind in ("heading", "code", "table")):
            self._start(row, text, last)
        elif last is not None:
            last.add(row, text)

    def _titled(self, text: str) -> bool:
        return bool(self.styles.outline_level(self.page, text))

    def _start(self, row: Row, text: str, last: Piece | None) -> None:
        bullet = _BULLET.match(text)
        number = None if bullet else _NUMBER.match(text)
        if bullet and len(text) > bullet.end():
            piece = Piece("list", row, "- " + text[bullet.end() :])
        elif row.size < 0.93 * self.styles.body and row.y0 > 0.5 * self.height and _FOOTNOTE.match(text):
            piece = Piece("footnote", row, text)
        elif number:
            piece = Piece("list", row, f"{number.group(1)} {text[number.end() :]}")
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
        width = max(1.0, row.cells[0].x1 - row.cells[0].x0) / max(1, len(row.cells[0].text))
        text, end = "", self.left
        for cell in row.cells:
            text += " " * max(1 if text else 0, min(60, round((cell.x0 - end) / width))) + cell.text
            end = cell.x1
        if last is not None and last.kind == "code":
            last.add(row, text)
        else:
            self.pieces.append(Piece("code", row, text))

    def _breaks(self, row: Row, before: Row, last: Piece, text: str) -> bool:
        """Whether a new block starts at `row`."""
        step = row.base - before.base
        if step > 1.32 * self.pitch(row) or step < -2 or abs(row.size - before.size) > 0.12 * before.size:
            return True
        if _BULLET.match(text):
            return True
        if _NUMBER.match(text) and (last.kind == "list" or _SENTENCE_END.search(last.text) is not None):
            return True
        if last.kind in ("footnote",) and _FOOTNOTE.match(text) and abs(row.x0 - last.rows[0].x0) < 4:
            return True
        if last.kind == "list":
            ended = (
                before.x1 < self.right - 0.15 * (self.right - self.left) or _SENTENCE_END.search(last.text) is not None
            )
            return row.x0 < last.rows[0].x0 - 3 and ended
        width = self.right - self.left
        short = before.x1 < self.right - max(0.22 * width, 20)
        indented = row.x0 > before.x0 + 0.8 * row.size and row.x0 < before.x0 + 5 * row.size
        if row.cells[0].rtl:
            short = before.x0 > self.left + max(0.22 * width, 20)
            indented = row.x1 < before.x1 - 0.8 * row.size
        if indented and (len(last.rows) > 1 or _SENTENCE_END.search(last.text)) and before.x0 < self.left + 0.5 * width:
            return True
        return short and (_SENTENCE_END.search(last.text) is not None or not text[0].islower()) and width > 100

    def _heading(self, row: Row, before: Row | None, after: Row | None, text: str, last: Piece | None) -> int:
        """The level of `row` as a heading, or 0."""
        styles = self.styles
        if len(text) > 200 or len(row.cells) > 2 or not any(map(str.isalpha, text)):
            return 0
        level = styles.outline_level(self.page, text) or self._part_of_title(row, text, last)
        if level:
            return min(level, 6)
        if (
            text[0] in "#$%>@"
            or _CAPTION.match(text)
            or _BULLET.match(text)
            or text.count(" ... ")
            or text[-1] in ",;。，；"
        ):
            return 0
        bold = sum(cell.bold for cell in row.cells) >= 0.85 * len(text)
        if styles.is_large(row):
            if row.size < 1.25 * styles.body and not bold and self._among_alike(row, before, after, last):
                return 0
            return styles.level(row.size, bold, text)
        if row.size < 0.93 * styles.body or text[0].islower():
            return 0
        return self._small_heading(row, before, after, text, last, bold)

    def _part_of_title(self, row: Row, text: str, last: Piece | None) -> int:
        """The level of a title of the outline that takes several lines."""
        if last is not None and last.kind == "heading" and self.styles.opens_title(self.page, f"{last.text} {text}"):
            return last.level
        if row.size > self.styles.body or row.cells[0].bold or row.cells[0].font != self.styles.font:
            return self.styles.opens_title(self.page, text)
        return 0

    def _among_alike(self, row: Row, before: Row | None, after: Row | None, last: Piece | None) -> bool:
        """Whether `row` stands in a paragraph of its own size."""
        if before is not None and last is not None and last.kind != "heading" and abs(before.size - row.size) < 0.3:
            return row.base - before.base < 1.5 * row.size
        alike = after is not None and abs(after.size - row.size) < 0.3 and after.base - row.base < 1.5 * row.size
        return alike and len(row.text) > 70

    def _small_heading(
        self, row: Row, before: Row | None, after: Row | None, text: str, last: Piece | None, bold: bool
    ) -> int:
        """A heading in body size: set apart by weight, by numbering in another font, or in capitals."""
        styles = self.styles
        spaced = (
            before is None or last is None or last.kind == "heading" or row.base - before.base > 1.25 * self.pitch(row)
        )
        italic = sum(cell.italic for cell in row.cells) >= 0.85 * len(text)
        other_font = row.cells[0].font != styles.font
        fits = row.x1 < self.right - 0.1 * (self.right - self.left) or after is None or row.x0 > self.left + row.size
        if len(text) > 120 or text.endswith(".") and len(text) > 60:
            return 0
        alike = after is not None and after.cells[0].font == row.cells[0].font and abs(after.size - row.size) < 0.3
        if bold and not styles.bold_body and (spaced or not alike):
            return styles.level(row.size, True, text)
        if is_numbered(text) and (italic or other_font) and spaced and not alike:
            return styles.level(row.size - 0.5, False, text)
        letters = [char for char in text if char.isalpha()]
        capitals = len(letters) > 4 and all(char.isupper() for char in letters) and text.isupper()
        if text[-1] in ".:" or len(text) > 70 or not spaced or not fits:
            return 0
        if capitals and not (after is not None and after.text.isupper()):
            return styles.level(row.size - 0.2, False, text)
        if (
            italic
            and after is not None
            and not alike
            and text[0].isupper()
            and row.x1 - row.x0 < 0.6 * (self.right - self.left)
        ):
            return styles.level(row.size - 0.4, False, text)
        return 0

    def _add_heading(self, row: Row, text: str, level: int, last: Piece | None, before: Row | None) -> None:
        goes_on = (
            last is not None
            and before is not None
            and last.kind == "heading"
            and abs(last.size - row.size) < 0.5
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
            last.add(row, text)
            return
        piece = Piece("heading", row, text)
        piece.level = level
        self.pieces.append(piece)


def _pitches(rows: list[Row]) -> dict[int, float]:
    """The usual distance of lines, for each type size."""
    steps: dict[int, list[float]] = {}
    for above, row in zip(rows, rows[1:], strict=False):
        step = row.base - above.base
        if abs(above.size - row.size) < 1 and 2 < step < 3 * row.size:
            steps.setdefault(round(row.size), []).append(step)
    return {size: sorted(found)[len(found) // 3] for size, found in steps.items()}


def _is_mono(row: Row) -> bool:
    return sum(cell.mono for cell in row.cells) >= 0.8 * sum(len(cell.text) for cell in row.cells)


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
        and not _SENTENCE_END.search(last.text)
        and (piece.text[0].islower() or last.text[-1] in "-\u2010\u00ad–")
    )
