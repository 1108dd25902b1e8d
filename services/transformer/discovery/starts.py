"""Where each product starts: by its printed name, by outline and index, or by a label table that nothing names."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec

from services.transformer.discovery.facts import Facts, is_part
from services.transformer.discovery.hints import Placed
from services.transformer.discovery.names import is_name
from services.transformer.discovery.vocabulary import is_section
from services.transformer.titles import fold, words

SPAN_MOST = 60
"""Most sheets between a name's page and the sheet that shows the product."""


class Start(msgspec.Struct):
    """A product's first sheet and line; `end` is its last sheet where that was given, `sources` name it."""

    name: str
    page: int
    at: int
    sources: list[str]
    end: int | None = None
    placed: list[Placed] = []

    @property
    def key(self) -> str:
        """The folded name."""
        return fold(self.name)


def find(
    facts: Mapping[int, Facts], placed: Sequence[Placed], shown: Mapping[str, str], listing: Collection[int]
) -> list[Start]:
    """All candidates in order; `listing` are sheets that list products (index, overview) and start none."""
    starts = _named(facts, placed, shown, listing)
    _place_on_shared_sheets(starts, facts)
    known = {start.key for start in starts}
    for number in sorted(facts):
        if number not in listing:
            starts += _unnamed(facts[number], starts, known, facts)
    return sorted(starts, key=lambda start: (start.page, start.at))


def _named(
    facts: Mapping[int, Facts], placed: Sequence[Placed], shown: Mapping[str, str], listing: Collection[int]
) -> list[Start]:
    printed = _printed(facts, shown, listing)
    by_name: dict[str, list[Placed]] = defaultdict(list)
    for each in placed:
        by_name[fold(each.name)].append(each)
    starts = []
    for key, hints in by_name.items():
        asserted = [h for h in hints if h.start and not h.hint.source.startswith("running")]
        runs = sorted(h.start for h in hints if h.start and h.hint.source.startswith("running"))
        pages = printed.get(key, {})
        page = next((h.start for h in asserted if h.start in pages), None)
        if page is None and pages:
            near = [h.start for h in asserted if h.start] or runs[:1] or [min(pages)]
            page = min(pages, key=lambda p: (abs(p - near[0]), p))
        if page is None:
            page = next((h.start for h in asserted if h.start and h.start not in listing), runs[0] if runs else None)
        if page is None:
            continue
        for first in reversed(runs):  # an opening sheet without text that runs under the name already
            if first < page and all(key in facts[n].runs for n in range(first, page) if n in facts):
                page = first
        sources = list(dict.fromkeys(h.hint.source for h in hints if h.hint.source))
        if pages:
            sources.append(f"heading p. {min(pages, key=lambda p: abs(p - page))}")
        ends = [h.end for h in asserted if h.end and h.start == page]
        at = pages.get(page, 0)
        starts.append(Start(shown.get(key, hints[0].name), page, at, sources, max(ends, default=None), list(hints)))
    return starts


def _printed(
    facts: Mapping[int, Facts], shown: Mapping[str, str], listing: Collection[int]
) -> dict[str, dict[int, int]]:
    """For every name the sheets that print it as a line of its own, and where."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for number, fact in facts.items():
        if number in listing:
            continue
        for at, line in enumerate(fact.sheet.lines):
            if line.kind in ("heading", "text", "list") and len(line.text) <= 100:
                key = fold(line.text)
                if key in shown and number not in found[key]:
                    found[key][number] = at
    return found


def _place_on_shared_sheets(starts: list[Start], facts: Mapping[int, Facts]) -> None:
    """A name that its sheet does not print starts at a label group that no other name stands above."""
    by_page: dict[int, list[Start]] = defaultdict(list)
    for start in starts:
        by_page[start.page].append(start)
    for page, here in by_page.items():
        fact = facts.get(page)
        unprinted = [s for s in here if fact is None or not any(src == f"heading p. {page}" for src in s.sources)]
        if fact is None or not unprinted:
            continue
        taken = sorted(s.at for s in here if s not in unprinted)
        free = [g for g in fact.groups if not _owned(g[0].at, taken, [h[0].at for h in fact.groups])]
        for start, group in zip(unprinted, free, strict=False):
            start.at = _top_of(group[0].at, fact, taken)


def _owned(at: int, taken: Sequence[int], groups: Sequence[int]) -> bool:
    """Whether a printed name stands above a group, with no other group between."""
    above = [t for t in taken if t <= at]
    return bool(above) and not any(above[-1] < other < at for other in groups)


def _top_of(at: int, fact: Facts, taken: Sequence[int]) -> int:
    """The first heading of the run of headings right above a line, else the line."""
    top = at
    for number in range(at - 1, -1, -1):
        line = fact.sheet.lines[number]
        if number in taken or not (line.kind == "heading" or (line.kind == "text" and len(line.text) <= 60)):
            break
        top = number
    return top


def _unnamed(fact: Facts, starts: Sequence[Start], known: set[str], facts: Mapping[int, Facts]) -> list[Start]:
    """Products of a sheet that no hint names: a heading above labels or a table of articles, or the labels alone."""
    found: list[Start] = []
    marks = sorted({group[0].at for group in fact.groups} | _first_articles(fact))
    before = -1
    for mark in marks:
        here = [s for s in [*starts, *found] if s.page == fact.number and before < s.at <= mark]
        heading = _heading_above(fact, before, mark)
        before_mark, before = before, mark
        if here:
            continue
        active = _active(fact, mark, [*starts, *found], facts)
        is_group = any(group[0].at == mark for group in fact.groups)
        if heading is not None:
            at, name = heading
            if active is not None and (not _opens(at, fact) or _follows_opening(active, fact, facts)):
                continue
            if fold(name) in known and any(s.key == fold(name) for s in [*starts, *found]):
                continue
            found.append(Start(name, fact.number, at, [f"heading p. {fact.number}"]))
        elif is_group and (active is None or _differs(active, fact, mark, facts)):
            at, name = _guessed(fact, before_mark, mark)
            if name:
                found.append(
                    Start(name, fact.number, at, [f"{'captions' if at == mark else 'heading'} p. {fact.number}"])
                )
    return found


def _first_articles(fact: Facts) -> set[int]:
    """The first line of each table of articles; rows that follow one another are one table."""
    lines = sorted({article.at for article in fact.articles})
    return {at for nth, at in enumerate(lines) if nth == 0 or at > lines[nth - 1] + 2}


def _heading_above(fact: Facts, after: int, mark: int) -> tuple[int, str] | None:
    """The highest heading between two marks that can be a product's name."""
    options = [(line.level, at, line.text) for at, line in fact.headings if after < at < mark and is_name(line.text)]
    options = [(level, at, text) for level, at, text in options if not is_part(text) and not is_section(text)]
    if not options:
        return None
    _, at, text = min(options)
    return at, text


