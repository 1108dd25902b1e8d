"""Blocks written as Markdown, with the span of each."""

from __future__ import annotations

import re

from services.extractor.pages import Block
from services.extractor.reader.grids import Table
from services.extractor.reader.piece import Piece

_TAG = re.compile(r"<(?=[A-Za-z/!])")
_START = re.compile(r"^(#|>|```|~~~)")


def write(pieces: list[Piece]) -> tuple[str, list[Block]]:
    """The Markdown of a page and where each block stands in it."""
    parts: list[str] = []
    blocks: list[Block] = []
    place = 0
    before: Piece | None = None
    for piece in pieces:
        text = _render(piece)
        if not text.strip():
            continue
        if before is not None:
            gap = "\n" if before.kind == piece.kind == "list" else "\n\n"
            parts.append(gap)
            place += len(gap)
        parts.append(text)
        blocks.append(Block(piece.kind, piece.bbox, place, place + len(text), piece.level))
        place += len(text)
        before = piece
    return "".join(parts), blocks


def _render(piece: Piece) -> str:
    if piece.table is not None:
        return render_table(piece.table)
    text = piece.text
    if piece.kind == "code":
        fence = "````" if "```" in text else "```"
        return f"{fence}\n{text}\n{fence}"
    if "<" in text:
        text = _TAG.sub(r"\\<", text)
    if piece.kind == "heading":
        return f"{'#' * piece.level} {text}"
    if piece.kind == "list":
        return "  " * piece.indent + text
    return "\\" + text if _START.match(text) else text


def render_table(table: Table) -> str:
    """A pipe table; its first row is the header."""
    width = max(len(row) for row in table.rows)
    lines = []
    for index, row in enumerate(table.rows):
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in row] + [""] * (width - len(row))
        lines.append(f"| {' | '.join(cells)} |")
        if index == 0:
            lines.append("|" + " --- |" * width)
    return "\n".join(lines)
