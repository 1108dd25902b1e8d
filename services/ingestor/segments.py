"""Which text belongs to which chapter: the body cut into segments that are chunked one by one.

Ranges are pages, but chapters begin in the middle of one. Where the headings of all chapters that share a page are
found on it, the page is cut there; otherwise each of them keeps the whole page (overlap is kept). An outer chapter
gives its pages up to the inner one. Every character of every page is in at least one segment.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from services.ingestor.chapters import ChapterPlan
from shared.anchors import PageText
from shared.pictures import without_references

NO_PAGE = 0
"""Page number of the text before the first anchor: it is kept, but no page is known for it."""
_LINE = re.compile(r"^[^\n\r]{1,300}$", re.MULTILINE)
_NUMBERING = re.compile(r"^\W*\d+(?:\.\d+)*\W+")


class Part(NamedTuple):
    """A stretch of one page: characters `[start, end)` of the body."""

    page: int
    start: int
    end: int


class Segment(msgspec.Struct, frozen=True):
    """Text that is chunked by itself: a chapter's, or what no chapter covers (`path` empty)."""

    path: tuple[str, ...]
    parts: list[Part]


def segments(body: str, preamble: str, pages: Sequence[PageText], plan: ChapterPlan) -> list[Segment]:
    """The segments in the order of the text; those of identical text are given once, under the first chapter."""
    cut = _Cutter(plan)
    owned: dict[int, list[Part]] = defaultdict(list)
    loose: list[list[Part]] = [[]]
    if preamble:
        start = len(body) - len(body.lstrip())
        loose[0].append(Part(NO_PAGE, start, start + len(preamble)))
    for page in pages:
        if not without_references(page.text).strip():
            continue  # pictures alone are no text
        shares = list(cut.shares(page))
        if not shares:
            loose[-1].append(Part(page.number, page.start, page.end))
        elif loose[-1]:
            loose.append([])
        for chapter, start, end in shares:
            if body[start:end].strip():
                owned[chapter].append(Part(page.number, start, end))
    found = [Segment((), parts) for parts in loose if parts]
    found += [Segment(plan.chapters[chapter].path, parts) for chapter, parts in sorted(owned.items())]
    return _in_order(found)


def _in_order(found: list[Segment]) -> list[Segment]:
    unique = {tuple(segment.parts): segment for segment in reversed(found)}
    return sorted(unique.values(), key=lambda segment: segment.parts[0].start)


class _Cutter:
    """Shares a page out among the chapters whose range covers it."""

    def __init__(self, plan: ChapterPlan) -> None:
        self.chapters = plan.chapters
        self.owners: dict[int, list[int]] = defaultdict(list)
        self.ancestors: list[frozenset[int]] = []
        stack: list[int] = []
        for index, chapter in enumerate(plan.chapters):
            while stack and plan.chapters[stack[-1]].level >= chapter.level:
                stack.pop()
            self.ancestors.append(frozenset(stack))
            stack.append(index)
            for number in chapter.text_pages:
                self.owners[number].append(index)

    def shares(self, page: PageText) -> Iterator[tuple[int, int, int]]:
        """(chapter, start, end) in characters of the body; nothing when no chapter covers the page."""
        owners = self.owners.get(page.number, [])
        if len(owners) == 1:
            yield owners[0], page.start, page.end
            return
        starting = [i for i in owners if self.chapters[i].start_page == page.number]
        marks = self._marks(page, starting) if starting else []
        if not marks:
            for index in self._leaves(owners):
                yield index, page.start, page.end
            return
        yield from self._cut(page, owners, marks)

    def _cut(self, page: PageText, owners: list[int], marks: list[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
        """The page between the headings found; before the first one it belongs to what came from the page before."""
        above = frozenset().union(*(self.ancestors[index] for _, index in marks))
        marked = {index for _, index in marks}
        others = self._leaves([i for i in owners if i not in marked])
        ending = [i for i in others if i in above or self.chapters[i].end_page == page.number]
        ending = [i for i in ending if self.chapters[i].start_page < page.number]
        if not ending:
            marks[0] = (page.start, marks[0][1])
        for index in others:
            yield index, page.start, marks[0][0] if index in ending else page.end
        ends = [offset for offset, _ in marks[1:]] + [page.end]
        for (offset, index), end in zip(marks, ends, strict=True):
            yield index, offset, end

    def _leaves(self, owners: list[int]) -> list[int]:
        """Those that are not an outer chapter of another one."""
        above = frozenset().union(*(self.ancestors[index] for index in owners))
        return [index for index in owners if index not in above]

    def _marks(self, page: PageText, starting: list[int]) -> list[tuple[int, int]]:
        """(offset, chapter) of the headings found on the page, in order; a heading must follow the former one."""
        lines: dict[str, list[tuple[bool, int]]] = defaultdict(list)
        for match in _LINE.finditer(page.text):
            line = match.group()
            lines[_key(line)].append((not line.lstrip().startswith("#"), page.start + match.start()))
        marks: list[tuple[int, int]] = []
        after = page.start
        for index in starting:
            key = _key(self.chapters[index].title)
            candidates = [place for place in lines.get(key, []) if place[1] >= after] if key else []
            if candidates:
                offset = min(candidates)[1]
                marks.append((offset, index))
                after = offset + 1
        return marks


def _key(line: str) -> str:
    """What a heading and a title have in common: their letters and digits, without numbering."""
    plain = _NUMBERING.sub("", line) or line
    return "".join(re.findall(r"\w+", plain)).casefold()
