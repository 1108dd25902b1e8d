"""Specifications of a catalogue: properties with the norm they are tested by, from tables and from single lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from services.transformer.discovery.records import Entity, entity_id
from services.transformer.discovery.view import Sheet
from services.transformer.discovery.vocabulary import PROPERTY, STANDARD, VALUE
from services.transformer.titles import words

_NORM = r"(?:EN|ISO|DIN|ASTM|ANSI|BS|UNI|NF|JIS|ÖNORM|IEC|VDE|GB|AS|NZS|SIA)"
_STANDARD = re.compile(rf"\b{_NORM}(?:[ /-]{_NORM}){{0,2}}[ /-]?[A-Z]?\.?\s?\d{{2,6}}(?:[-.:/]\d{{1,4}}){{0,3}}\b")


def specifications(
    sheet: Sheet, previous: tuple[str, ...], document_id: str, is_other: Callable[[str], bool]
) -> tuple[list[Entity], tuple[str, ...]]:
    """Rows of tables of properties. The columns of a header are given back: they hold until the next one.

    `is_other` tells the lines that state something else than a property.
    """
    found: list[Entity] = []
    columns = previous
    for line in sheet.lines:
        if line.cells:
            header = _columns(line.cells)
            if header:
                columns = header
                continue
            fits = len(columns) == len(line.cells)
            row = _from_row(line.cells, columns if fits else ())
        else:
            row = (
                _from_line(line.text)
                if line.kind in ("text", "list") and len(line.text) < 160 and not is_other(line.text)
                else None
            )
        if row:
            name, standard, value = row
            found.append(
                Entity(
                    entity_id=entity_id(document_id, "specification", name, sheet.number, standard),
                    kind="specification",
                    name=name,
                    page=sheet.number,
                    standard=standard,
                    value=value,
                    confidence=0.9 if line.cells else 0.6,
                )
            )
    return found, columns


def _columns(cells: Sequence[str]) -> tuple[str, ...]:
    found = []
    for cell in cells:
        own = set(words(cell))
        kind = "name" if own & PROPERTY else "standard" if own & STANDARD else "value" if own & VALUE else ""
        found.append(kind)
    return tuple(found) if "standard" in found and ("value" in found or "name" in found) else ()


def _from_row(cells: Sequence[str], columns: Sequence[str]) -> tuple[str, str, str] | None:
    at = next((n for n, cell in enumerate(cells) if _STANDARD.search(cell) and len(cell) <= 60), None)
    if columns and "standard" in columns and cells[columns.index("standard")]:
        at = columns.index("standard")
    elif at is None:
        return None
    assert at is not None
    others = [n for n in range(len(cells)) if n != at and cells[n]]
    if not others or len(cells) < 2 or not any(c.isalpha() for c in cells[others[0]]):
        return None
    name = columns.index("name") if "name" in columns else others[0]
    rest = [n for n in others if n != name]
    value = columns.index("value") if "value" in columns else (rest[0] if rest else None)
    return (
        (cells[name][:200], cells[at][:100], cells[value][:200] if value is not None else "") if cells[name] else None
    )


def _from_line(text: str) -> tuple[str, str, str] | None:
    """A line such as "Slip resistance DIN 51130 R10", when the norm stands in its middle."""
    match = _STANDARD.search(text)
    if match is None or len(_STANDARD.findall(text)) > 1:
        return None
    name, value = text[: match.start()].strip(" ,;:|-–("), text[match.end() :].strip(" ,;:|-–)")
    fits = 3 <= len(name) <= 50 and value and len(value) <= 40 and len(name.split()) <= 5
    return (name, match.group(), value) if fits else None
