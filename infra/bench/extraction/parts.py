"""What the scores look at: the running text, the headings and the table cells of a Markdown text.

Deliberately no Markdown parser: peers write Markdown of many habits, references are often plain text, and a parser
would judge the dialect instead of the content.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import NamedTuple

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z][^>]{0,80}>")
_BROKEN_WORD = re.compile(r"(?<=\w)[-\u00ad]\n\s*(?=[a-zäöüß])")
_MARKS = re.compile(r"[|#*_`~\\]+")
_RULES = re.compile(r"[-=]{3,}|\.{3,}|(?:\. ){3,}")
_SPACE = re.compile(r"\s+")
_UNSPACED = re.compile(r"[\u3040-\u9fff\uac00-\ud7af]")
_NUMBERING = re.compile(
    r"(?:(?:chapter|kapitel|appendix|anhang|section)\s+)?(?:[0-9A-Z]{1,2}(?:\.[0-9]+)*[.)]?\s+)?", re.IGNORECASE
)
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"\s{0,3}(#{1,6})(?:\s+|$)")
_HTML_CELL = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL)
_DELIMITER = re.compile(r"[\s|:+-]*")


class Heading(NamedTuple):
    """A heading's title, without numbering and in small letters, and its level from 1."""

    title: str
    level: int


def plain(text: str) -> str:
    """The words of `text` in their order: no front matter, marks, tags, rules or line breaks; broken words whole."""
    text = _FRONT_MATTER.sub("", text)
    text = _PICTURE.sub(" ", _COMMENT.sub(" ", text))
    text = _TAG.sub(" ", _LINK.sub(r"\1", text))
    text = html.unescape(_BROKEN_WORD.sub("", text)) if "&" in text else _BROKEN_WORD.sub("", text)
    text = _RULES.sub(" ", _MARKS.sub(" ", text))
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip()


def words(text: str) -> list[str]:
    """The words of a plain text in small letters; pairs of characters for scripts without spaces."""
    found: list[str] = []
    for word in re.findall(r"\w+", text.lower()):
        if _UNSPACED.search(word) and len(word) > 1:
            found.extend(word[i : i + 2] for i in range(len(word) - 1))
        else:
            found.append(word)
    return found


def title(line: str) -> str:
    """A heading's text made comparable: numbering, marks and case do not count."""
    text = plain(line.lstrip(" \t#*"))
    return text[_NUMBERING.match(text).end() :].lower().strip(" *.")  # type: ignore[union-attr]


def headings(markdown: str) -> list[Heading]:
    """The headings of `markdown` in their order, comments in code left out."""
    marked = [(match, line) for line in _outside_fences(markdown) if (match := _HEADING.match(line))]
    return [Heading(text, len(match.group(1))) for match, line in marked if (text := title(line))]


def _outside_fences(markdown: str) -> list[str]:
    lines, fence = [], ""
    for line in markdown.splitlines():
        match = _FENCE.match(line)
        if fence:
            if match and match.group(1).startswith(fence):
                fence = ""
        elif match:
            fence = match.group(1)
        else:
            lines.append(line)
    return lines


def cell(text: str) -> str:
    """A cell's letters and digits in small letters; empty cells and ornaments give nothing."""
    return re.sub(r"\W+", "", plain(text).lower())


def cells(markdown: str) -> list[str]:
    """The filled cells of all Markdown and HTML tables."""
    found = [cell(text) for text in _HTML_CELL.findall(markdown)]
    for line in markdown.splitlines():
        if line.count("|") >= 2 and not _DELIMITER.fullmatch(line):
            found.extend(cell(text) for text in line.split("|"))
    return [text for text in found if text]
