"""Which sheets belong to which product: from its start on, as long as something speaks for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from services.transformer.discovery.facts import Facts, is_part
from services.transformer.discovery.labels import describe
from services.transformer.discovery.quantities import sku_stem
from services.transformer.discovery.starts import Start
from services.transformer.discovery.vocabulary import is_section
from services.transformer.titles import fold, words

GAP_MOST = 2
"""Sheets without any sign that may lie between two that belong to a product."""
SHINGLE = 4


class Extent(NamedTuple):
    """A product's sheets in order, and on each the lines [first, behind last) that are its own."""

    start: Start
    pages: list[int]
    lines: dict[int, tuple[int, int]]


def extents(starts: Sequence[Start], facts: Mapping[int, Facts], listing: Collection[int], total: int) -> list[Extent]:
    """The extent of every start. A sheet on which another product starts belongs to the one before as well when its
    upper part, or articles anywhere on it, are that one's."""
    stems = _stems(starts, facts)
    prose = _Prose(starts, facts, listing)
    found = []
    for at, start in enumerate(starts):
        following = starts[at + 1] if at + 1 < len(starts) else None
        found.append(_extent(start, following, starts, facts, listing, stems.get(at, set()), prose, total))
    return found


def _extent(
    start: Start,
    following: Start | None,
    starts: Sequence[Start],
    facts: Mapping[int, Facts],
    listing: Collection[int],
    stems: set[str],
    prose: _Prose,
    total: int,
) -> Extent:
    lines: dict[int, tuple[int, int]] = {}
    same = following is not None and following.page == start.page
    count = len(facts[start.page].sheet.lines) if start.page in facts else 0
    lines[start.page] = (start.at, following.at if following and same else count)
    if start.end is not None:
        for page in range(start.page + 1, min(start.end, total) + 1):
            lines[page] = _own_lines(page, start, starts, facts)
        return Extent(start, sorted(lines), lines)
    if not same:
        _go_on(start, following, lines, facts, listing, stems, prose, total)
    return Extent(start, sorted(lines), lines)


def _go_on(
    start: Start,
    following: Start | None,
    lines: dict[int, tuple[int, int]],
    facts: Mapping[int, Facts],
    listing: Collection[int],
    stems: set[str],
    prose: _Prose,
    total: int,
) -> None:
    """Add the sheets behind the first one, with gaps between two that are the product's, to `lines`."""

    def take(first: int, behind: int) -> None:
        for page in range(first, behind):
            lines[page] = (0, len(facts[page].sheet.lines) if page in facts else 0)

    telling = _values(start, following, facts)
    last = start.page
    for page in range(start.page + 1, total + 1):
        fact = facts.get(page)
        if fact is None or page in listing or page - last > GAP_MOST + 1:
            return
        if following is not None and page == following.page:
            if _has_tail(start, following, fact, stems, gap=page - last):
                take(last + 1, page)
                lines[page] = (0, following.at)
            return
        said = _speaks(start, fact, stems, telling)
        if said is None and page == last + 1:
            said = prose.is_product(fact)
        if said is False:
            return
        if said:
            take(last + 1, page + 1)
            last = page


def _speaks(start: Start, fact: Facts, stems: set[str], telling: set[str]) -> bool | None:
    """True: a sheet is the product's; False: it is something else's; None: it does not say."""
    if start.key in fact.runs:
        return True
    own_articles = [article for article in fact.articles if sku_stem(article.variant.sku) in stems]
    if own_articles and len(own_articles) > (0.99 if fact.section else 0.5) * len(fact.articles):
        return True
    if fact.section or fact.runs:
        return False
    if (
        fact.articles
        and stems
        and not own_articles
        and len({sku_stem(a.variant.sku) for a in fact.articles} - {""}) > 0
    ):
        return False
    mine = fact.mentions.get(start.key, 0)
    if mine and mine >= max((count for key, count in fact.mentions.items() if key != start.key), default=0):
        return True
    text = f" {' '.join(words(fact.sheet.text))} "
    if any(f" {value} " in text for value in telling):
        return True
    top = fact.headings[0][1] if fact.headings else None
    if top is not None and not is_part(top.text) and fact.headings[0][0] <= 1:
        return False if is_section(top.text) or not fact.groups else None
    if fact.articles and not stems:
        return True
    return None


