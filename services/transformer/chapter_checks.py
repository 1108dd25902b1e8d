"""Chapters that a model has named, held against the document: real pages only, nonsense dropped loudly (A3.38, A1.39).

Models give printed folios where sheets are asked for. A title that stands on the sheet which prints the given number,
and not on the sheet of that number, shows it; when most of an answer does, its other pages are folios as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from services.transformer import folios
from services.transformer.chapters import DEEPEST, EVIDENCE, LONGEST_TITLE, MOST
from services.transformer.reading import Reading
from services.transformer.titles import fold

SUMMARY_MOST = 1000
KEYWORDS_MOST = 12


class Checked(NamedTuple):
    """Usable chapters in the order of the document, and sentences about what was changed or dropped."""

    chapters: list[dict[str, Any]]
    warnings: list[str]


def check(reading: Reading, answered: Sequence[dict[str, Any]]) -> Checked:
    """The chapters of an answer (answer_schema.CHAPTER) with title, level 1-3, order, startPage, endPage, pageCount,
    startEvidence, summary and keywords; every page lies in 1..pages."""
    warnings: list[str] = []
    texts = {sheet.number: fold(" ".join(block.text for block in sheet.blocks)) for sheet in reading.sheets}
    shifted = _are_folios(reading, texts, answered)
    if shifted:
        warnings.append("chapters: the page numbers of the answer were printed ones and have been converted")
    kept: list[dict[str, Any]] = []
    dropped: list[str] = []
    for chapter in answered[: 2 * MOST]:
        title = " ".join(str(chapter.get("title") or "").split())[:LONGEST_TITLE]
        start = _page(chapter.get("startPage"), reading, shifted)
        if start is None:
            start = _standing(texts, title)
        if start is None or not any(c.isalnum() for c in title):
            dropped.append(f"{title[:60] or '(no title)'} (page {chapter.get('startPage')})")
            continue
        kept.append({**chapter, "title": title, "start": start, "end": _page(chapter.get("endPage"), reading, shifted)})
    if dropped:
        warnings.append(
            f"chapters: {len(dropped)} have no page within 1..{reading.pages} and were dropped: {dropped[:5]}"
        )
    kept.sort(key=lambda chapter: int(chapter["start"]))
    kept = _without_repeats(kept)[:MOST]
    chapters = [_finished(kept, at, reading) for at in range(len(kept))]
    strange = [c["title"][:60] for c in chapters if c["startEvidence"] and not _stands(texts, c)]
    if strange:
        warnings.append(f"chapters: the evidence of {len(strange)} does not stand on their pages: {strange[:5]}")
    return Checked(chapters, warnings)


def _are_folios(reading: Reading, texts: dict[int, str], answered: Sequence[dict[str, Any]]) -> bool:
    if folios.offset_of(reading.labels) in (None, 0):
        return False
    as_sheet = as_folio = 0
    for chapter in answered[:200]:
        title, page = fold(str(chapter.get("title") or "")), chapter.get("startPage")
        if not isinstance(page, int) or len(title) < 4:
            continue
        sheet = folios.sheet_of(page, reading.labels, reading.pages)
        here, there = title in texts.get(page, ""), title in texts.get(sheet or 0, "")
        as_sheet += here and not there
        as_folio += there and not here
    return as_folio > as_sheet


def _page(page: object, reading: Reading, shifted: bool) -> int | None:
    if not isinstance(page, int) or isinstance(page, bool):
        return None
    if shifted:
        return folios.sheet_of(page, reading.labels, reading.pages)
    return page if 1 <= page <= reading.pages else None


def _standing(texts: dict[int, str], title: str) -> int | None:
    """The only sheet that prints the title."""
    wanted = fold(title)
    found = [number for number, text in texts.items() if len(wanted) >= 4 and wanted in text]
    return found[0] if len(found) == 1 else None


def _stands(texts: dict[int, str], chapter: dict[str, Any]) -> bool:
    evidence = fold(chapter["startEvidence"])
    return any(evidence in texts.get(page, "") for page in (chapter["startPage"], chapter["startPage"] + 1))


def _without_repeats(chapters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: set[tuple[str, int]] = set()
    kept = []
    for chapter in chapters:
        key = (fold(chapter["title"]), chapter["start"])
        if key not in seen:
            seen.add(key)
            kept.append(chapter)
    return kept


def _level(chapter: dict[str, Any]) -> int:
    level = chapter.get("level")
    return min(max(level, 1), DEEPEST) if isinstance(level, int) else 1


def _finished(chapters: list[dict[str, Any]], at: int, reading: Reading) -> dict[str, Any]:
    chapter = chapters[at]
    start, end = int(chapter["start"]), chapter["end"]
    if not isinstance(end, int) or end < start:
        following = next((c for c in chapters[at + 1 :] if _level(c) <= _level(chapter)), None)
        end = max(start, int(following["start"]) - 1) if following else reading.pages
    keywords = [" ".join(str(word).split())[:100] for word in chapter.get("keywords") or []]
    return {
        "title": chapter["title"],
        "level": _level(chapter),
        "order": at + 1,
        "startPage": start,
        "endPage": end,
        "pageCount": end - start + 1,
        "startEvidence": str(chapter.get("startEvidence") or "")[:EVIDENCE],
        "summary": str(chapter.get("summary") or "")[:SUMMARY_MOST],
        "keywords": [word for word in keywords if word][:KEYWORDS_MOST],
    }
