"""A transcript as the analysis sees it: sheets of plain blocks, without page furniture and Markdown marks.

Headers and footers come from the rows of pages.jsonl; Markdown that is no prose (images, tables, code) keeps its kind,
so that titles, names and sentences are only looked for where they can be.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from shared.anchors import page_count, split_pages, unescape_anchors

_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+([^\n]*)")
_LIST = re.compile(r"[ \t]{0,8}(?:[-*+•‣▪●○–]|[0-9]{1,3}[.)])[ \t]+(?=\S)")
_BULLET = re.compile(r"[ \t]{0,8}[-*+•‣▪●○–][ \t]+")
_RULE = re.compile(r"[ \t]*[-*_|=:+ \t]{3,}\Z")
_IMAGE = re.compile(r"!\[[^\[\]\n]{0,300}\]\([^()\n]{0,500}\)")
_LINK = re.compile(r"\[([^\[\]\n]{1,300})\]\([^()\n]{0,500}\)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|<>~$])")
_TAG = re.compile(r"</?(?:br|b|i|u|sup|sub|em|strong|span|p|div)\b[^<>\n]{0,80}>", re.IGNORECASE)
_STAR = re.compile(r"\*{1,3}(?=\S)([^*\n]{1,400}?)(?<=\S)\*{1,3}")
_UNDERSCORE = re.compile(r"(?<!\w)_{1,3}(?=\S)([^_\n]{1,400}?)(?<=\S)_{1,3}(?!\w)")
_SPACE = re.compile(r"\s+")
BLOCK_LIMIT = 20_000
"""Characters of one block that are analyzed."""


class Block(NamedTuple):
    """One piece of a sheet. `kind` is heading, text, list, table or code; `level` 1-6 for headings, else 0;
    `text` is plain, on one line; `source` is the first line as it stands in the transcript."""

    kind: str
    level: int
    text: str
    source: str


class Sheet(NamedTuple):
    """One physical page, counted from 1."""

    number: int
    blocks: list[Block]


class Reading(NamedTuple):
    """The whole document: sheets in order, `pages` as declared, PDF metadata, outline rows, folio by sheet,
    and the headers and footers of the first sheets."""

    sheets: list[Sheet]
    pages: int
    metadata: dict[str, str]
    outline: list[dict[str, Any]]
    labels: dict[int, str]
    margins: list[Block]

    def front(self, sheets: int = 3) -> list[Sheet]:
        """The first sheets that hold text."""
        return [sheet for sheet in self.sheets[:20] if sheet.blocks][:sheets]


def read(transcript: str, info: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Reading:
    """The transcript in blocks. Missing or misshapen facts in `info` and `rows` count as absent."""
    furniture = {
        int(row["number"]): {
            plain(line) for key in ("header", "footer") for line in str(row.get(key) or "").split("\n")
        }
        for row in rows
        if isinstance(row.get("number"), int)
    }
    labels = {int(r["number"]): str(r.get("label") or "") for r in rows if isinstance(r.get("number"), int)}
    preamble, pages = split_pages(transcript)
    sheets = [Sheet(page.number, blocks(page.text, furniture.get(page.number, set()))) for page in pages]
    if preamble and sheets:
        sheets[0].blocks[:0] = blocks(preamble, set())
    metadata = {str(k): plain(str(v)) for k, v in (info.get("metadata") or {}).items() if v}
    outline = [dict(entry) for entry in info.get("outline") or [] if isinstance(entry, Mapping)]
    margins = [Block("text", 0, line, line) for n in sorted(furniture)[:4] for line in sorted(furniture[n]) if line]
    return Reading(sheets, page_count(transcript, info.get("pages")), metadata, outline, labels, margins)


def blocks(markdown: str, furniture: set[str]) -> list[Block]:
    """The blocks of one page, without lines that equal its header or footer."""
    found: list[Block] = []
    lines: list[str] = []
    fenced = False

    def flush(kind: str) -> None:
        text = plain(" ".join(lines)[:BLOCK_LIMIT])
        if text:
            found.append(Block(kind, 0, text, lines[0].strip()))
        lines.clear()

    for line in unescape_anchors(markdown).split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            flush("code" if fenced else "text")
            fenced = not fenced
            continue
        if fenced:
            lines.append(line)
            continue
        kind = _kind(line)
        if kind != "more":
            flush("text")
        if kind == "blank" or (furniture and plain(line) in furniture):
            continue
        if kind == "heading":
            match = _HEADING.match(line)
            text = plain(match.group(2).rstrip("# \t")) if match else ""
            if match and text:
                found.append(Block("heading", len(match.group(1)), text, line.strip()))
            continue
        lines.append(_BULLET.sub("", line) if kind == "list" else line)
        if kind in ("table", "list"):
            flush(kind)
    flush("code" if fenced else "text")
    return found


def plain(text: str) -> str:
    """The text without Markdown and inline HTML marks, white space made single."""
    if "![" in text:
        text = _IMAGE.sub(" ", text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    if "*" in text:
        text = _STAR.sub(r"\1", text)
    if "_" in text:
        text = _UNDERSCORE.sub(r"\1", text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "\\" in text:
        text = _ESCAPE.sub(r"\1", text)
    if "&" in text:
        text = html.unescape(text)
    return _SPACE.sub(" ", text).strip()


def _kind(line: str) -> str:
    """What a line starts: blank, heading, table, list, or `more` of the block before it."""
    stripped = line.strip()
    if not stripped or (_RULE.match(line) and not any(c.isalnum() for c in line)):
        return "blank"
    if stripped.startswith("#") and _HEADING.match(line):
        return "heading"
    if stripped.startswith("|") and stripped.count("|") > 1:
        return "table"
    return "list" if _LIST.match(line) else "more"
