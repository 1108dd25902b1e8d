"""The method `layout`: pages as PyMuPDF's layout model divides them.

The model's package is imported at the first page that needs it: that takes seconds and about 250 MB, which no other
method shall pay.
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pymupdf

from services.extractor.pages import Block, Page
from services.extractor.reader.language import confidence_of, garbled_letters, language_of
from services.extractor.reader.text import clean
from shared.errors import ConfigurationError

_KINDS = {
    "title": "heading",
    "section-header": "heading",
    "list-item": "list",
    "table": "table",
    "caption": "caption",
    "footnote": "footnote",
    "code": "code",
}
_OUTSIDE = {"page-header": "header", "page-footer": "footer"}
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_BREAK = re.compile(r"\s*<br\s*/?>\s*")
_TAG = re.compile(r"</?(?:mark|u|b|i|s|sup|sub|span|em|strong)>")
_STRONG = re.compile(r"(\*\*|~~)(?=\S)(.+?)(?<=\S)\1", re.S)
_EMPHASIS = re.compile(r"(?<![\w*])([_*])(?=\S)(.+?)(?<=\S)\1(?![\w*])", re.S)
_OTHER_TAG = re.compile(r"<(?=[A-Za-z/!])")
_HEADING = re.compile(r"^(#{1,6})\s+")
_RULE = re.compile(r"^\|(?:\s*:?-+:?\s*\|)+$", re.M)


class LayoutReader:
    """Reads pages of one document."""

    def __init__(self, doc: pymupdf.Document) -> None:
        """ConfigurationError layout_unavailable when the model's package is not there."""
        self._doc = doc
        self._package = _package()

    def page(self, number: int, like: Page) -> Page:
        """Sheet `number`, from 1; what the model does not tell is that of `like`, the page as `fast` read it."""
        chunks: list[dict[str, Any]] = self._package.to_markdown(
            self._doc, pages=[number - 1], page_chunks=True, use_ocr=False, force_text=True, show_progress=False
        )
        text: str = chunks[0]["text"]
        parts: list[str] = []
        blocks: list[Block] = []
        outside: dict[str, list[str]] = {"header": [], "footer": []}
        place, last = 0, ""
        for box in chunks[0]["page_boxes"]:
            kind, level, content = _content(box["class"], text[box["pos"][0] : box["pos"][1]])
            if not content:
                continue
            if kind in outside:
                outside[kind].append(content)
                continue
            gap = "" if not parts else "\n" if last == kind == "list" else "\n\n"
            parts += [gap, content]
            x0, y0, x1, y1 = (float(value) for value in box["bbox"])
            blocks.append(Block(kind, (x0, y0, x1, y1), place + len(gap), place + len(gap) + len(content), level))
            place, last = place + len(gap) + len(content), kind
        markdown = "".join(parts)
        language = language_of(markdown)
        return Page(
            number, markdown, len(markdown), confidence_of(markdown, language, garbled_letters(markdown)), language,
            like.width, like.height, like.rotation, blocks, " ".join(outside["header"]) or like.header,
            " ".join(outside["footer"]) or like.footer, like.label,
            [code for code in like.warnings if code not in ("text_turned", "graphics_limit", "outline_disagrees")],
            method="layout",
        )  # fmt: skip


def _package() -> ModuleType:
    try:
        import pymupdf.layout  # noqa: F401  without it pymupdf4llm falls back to its rules of old
        import pymupdf4llm
    except ImportError as error:
        raise ConfigurationError("layout_unavailable") from error
    package: ModuleType = pymupdf4llm
    return package


def _content(label: str, text: str) -> tuple[str, int, str]:
    """Kind, level and text of a box, in the form that the other methods write."""
    kind = _OUTSIDE.get(label) or _KINDS.get(label, "paragraph")
    text = clean_markdown(text)
    if kind == "table":
        return ("table", 0, _table(text)) if _RULE.search(text) else ("paragraph", 0, " ".join(text.split()))
    if kind == "code" or text.startswith("```"):
        return "code", 0, text
    heading = _HEADING.match(text)
    text = _HEADING.sub("", text)
    flat = " ".join(text.split())
    if kind == "heading" and flat:
        level = len(heading.group(1)) if heading else 2
        return "heading", level, f"{'#' * level} {flat}"
    if kind == "list":
        return "list", 0, "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
    return kind, 0, flat.removeprefix("> ")


def clean_markdown(text: str) -> str:
    """`text` without the marks of emphasis, colour and line breaks that the package writes and the others do not."""
    text = _TAG.sub("", _BREAK.sub(" ", _COMMENT.sub("", text)))
    for _ in range(2):
        text = _EMPHASIS.sub(r"\2", _STRONG.sub(r"\2", text))
    lines = [clean(line) for line in text.splitlines()]
    return _OTHER_TAG.sub(r"\\<", "\n".join(lines)).strip()


def _table(text: str) -> str:
    """A pipe table with the spaces that the others write."""
    rows = []
    for line in text.splitlines():
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:].removesuffix("|"))]
        rule = all(cell and set(cell) <= set("-:") for cell in cells)
        rows.append("|" + " --- |" * len(cells) if rule else f"| {' | '.join(cells)} |")
    return "\n".join(rows)
