"""What each sheet of a catalogue says by itself: labels, articles, headings, sections, and which names it mentions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from services.transformer.discovery.labels import Label, groups, labels_of
from services.transformer.discovery.skus import Article, SkuReader
from services.transformer.discovery.view import Line, Sheet, View
from services.transformer.discovery.vocabulary import is_section
from services.transformer.titles import fold, words
from shared.mentions import Names

_PARTS = frozenset(
    words(
        "variants variant varianten variante versions sizes dimensions formats formate maße abmessungen articles "
        "artikel article prices price preise preis details detail colours colors farben finishes oberflächen technical "
        "technische data daten materials inspiration specifications specification eigenschaften"
    )
)
"""Words of headings inside a product's own pages: they end nothing."""


class Facts(NamedTuple):
    """One sheet. `groups` are label groups that describe a product, `section` the name of the section that starts or
    goes on here (empty for none), `mentions` how often each known name stands in its text and captions, `runs` the
    known names in its running lines."""

    sheet: Sheet
    labels: list[Label]
    groups: list[list[Label]]
    articles: list[Article]
    section: str
    mentions: Counter[str]
    runs: frozenset[str]

    @property
    def number(self) -> int:
        """The sheet's number."""
        return self.sheet.number

    @property
    def prose(self) -> int:
        """Characters of its text."""
        return sum(len(line.text) for line in self.sheet.lines if line.kind in ("text", "list"))

    @property
    def headings(self) -> list[tuple[int, Line]]:
        """Its headings with their places."""
        return [(at, line) for at, line in enumerate(self.sheet.lines) if line.kind == "heading"]


def gather(view: View, names: Names, known: Collection[str]) -> dict[int, Facts]:
    """The facts of every sheet; `known` are the folded names."""
    reader = SkuReader()
    found = {}
    for number in sorted(view.sheets):
        sheet = view.sheets[number]
        labels = labels_of(sheet.lines)
        captions = " ".join(str(row.get("caption") or "") for row in sheet.images)
        running = " ".join(sheet.running)
        runs = frozenset(names.count(running))
        found[number] = Facts(
            sheet=sheet,
            labels=labels,
            groups=groups(labels, sheet.lines),
            articles=reader.read(number, sheet.lines),
            section=_section(sheet, known, runs),
            mentions=names.count(f"{sheet.text} {captions}"),
            runs=runs,
        )
    return found


def is_part(title: str) -> bool:
    """Whether a heading names a part of a product's own pages: variants, sizes, technical data."""
    own = [word for word in words(title) if not word.isdecimal()]
    return bool(own) and all(word in _PARTS or len(word) <= 3 for word in own)


def _section(sheet: Sheet, known: Collection[str], runs: frozenset[str]) -> str:
    """The section that a sheet belongs to by its running line or its first heading."""
    if runs:
        return ""
    for part in sheet.running:
        if is_section(part) and not is_part(part):
            return part
    for line in sheet.lines[:6]:
        if line.kind != "heading" and len(line.text) > 60:
            break
        if fold(line.text) in known:
            break
        if line.kind == "heading" or len(line.text) <= 40:
            if is_section(line.text) and not is_part(line.text) and any(c.isalpha() for c in line.text):
                return line.text
            if line.kind == "heading":
                break
    return ""
