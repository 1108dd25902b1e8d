"""Chapters: from the outline, else from the headings, else from a printed table of contents (checklist A3.36, A3.37).

Every page number lies inside 1..pages. An entry ends where the next one of its own or a higher level starts: on the
page before when that one opens its page, on the same page when it starts further down.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice
from typing import Any, NamedTuple

from services.transformer import contents, dates, keywords, summary
from services.transformer.reading import Block, Reading
from services.transformer.titles import fold, is_contents, is_generic, is_junk

MOST = 2000
LONGEST_TITLE = 300
EVIDENCE = 160
DEEPEST = 3
TEXT_LIMIT = 1_500_000
"""Characters that are read for the summaries and keywords of all chapters together."""

_CAPTION = re.compile(
    r"(?:table|figure|fig\.|tabelle|abbildung|abb\.|tableau|exhibit|tabla|figura)\s*[\dIVX]", re.IGNORECASE
)
_LABEL = re.compile(
    r"(?:chapter|kapitel|chapitre|cap[ií]tulo|capitolo|hoofdstuk|part|teil|partie|parte|appendix|anhang|annexe?|rozdział|глава)"
    r"\s*(?:\d{1,3}|[IVXLC]{1,6}|[A-Z])\.?|第.{1,4}[章部編编]|제?\s?\d{1,3}\s?[장부]",
    re.IGNORECASE,
)


class Mark(NamedTuple):
    """Where a chapter starts: `at` is the index of its heading in its sheet's blocks, -1 when it was not found."""

    level: int
    title: str
    page: int
    at: int


