"""Chapters of the frontmatter, made usable by the tolerance rules of seed 003: nothing here ever refuses a document.

Order of the rules: default start 1, default end = the given start, clamp both to [1, pages], then end >= start
(`shared.anchors.page_range`). A chapter without text stays a chapter, for its summary. Pages that no chapter covers
are orphan pages and chunked all the same; without any chapter the whole text is (`fulltext`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.anchors import PageText, page_range

EVIDENCE_WORDS = 12
"""Words of a start snippet that are looked for; models often invent the rest."""

MOST_CHAPTERS = 2_000
"""Entries of the frontmatter that are read; a longer list is an accident."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be written to the job's log: `phase` is its log phase, `message` is for people."""

    phase: str
    message: str
    chapter: str = ""


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """A repaired chapter; pages are 1-based and inclusive, `text_pages` are those of them that have text.

    `path` are the titles from the outermost chapter to this one. `evidence` is the given start snippet,
    `evidence_found` whether the first page has it (None: none given); it decides nothing.
    """

    title: str
    path: tuple[str, ...]
    level: int
    start_page: int
    end_page: int
    text_pages: list[int]
    summary: str = ""
    keywords: list[str] = []
    evidence: str = ""
    evidence_found: bool | None = None


class ChapterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the frontmatter says about a body, repaired. `fulltext`: there is no chapter at all."""

    max_page: int
    chapters: list[Chapter]
    orphan_pages: list[int]
    fulltext: bool
    notes: list[Note]


def plan_chapters(meta: Mapping[str, Any], pages: Sequence[PageText], max_page: int) -> ChapterPlan:
    """The plan of a body split into `pages`; `max_page` is `shared.anchors.page_count(body, meta.get("pages"))`."""
    texts: dict[int, str] = {}
    for page in pages:
        if page.text:
            texts.setdefault(page.number, page.text)
    numbers = sorted(texts)
    chapters: list[Chapter] = []
    notes: list[Note] = []
    path: list[tuple[int, str]] = []
    for entry in _entries(meta.get("chapters"), notes):
        chapter, complete = _chapter(entry, path, numbers, texts, max_page)
        chapters.append(chapter)
        notes.extend(_notes(chapter, complete))
    covered = {number for chapter in chapters for number in chapter.text_pages}
    orphans = [number for number in numbers if number not in covered]
    return ChapterPlan(max_page=max_page, chapters=chapters, orphan_pages=orphans, fulltext=not chapters, notes=notes)


def evidence_found(evidence: str, text: str) -> bool | None:
    """Whether the words of a start snippet follow each other in the text, whatever stands between; None without any."""
    words = re.findall(r"\w+", evidence)[:EVIDENCE_WORDS]
    if not words:
        return None
    return re.search(r"\b" + r"\W+".join(map(re.escape, words)), text, re.IGNORECASE) is not None


def _entries(value: object, notes: list[Note]) -> list[Mapping[str, Any]]:
    """The usable entries of the frontmatter's `chapters`; what is no chapter is noted and left out."""
    if value is None:
        return []
    if not isinstance(value, list):
        notes.append(Note(phase="chapters_malformed", message="chapters of the frontmatter is no list"))
        return []
    usable = [entry for entry in value if isinstance(entry, Mapping)][:MOST_CHAPTERS]
    if len(usable) < len(value):
        message = f"{len(value) - len(usable)} of {len(value)} chapters were left out: no objects, or too many"
        notes.append(Note(phase="chapters_malformed", message=message))
    return usable


def _chapter(
    entry: Mapping[str, Any], path: list[tuple[int, str]], numbers: list[int], texts: dict[int, str], max_page: int
) -> tuple[Chapter, bool]:
    """One chapter and whether its range was complete; `path` is the open outline and is moved on."""
    title, level = _text(entry.get("title")), _level(entry.get("level"))
    while path and path[-1][0] >= level:
        path.pop()
    path.append((level, title))
    span = page_range(entry.get("startPage"), entry.get("endPage"), max_page)
    own = numbers[bisect_left(numbers, span.start) : bisect_right(numbers, span.end)]
    evidence = _text(entry.get("startEvidence"))
    keywords = entry.get("keywords")
    chapter = Chapter(
        title=title,
        path=tuple(name for _, name in path if name),
        level=level,
        start_page=span.start,
        end_page=span.end,
        text_pages=own,
        summary=_text(entry.get("summary")),
        keywords=[_text(word) for word in keywords] if isinstance(keywords, list) else [],
        evidence=evidence,
        evidence_found=evidence_found(evidence, texts.get(span.start, "")),
    )
    return chapter, span.complete


def _notes(chapter: Chapter, complete: bool) -> list[Note]:
    """At most one `chapters_page_not_found` a chapter, and one word about evidence that is not where it should be."""
    notes: list[Note] = []
    where = f"pages {chapter.start_page}-{chapter.end_page}"
    if not complete:
        message = f"page range is incomplete, took {where}"
        notes.append(Note(phase="chapters_page_not_found", message=message, chapter=chapter.title))
    elif not chapter.text_pages:
        message = f"no text on {where}"
        notes.append(Note(phase="chapters_page_not_found", message=message, chapter=chapter.title))
    if chapter.evidence_found is False and chapter.text_pages:
        message = f"start snippet is not on page {chapter.start_page}"
        notes.append(Note(phase="chapters_evidence_not_found", message=message, chapter=chapter.title))
    return notes


def _text(value: object) -> str:
    """A value as one line of text; None and structures are none."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return " ".join(str(value).split())
    return ""


def _level(value: object) -> int:
    """Depth in the outline, 1 (outermost) to 9; whatever cannot be read is 1."""
    try:
        return min(max(int(str(value)), 1), 9)
    except ValueError:
        return 1
