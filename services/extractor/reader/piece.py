"""A block under construction, and the words and signs that open one."""

from __future__ import annotations

import re

from services.extractor.pages import Box
from services.extractor.reader.grids import Table
from services.extractor.reader.rows import Row
from services.extractor.reader.sheet import Way
from services.extractor.reader.text import join

BULLET = re.compile(r"^([•●○◦▪■□◆◇►▶➢➤✓✔‣⁃∙\uf000-\uf0ff]|[-–—*·o](?=\s))\s*(?=\S)")
TICK = re.compile(r"^(\[[ x]\])\s(?=\S)")
CAPTION = re.compile(
    r"^(?:table|figure|fig\.|tab\.|abb\.|abbildung|tabelle|exhibit|chart|tableau|figura|tabla|tabella|listing|plate|"
    r"box|scheme|algorithm|grafik|diagramm|図|表|그림|표|图|圖)\s*[\dA-Z(][\w.\-]*",
    re.I,
)


class Piece:
    """A block under construction: its kind, its lines and its place."""

    __slots__ = ("indent", "kind", "level", "lines", "rows", "size", "table", "text", "way", "x0", "x1", "y0", "y1")

    def __init__(self, kind: str, row: Row | Table, text: str = "") -> None:
        self.kind, self.text, self.level, self.indent = kind, text, 0, 0
        self.way: Way | None = None  # where its text runs to when that is not where the sheet's text runs to
        self.table = row if isinstance(row, Table) else None
        self.rows: list[Row] = [row] if isinstance(row, Row) else []
        self.x0, self.y0, self.x1, self.y1 = row.bbox if isinstance(row, Table) else (row.x0, row.y0, row.x1, row.y1)
        self.size = row.size if isinstance(row, Row) else 0.0

    @property
    def bbox(self) -> Box:
        """Where the block stands on the sheet."""
        return (self.x0, self.y0, self.x1, self.y1)

    def add(self, row: Row, text: str) -> None:
        """Let the block go on with another row."""
        self.rows.append(row)
        self.text = f"{self.text}\n{text}" if self.kind == "code" else join(self.text, text)
        self.x0, self.x1 = min(self.x0, row.x0), max(self.x1, row.x1)
        self.y0, self.y1 = min(self.y0, row.y0), max(self.y1, row.y1)


def solid(text: str) -> int:
    """How many characters of `text` are no spaces."""
    return len(text) - text.count(" ")