def find(reading: Reading, title: str, authors: list[str], language: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Chapter dicts in order (title, level 1-3, order from 1, startPage, endPage, pageCount, startEvidence, summary,
    keywords) and warnings about what was dropped."""
    warnings: list[str] = []
    marks = _from_rows(reading, reading.outline, warnings, "outline")
    if not marks:
        marks = _from_headings(reading, title, authors)
    if len(marks) < 2 and not reading.outline:
        marks = _from_rows(reading, contents.entries(reading), warnings, "table of contents") or marks
    if len(marks) > MOST:
        warnings.append(f"chapters: {len(marks) - MOST} of {len(marks)} were left out")
        marks = marks[:MOST]
    return _described(reading, marks, language), warnings


def _from_rows(reading: Reading, rows: list[dict[str, Any]], warnings: list[str], source: str) -> list[Mark]:
    """Rows {level, title, page} as marks. A row that leads nowhere is placed by the heading of its title; those without
    a title or a real page are dropped with a warning."""
    index = {sheet.number: sheet.blocks for sheet in reading.sheets}
    headings = {fold(b.text): s.number for s in reversed(reading.sheets) for b in s.blocks if b.kind == "heading"}
    marks: list[Mark] = []
    dropped: list[str] = []
    used: dict[int, int] = {}
    for row in rows[: 2 * MOST]:
        title = " ".join(str(row.get("title") or "").split())[:LONGEST_TITLE]
        level, page = row.get("level"), row.get("page")
        number = page if isinstance(page, int) and 1 <= page <= reading.pages else headings.get(fold(title), 0)
        if not number or not any(c.isalnum() for c in title) or (len(rows) < 3 and is_junk(title)):
            dropped.append(title[:60] or "(no title)")
            continue
        at = _locate(index.get(number, []), title, used.get(number, -1))
        if at >= 0:
            used[number] = at
        marks.append(Mark(level if isinstance(level, int) and level > 0 else 1, title, number, at))
    if dropped:
        warnings.append(f"chapters: {len(dropped)} entries of the {source} have no usable title or page: {dropped[:5]}")
    return marks


def _locate(blocks: list[Block], title: str, after: int) -> int:
    """The block that prints a title, looked for behind the former one first; -1 when none does."""
    wanted = fold(title)
    order: list[int] = [*range(after + 1, len(blocks)), *range(after + 1)] if wanted else []
    for kinds in (("heading",), ("text", "list")):
        for number in order:
            block = blocks[number]
            if block.kind not in kinds or len(block.text) > 2 * len(title) + 40:
                continue
            if _prints(fold(block.text), wanted):
                return number
    return -1


def _prints(line: str, wanted: str) -> bool:
    """Whether a folded line is a folded title, give or take a number or a first part."""
    return line == wanted or (len(wanted) > 5 and line.endswith(wanted)) or (len(line) > 5 and wanted.endswith(line))


def _from_headings(reading: Reading, title: str, authors: list[str]) -> list[Mark]:
    """The transcript's headings without title, page furniture and captions; only top levels when there are many."""
    marks = [
        Mark(block.level, block.text[:LONGEST_TITLE], sheet.number, number)
        for sheet in reading.sheets
        for number, block in enumerate(sheet.blocks)
        if block.kind == "heading" and _is_chapter(block.text) and not any(name in block.text for name in authors)
    ]
    marks = [mark for mark in marks if 1 <= mark.page <= reading.pages]
    repeats = Counter(fold(mark.title) for mark in marks)
    allowed = max(2, len(reading.sheets) // 10)
    own = fold(title)
    marks = [
        m for m in marks if repeats[fold(m.title)] <= allowed and not (own and fold(m.title) in own and m.page < 4)
    ]
    marks = [m for m, n in zip(marks, [*marks[1:], None], strict=False) if not (n and _is_label(m, n))]
    levels = sorted({mark.level for mark in marks})
    most = max(30, 2 * len(reading.sheets))
    while len(levels) > 1 and len(marks) > most:
        levels.pop()
        marks = [mark for mark in marks if mark.level in levels]
    return [mark._replace(level=levels.index(mark.level) + 1) for mark in marks]


def _is_label(mark: Mark, following: Mark) -> bool:
    """Whether a heading is only the "Chapter 3" above the chapter's title."""
    return (following.page, following.at) == (mark.page, mark.at + 1) and bool(_LABEL.fullmatch(mark.title))


def _is_chapter(text: str) -> bool:
    letters = sum(c.isalpha() for c in text)
    if (
        letters < 2
        or len(text) > 200
        or dates.is_date(text)
        or text[-1] in ",;"
        or text[0] in ")]"
        or _CAPTION.match(text)
        or is_contents(text)
    ):
        return False
    return letters >= 0.4 * sum(not c.isspace() for c in text) or is_generic(text)


def _described(reading: Reading, marks: list[Mark], language: str) -> list[dict[str, Any]]:
    index = {sheet.number: sheet.blocks for sheet in reading.sheets}
    top = min((mark.level for mark in marks), default=1)
    limit = max(1500, min(20_000, TEXT_LIMIT // (len(marks) or 1)))
    chapters = []
    for order, mark in enumerate(marks, start=1):
        follower = next((m for m in islice(marks, order, None) if m.level <= mark.level), None)
        end = _end(mark, follower, index, reading.pages)
        upto = marks[order] if order < len(marks) else None
        text = _own_blocks(index, mark, upto, reading.pages, limit)
        body = [block for block in text if block.kind != "heading"]
        chapters.append(
            {
                "title": mark.title,
                "level": min(mark.level - top + 1, DEEPEST),
                "order": order,
                "startPage": mark.page,
                "endPage": end,
                "pageCount": end - mark.page + 1,
                "startEvidence": _evidence(index.get(mark.page, []), mark),
                "summary": summary.first_sentence(body),
                "keywords": keywords.rank("\n".join(b.text for b in body if b.kind != "code"), language, 8),
            }
        )
    return chapters


def _end(mark: Mark, follower: Mark | None, index: dict[int, list[Block]], pages: int) -> int:
    """The last page of a chapter; never before its first, never beyond the document."""
    if follower is None:
        return pages
    opens = follower.at <= 0 or not any(
        sum(c.isalpha() for c in block.text) > 40 for block in index.get(follower.page, [])[: follower.at]
    )
    return max(mark.page, follower.page - 1 if opens else follower.page)


def _own_blocks(index: dict[int, list[Block]], mark: Mark, upto: Mark | None, pages: int, limit: int) -> list[Block]:
    """The blocks from a chapter's heading to the next chapter's, about `limit` characters at most."""
    last = min(upto.page if upto else pages, mark.page + 60)
    found: list[Block] = []
    size = 0
    for page in range(mark.page, max(last, mark.page) + 1):
        blocks = index.get(page, [])
        start = mark.at + 1 if page == mark.page and mark.at >= 0 else 0
        stop = len(blocks)
        if upto and page == upto.page:
            stop = upto.at if upto.at >= 0 else (len(blocks) if page == mark.page else 0)
        for block in blocks[start:stop]:
            found.append(block)
            size += len(block.text)
        if size > limit:
            break
    return found


def _evidence(blocks: list[Block], mark: Mark) -> str:
    """Up to 160 characters copied from the start page: the first prose under the heading, else the heading."""
    following = blocks[max(mark.at, 0) :]
    prose = next(
        (b for b in following[1 if mark.at >= 0 else 0 :][:4] if b.kind == "text" and len(b.source) > 15), None
    )
    chosen = prose or (following[0] if following else None)
    source = chosen.source if chosen else ""
    if len(source) <= EVIDENCE:
        return source
    cut = source[:EVIDENCE]
    return cut[: cut.rfind(" ")] if " " in cut[80:] else cut
