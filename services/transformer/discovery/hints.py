"""Hints about products held against the real pages: folios become sheets, nonsense is dropped loudly (A1.39).

The same checks serve what rules find and what a model answers; nothing here trusts a name or a page that the document
does not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from services.transformer import folios
from services.transformer.discovery.records import NAME_MOST, Hint
from services.transformer.discovery.view import View
from services.transformer.titles import fold

HINTS_MOST = 5000


class Placed(NamedTuple):
    """A hint on a real sheet; `end` is None where none was given, `start` where none is known."""

    name: str
    start: int | None
    end: int | None
    hint: Hint


class Checked(NamedTuple):
    """Usable hints, the pages that were named and do not exist, and sentences about what was changed or dropped."""

    placed: list[Placed]
    dropped: list[int]
    warnings: list[str]


def check(view: View, hints: Sequence[Hint], *, printed: bool = False) -> Checked:
    """Place hints on sheets. With `printed` a name that the document does not print anywhere is an invention and is
    dropped; so is, always, a hint whose pages do not exist. A range is cut to the pages that do."""
    shift = _shift(view, hints)
    folios_given = _are_folios(view, hints, shift)
    text = _everything(view) if printed else ""
    placed: list[Placed] = []
    dropped: set[int] = set()
    nowhere: list[str] = []
    invented: list[str] = []
    for hint in hints[:HINTS_MOST]:
        name = " ".join(hint.name.split())[:NAME_MOST]
        key = fold(name)
        if not any(c.isalnum() for c in name) or (printed and key not in text):
            invented.append(name[:60])
            continue
        as_folio = hint.basis == "folio" or (hint.basis == "unknown" and folios_given)
        start, end = (_sheet(view, page, as_folio, shift) for page in (hint.start, hint.end))
        for page, sheet in ((hint.start, start), (hint.end, end)):
            if page is not None and sheet is None:
                dropped.add(page)
        if start is None and hint.start is not None:
            nowhere.append(f"{name[:60]} (page {hint.start}, {hint.source or 'no source'})")
            if hint.basis == "unknown":
                continue
        if end is None and hint.end is not None and start is not None and hint.end >= (hint.start or 0):
            end = view.total
        placed.append(Placed(name, start, end if start and end and end >= start else None, hint))
    warnings = []
    if folios_given:
        warnings.append("products: the page numbers given were printed ones and have been converted to sheets")
    if nowhere:
        warnings.append(f"products: {len(nowhere)} were named on pages that do not exist: {nowhere[:5]}")
    if invented:
        warnings.append(
            f"products: {len(invented)} names do not stand in the document and were dropped: {invented[:5]}"
        )
    return Checked(placed, sorted(dropped), warnings)


def joined(first: Checked, second: Checked) -> Checked:
    """Two sets of hints as one."""
    dropped = sorted({*first.dropped, *second.dropped})
    return Checked([*first.placed, *second.placed], dropped, [*first.warnings, *second.warnings])


def folio_on(view: View, sheet: int) -> int | None:
    """The number printed on a sheet, by its label or by the offset of the others."""
    printed = folios.folio_of(view.reading.labels.get(sheet, ""))
    if printed is not None:
        return printed
    offset = folios.offset_of(view.reading.labels)
    return sheet - offset if offset is not None and sheet > offset else None


def _sheet(view: View, page: int | None, as_folio: bool, shift: int | None) -> int | None:
    if page is None:
        return None
    if as_folio:
        for sheet, label in view.reading.labels.items():  # a spread prints two numbers
            if folios.folio_of(label) is not None and str(page) in label.replace("-", " ").replace("–", " ").split():
                return sheet
        found = folios.sheet_of(page, view.reading.labels, view.total)
        if found is not None:
            return found
        page += shift or 0
    return page if 1 <= page <= view.total else None


def _shift(view: View, hints: Sequence[Hint]) -> int | None:
    """Sheet minus folio: of the printed labels, else the difference that most named headings and bookmarks agree on."""
    offset = folios.offset_of(view.reading.labels)
    if offset is not None:
        return offset
    wanted: dict[str, int] = {}
    for hint in hints:
        if hint.basis != "sheet" and hint.start is not None:
            wanted.setdefault(fold(hint.name), hint.start)
    votes: Counter[int] = Counter()
    for hint in hints:
        if hint.basis == "sheet" and hint.start is not None and fold(hint.name) in wanted:
            votes[hint.start - wanted[fold(hint.name)]] += 1
    for number, sheet in view.sheets.items():
        for key in {fold(line.text) for line in sheet.lines if len(line.text) < 100}:
            if key in wanted:
                votes[number - wanted[key]] += 1
    return votes.most_common(1)[0][0] if votes else None


def _are_folios(view: View, hints: Sequence[Hint], shift: int | None) -> bool:
    """Whether hints of an unknown basis count printed numbers: their names stand there, and not on the sheets."""
    if not shift:
        return False
    texts = {number: fold(f"{sheet.text} {' '.join(sheet.running)}") for number, sheet in view.sheets.items()}
    as_sheet = as_folio = 0
    for hint in hints[:200]:
        if hint.basis != "unknown" or hint.start is None:
            continue
        name = fold(hint.name)
        here = name in texts.get(hint.start, "")
        there = name in texts.get(_sheet(view, hint.start, True, shift) or 0, "")
        as_sheet += here and not there
        as_folio += there and not here
    return as_folio > as_sheet


def _everything(view: View) -> str:
    parts = [f"{sheet.text} {' '.join(sheet.running)}" for sheet in view.sheets.values()]
    parts += [str(row.get("title") or "") for row in view.reading.outline]
    return fold(" ".join(parts))