def _has_tail(start: Start, following: Start, fact: Facts, stems: set[str], gap: int) -> bool:
    """Whether a product goes on to the sheet on which the next one starts."""
    if gap > GAP_MOST:
        return False
    if any(sku_stem(article.variant.sku) in stems for article in fact.articles):
        return True
    upper = fact.sheet.lines[: following.at]
    if not upper or fact.section:
        return False
    key = start.key
    if any(
        key == fold(line.text) or f" {' '.join(words(start.name))} " in f" {' '.join(words(line.text))} "
        for line in upper
    ):
        return True
    if any(line.kind == "heading" and is_section(line.text) and not is_part(line.text) for line in upper):
        return False
    printed = any(source == f"heading p. {fact.number}" for source in following.sources)
    size = sum(len(line.text) for line in upper if line.kind in ("text", "list"))
    return gap == 1 and printed and (size >= 80 or any(article.at < following.at for article in fact.articles))


def _own_lines(page: int, start: Start, starts: Sequence[Start], facts: Mapping[int, Facts]) -> tuple[int, int]:
    count = len(facts[page].sheet.lines) if page in facts else 0
    others = [s.at for s in starts if s.page == page and s.key != start.key]
    return (0, min(others, default=count))


def _values(start: Start, following: Start | None, facts: Mapping[int, Facts]) -> set[str]:
    """What the product's first sheet says of it in words of its own: designer and collection."""
    fact = facts.get(start.page)
    if fact is None:
        return set()
    behind = following.at if following and following.page == start.page else len(fact.sheet.lines)
    labels = [label for label in fact.labels if start.at <= label.at < behind]
    metadata = describe(labels, fact.sheet.lines[start.at : behind]).metadata
    told = (" ".join(words(str(metadata.get(key) or ""))) for key in ("designer", "collection"))
    return {value for value in told if len(value) >= 5}


def _stems(starts: Sequence[Start], facts: Mapping[int, Facts]) -> dict[int, set[str]]:
    """For each start the stems of its article numbers: those that most rows up to the next start have."""
    owners: dict[str, Counter[int]] = defaultdict(Counter)
    for at, start in enumerate(starts):
        following = starts[at + 1] if at + 1 < len(starts) else None
        for page in range(start.page, (following.page if following else start.page + 12) + 1):
            fact = facts.get(page)
            if fact is None or (page > start.page and fact.section):
                break
            for article in fact.articles:
                inside = (page, article.at) >= (start.page, start.at)
                if inside and (following is None or (page, article.at) < (following.page, following.at)):
                    owners[sku_stem(article.variant.sku)][at] += 1
    found: dict[int, set[str]] = defaultdict(set)
    for stem, counts in owners.items():
        (owner, count), *others = counts.most_common(2)
        if stem and (not others or count >= 3 * others[0][1] or owner < others[0][0]) and len(counts) <= 2:
            found[owner].add(stem)
    return found


class _Prose:
    """Whether a sheet's sentences are those of product pages, or those of the rest: catalogues repeat themselves."""

    def __init__(self, starts: Sequence[Start], facts: Mapping[int, Facts], listing: Collection[int]) -> None:
        opening = {start.page for start in starts}
        self._product: set[str] = set()
        self._other: set[str] = set()
        for number, fact in facts.items():
            if number in opening or fact.runs or fact.articles:
                self._product |= _shingles(fact)
            elif fact.section or number in listing:
                self._other |= _shingles(fact)

    def is_product(self, fact: Facts) -> bool | None:
        """None for a sheet without text of its own."""
        own = _shingles(fact)
        if len(own) < 8:
            return None
        product, other = len(own & self._product) / len(own), len(own & self._other) / len(own)
        if max(product, other) < 0.1:
            return not fact.headings
        return product >= other


def _shingles(fact: Facts) -> set[str]:
    own = words(" ".join(line.text for line in fact.sheet.lines if line.kind in ("text", "list"))[:20_000])
    return {" ".join(own[at : at + SHINGLE]) for at in range(len(own) - SHINGLE + 1)}