def _opens(at: int, fact: Facts) -> bool:
    """Whether a heading is as high as any of its sheet."""
    levels = [line.level for _, line in fact.headings]
    return fact.sheet.lines[at].level <= min(levels)


def _active(fact: Facts, mark: int, starts: Sequence[Start], facts: Mapping[int, Facts]) -> Start | None:
    """The product whose pages may reach this line: the last one before, with no section between."""
    before = [s for s in starts if (s.page, s.at) <= (fact.number, mark)]
    if not before:
        return None
    last = max(before, key=lambda s: (s.page, s.at))
    between = range(last.page + 1, fact.number)
    if fact.number - last.page > SPAN_MOST or any(facts[n].section for n in between if n in facts):
        return None
    return last


def _follows_opening(active: Start, fact: Facts, facts: Mapping[int, Facts]) -> bool:
    """Whether the product has only its opening sheet so far: no label group and no article of its own yet."""
    pages = range(active.page, fact.number)
    own = [facts[n] for n in pages if n in facts]
    named = active.key in fact.runs or active.key in fact.mentions
    return bool(own) and not any(f.groups or f.articles for f in own) and (named or fact.number - active.page == 1)


def _differs(active: Start, fact: Facts, mark: int, facts: Mapping[int, Facts]) -> bool:
    """Whether a label group without a name describes something else than the product before it."""
    if active.key in fact.runs:
        return False
    group = next(group for group in fact.groups if group[0].at == mark)
    pages = [facts[n] for n in range(active.page, fact.number + 1) if n in facts]
    former = [g for f in pages for g in f.groups if (f.number, g[0].at) < (fact.number, mark)]
    if not former:
        return False
    values = {label.key: label.value for label in former[0]}
    shared = [label for label in group if label.key in values]
    different = sum(values[label.key] != label.value for label in shared)
    at, _ = _guessed(fact, active.at if active.page == fact.number else -1, mark)
    return different >= (1 if at < mark else 2) and (at < mark or different >= 0.5 * len(shared))


def _guessed(fact: Facts, after: int, mark: int) -> tuple[int, str]:
    """A name, and its line: the topmost of the short lines right above the labels, else what captions share."""
    top = mark
    while (
        top - 1 > after
        and top > mark - 3
        and len(fact.sheet.lines[top - 1].text) <= 50
        and not fact.sheet.lines[top - 1].cells
    ):
        top -= 1
    for at in range(top, mark):
        text = fact.sheet.lines[at].text
        if is_name(text) and not is_part(text):
            return at, text
    captions = [_caption(str(row.get("caption") or "")) for row in fact.sheet.images]
    captions = [text for text in captions if text]
    common = _common(captions) if len(captions) >= 2 else ""
    return mark, common if is_name(common or "-") else _majority(captions)


def _caption(text: str) -> str:
    """A caption without its number: "Fig. 3.1: Juno 45 Blush" is "Juno 45 Blush"."""
    head, _, tail = text.partition(":")
    return (tail if tail and len(head) <= 16 and any(c.isdigit() for c in head) else text).strip()


def _common(texts: Sequence[str]) -> str:
    """The first words that all texts share."""
    shared = []
    for each in zip(*(text.split() for text in texts), strict=False):
        if len(set(each)) > 1:
            break
        shared.append(each[0])
    return " ".join(shared).strip(" ,-–")


def _majority(captions: Sequence[str]) -> str:
    firsts = Counter(" ".join(text.split()[:1]) for text in captions if words(text))
    name, count = firsts.most_common(1)[0] if firsts else ("", 0)
    return name if count >= 2 and is_name(name) else ""
