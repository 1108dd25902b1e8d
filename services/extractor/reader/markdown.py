"""Blocks written as Markdown, with the span of each."""

from __future__ import annotations

import re

from services.extractor.pages import Block
from services.extractor.reader.grids import Table
from services.extractor.reader.links import links_of, place_of, with_links
from services.extractor.reader.piece import Piece
from services.extractor.reader.sheet import Link, Sheet

_TAG = re.compile(r"<(?=[A-Za-z/!])")
_START = re.compile(r"^(#|>|[*+-]\s|```|~~~|\[[^\]]{1,200}\]:)")


def write(pieces: list[Piece], sheet: Sheet) -> tuple[str, list[Block]]:
    """The Markdown of a page and where each block stands in it and on the page as a viewer shows it."""
    parts: list[str] = []
    blocks: list[Block] = []
    place = 0
    before: Piece | None = None
    for piece in pieces:
        text = _render(piece, links_of(piece, sheet.links) if sheet.links and not piece.way else [])
        if not text.strip():
            continue
        if before is not None:
            gap = "\n" if before.kind == piece.kind == "list" else "\n\n"
            parts.append(gap)
            place += len(gap)
        parts.append(text)
        box = sheet.box_shown(piece.bbox, piece.way or sheet.turn)
        blocks.append(Block(piece.kind, box, place, place + len(text), piece.level))
        place += len(text)
        before = piece
    return "".join(parts), blocks


def _render(piece: Piece, links: list[Link]) -> str:
    if piece.table is not None:
        return render_table(piece.table, links)
    text = piece.text
    if piece.kind == "code":
        fence = "````" if "```" in text else "```"
        return f"{fence}\n{text}\n{fence}"
    text = _defused(text)
    if links:
        text = with_links(text, links, [place_of(piece, link) for link in links])
    if piece.kind == "heading":
        return f"{'#' * piece.level} {text}"
    if piece.kind == "list":
        return "  " * piece.indent + text
    return "\\" + text if _START.match(text) else text


def _defused(text: str) -> str:
    """`text` without what Markdown would take for a tag or for a link: neither is on the page."""
    if "<" in text:
        text = _TAG.sub(r"\\<", text)
    return text.replace("](", "]\\(") if "](" in text else text


def render_table(table: Table, links: list[Link]) -> str:
    """A pipe table; its first row is the header. A link goes to the first cell that holds its words."""
    width = max(len(row) for row in table.rows)
    lines = []
    for index, row in enumerate(table.rows):
        cells = [_defused(cell).replace("|", "\\|").replace("\n", " ") for cell in row] + [""] * (width - len(row))
        if links:
            cells = [_linked(cell, links) for cell in cells]
        lines.append(f"| {' | '.join(cells)} |")
        if index == 0:
            lines.append("|" + " --- |" * width)
    return "\n".join(lines)


def _linked(cell: str, links: list[Link]) -> str:
    """`cell` with the first of `links` whose words it holds; that link is used up."""
    for link in links:
        if link.text in cell:
            links.remove(link)
            return with_links(cell, [link], [0.0])
    return cell
