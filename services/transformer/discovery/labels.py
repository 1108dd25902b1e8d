"""Label lines and label tables: "Designer: ...", "Farben: ...", as canonical metadata with the raw lines kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from services.transformer.discovery.quantities import DIMENSION, WEIGHT, YEAR, is_sku, listed
from services.transformer.discovery.view import Line
from services.transformer.discovery.vocabulary import LABELS, TELLING, label_key

VALUE_MOST = 600
_LISTS = frozenset(("dimensions", "materials", "colours", "finishes", "application"))
_NAMES = sorted((label for labels in LABELS.values() for label in labels), key=len, reverse=True)
_LABEL = re.compile(rf"(?<![\w-])({'|'.join(re.escape(name) for name in _NAMES)})\.?\s*:\s*", re.IGNORECASE)
_DESIGNED = re.compile(
    r"\b(?i:designed|created|drawn|entworfen|gestaltet)\s+(?:by|von)\s+"
    r"((?:[^\W\d_][\w.'’-]*|&)(?:\s(?:[^\W\d_a-z][\w.'’-]*|&|und|and|von|van|de|di|da)){0,5})"
    r"(?:\s+(?:in|im Jahr|im Jahre)\s+((?:19|20)\d\d))?"
)


class Label(NamedTuple):
    """One label of a sheet: `at` is the index of its line."""

    key: str
    label: str
    value: str
    at: int


class Described(NamedTuple):
    """Canonical metadata, and the printed labels with their values."""

    metadata: dict[str, Any]
    raw: dict[str, str]


def labels_of(lines: Sequence[Line]) -> list[Label]:
    """The labels of a sheet, in order, from rows of two (or four) cells and from lines with a colon."""
    found: list[Label] = []
    for at, line in enumerate(lines):
        if line.kind == "heading":
            continue
        if line.cells:
            found += [Label(key, name, value, at) for key, name, value in _from_cells(line.cells)]
        elif len(line.text) <= 3000:
            found += [Label(key, name, value, at) for key, name, value in _from_text(line.text)]
    return found


def groups(found: Sequence[Label], lines: Sequence[Line]) -> list[list[Label]]:
    """Labels that describe one thing: neighbours, until a key comes again or a heading stands between."""
    parted: list[list[Label]] = []
    for label in found:
        last = parted[-1] if parted else []
        between = lines[last[-1].at + 1 : label.at] if last else []
        again = any(label.key == former.key for former in last)
        if last and not again and not any(line.kind == "heading" for line in between) and len(between) <= 4:
            last.append(label)
        else:
            parted.append([label])
    return [group for group in parted if len({label.key for label in group} & TELLING) >= 2]


def describe(found: Iterable[Label], lines: Sequence[Line]) -> Described:
    """What labels and sentences of a product's own lines say of it. Numbers stay as printed, lists are lists."""
    metadata: dict[str, Any] = {}
    raw: dict[str, str] = {}
    for label in found:
        raw.setdefault(label.label, label.value)
        if label.key not in metadata:
            metadata[label.key] = _value(label)
    prose = " ".join(line.text for line in lines if line.kind in ("text", "list"))[:20_000]
    designed = _DESIGNED.search(prose)
    if designed:
        metadata.setdefault("designer", designed.group(1).strip())
        if designed.group(2):
            metadata.setdefault("year", int(designed.group(2)))
    weight = WEIGHT.search(prose)
    if weight and "weight" not in metadata:
        metadata["weight"] = weight.group().strip(" .")
    return Described(metadata, raw)


def _value(label: Label) -> Any:
    value = label.value[:VALUE_MOST]
    if label.key == "dimensions":
        return [match.group().strip() for match in DIMENSION.finditer(value)] or listed(value)
    if label.key in _LISTS:
        return listed(value)
    if label.key == "year":
        year = YEAR.search(value)
        return int(year.group()) if year else value
    return value


def _from_cells(cells: Sequence[str]) -> list[tuple[str, str, str]]:
    if cells[0]:
        cells = [cell for at, cell in enumerate(cells) if cell or at == 1]
    if len(cells) not in (2, 3, 4, 6) or any(is_sku(cell) and at != 1 for at, cell in enumerate(cells)):
        return []
    if len(cells) == 3:
        cells = [cells[0], " ".join(cells[1:]).strip()]
    pairs = [(cells[at], cells[at + 1]) for at in range(0, len(cells), 2)]
    found = [(label_key(name), name.strip(" :"), value.strip()) for name, value in pairs]
    named = [(key, name, value) for key, name, value in found if key and value and not label_key(value)]
    return named if len(named) == len([pair for pair in pairs if any(pair)]) else []


def _from_text(text: str) -> list[tuple[str, str, str]]:
    """Every label with a colon in a line, each with the text up to the next one."""
    marks = list(_LABEL.finditer(text))
    if not marks or marks[0].start() > 80:
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    rows = [
        (label_key(m.group(1)), m.group(1), text[m.end() : end].strip(" ,;|/"))
        for m, end in zip(marks, ends, strict=True)
    ]
    return [(key, name, value) for key, name, value in rows if key and value and len(value) <= VALUE_MOST]
