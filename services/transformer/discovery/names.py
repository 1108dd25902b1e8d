"""Where a catalogue names its products: outline, index page, running lines. Each name is a hint, not yet believed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from services.transformer import contents
from services.transformer.discovery.plan import index_scan_window
from services.transformer.discovery.quantities import is_sku
from services.transformer.discovery.records import NAME_MOST, Hint
from services.transformer.discovery.view import Line, Sheet, View
from services.transformer.discovery.vocabulary import is_section, label_key
from services.transformer.reading import Block
from services.transformer.titles import fold, is_contents

_INDEX = re.compile(r"(?:product |artikel|produkt)?(?:index|register|verzeichnis)\Z", re.IGNORECASE)
_ENTRY = re.compile(r"(\S.{0,120}?)[\s.…·_]+(\d{1,4})(?:\s?[-–]\s?\d{1,4})?(?=\s+[^\W\d_]|\Z)")
_DIGIT = re.compile(r"\d")
_LEADERS = re.compile(r"(?:[.·…_]\s?){3}")
_AHEAD = re.compile(r"(\d{1,4})(?:\s?[-–]\s?\d{1,4})?[\s.…·_|]+(\D.{1,120})\Z")
_SPAN = re.compile(r"(\d{1,4})\s?[-–]\s?(\d{1,4})\Z")
_NUMBERED = re.compile(r"\A(?:\d{1,2}[.)]|[•·–-])\s+")
_TAIL = re.compile(r"\s+[–—|·]\s+|\s{2,}|\t")


def is_name(text: str) -> bool:
    """Whether a text can be a product's name: short, with letters, no section, no label, no article number."""
    letters = sum(c.isalpha() for c in text)
    if letters < 2 or len(text) > 80 or len(text.split()) > 8 or text[-1] in ":;,":
        return False
    return not (is_section(text) or is_sku(text) or label_key(text))


def named(view: View, listing: Sequence[Sheet]) -> list[Hint]:
    """All hints of a document that are not headings; `listing` are its index sheets."""
    return [*outlined(view), *indexed(listing), *running(view)]


def outlined(view: View) -> list[Hint]:
    """Names in the outline. An entry above several names is a group of products, not one; sections are left out."""
    rows = [row for row in view.reading.outline[:4000] if isinstance(row.get("title"), str)]
    found = []
    for at, row in enumerate(rows):
        title, level, page = _clean(str(row["title"])), row.get("level"), row.get("page")
        if not is_name(title):
            continue
        below = []
        for under in rows[at + 1 :]:
            if not isinstance(level, int) or not isinstance(under.get("level"), int) or under["level"] <= level:
                break
            below.append(under)
        if sum(is_name(_clean(str(under["title"]))) for under in below if under["level"] == (level or 0) + 1) >= 2:
            continue
        found.append(
            Hint(name=title, start=page if isinstance(page, int) and page else None, basis="sheet", source="outline")
        )
    return found


def indexed(listing: Sequence[Sheet]) -> list[Hint]:
    """Names on index pages, with the folios printed there."""
    found = []
    for sheet in listing:
        for title, first in rows_of(sheet):
            name = _clean(title)
            if is_name(name):
                found.append(Hint(name=name, start=first, basis="folio", source=f"index p. {sheet.number}"))
    return found


def index_sheets(view: View) -> list[Sheet]:
    """The sheets that list names with page numbers: titled as an index, or made of little else."""
    found: list[Sheet] = []
    most = view.total + 60
    for number in range(1, index_scan_window(view.total) + 1):
        sheet = view.sheets.get(number)
        if sheet is None or not sheet.lines:
            continue
        listed = [_rows(line) for line in sheet.lines]
        rows = [row for row in _titled(listed) if row[1] <= most]
        said = [line.text for line in sheet.lines[:4]] + list(sheet.running)
        titled = any(is_contents(text) or _INDEX.match(text.strip()) for text in said)
        goes_on = bool(found) and found[-1].number == number - 1
        mostly = sum(map(bool, listed)) >= 0.6 * len(sheet.lines)
        if len(rows) >= 2 and (titled or (mostly and (goes_on or len(rows) >= 5))) and _rises(rows):
            found.append(sheet)
    return found


def rows_of(sheet: Sheet) -> list[tuple[str, int]]:
    """The (title, first folio) rows of a sheet."""
    return _titled([_rows(line) for line in sheet.lines])


def _titled(listed: Sequence[list[tuple[str, int]]]) -> list[tuple[str, int]]:
    rows = [(title.strip(" .·…_|"), page) for row in listed for title, page in row]
    return [(title, page) for title, page in rows if sum(c.isalpha() for c in title) >= 2]


def _rows(line: Line) -> list[tuple[str, int]]:
    """The rows of one line: all of it, or none. Leaders part several; without them a number and a letter do."""
    if line.kind == "heading" or len(line.text) > 3000 or not _DIGIT.search(line.text):
        return []  # most lines: the patterns below are slow where nothing matches
    if line.cells:
        return _from_cells(line.cells)
    rows = contents.rows_of(Block(line.kind, 0, line.text, line.text))
    if not _LEADERS.search(line.text):
        entries = list(_ENTRY.finditer(line.text))
        if sum(len(entry.group()) for entry in entries) >= 0.9 * len(line.text) - len(entries):
            rows = [(entry.group(1), int(entry.group(2))) for entry in entries]
        ahead = _AHEAD.match(line.text)
        if ahead and not any(sum(c.isalpha() for c in title) >= 2 for title, _ in rows):
            rows = [(ahead.group(2), int(ahead.group(1)))]
    return rows if all(len(title) <= 90 and len(title.split()) <= 12 and ". " not in title for title, _ in rows) else []


def running(view: View) -> list[Hint]:
    """Names in running lines, from the first to the last sheet of each unbroken run."""
    found: list[Hint] = []
    current: dict[str, tuple[str, int, int]] = {}
    for number in [*sorted(view.sheets), view.total + 2]:
        sheet = view.sheets.get(number)
        here = {fold(part): part for part in sheet.running if is_name(part)} if sheet else {}
        for key in [key for key, (_, _, last) in current.items() if key not in here or last < number - 1]:
            name, first, last = current.pop(key)
            found.append(Hint(name=name, start=first, end=last, basis="sheet", source="running line"))
        for key, part in here.items():
            name, first, _ = current.get(key, (part, number, number))
            current[key] = (name, first, number)
    return found


def display_names(hints: list[Hint]) -> Mapping[str, str]:
    """The printed form of each name, by its folded form: the first one that is not all in capitals."""
    shown: dict[str, str] = {}
    for hint in hints:
        key = fold(hint.name)
        if key not in shown or (shown[key].isupper() and not hint.name.isupper()):
            shown[key] = hint.name
    return shown


def _from_cells(cells: tuple[str, ...]) -> list[tuple[str, int]]:
    """The rows of an index table: names and numbers in turn, or one name, whatever else, and a number."""
    rows: list[tuple[str, int]] = []
    title = ""
    for cell in cells:
        span = _SPAN.match(cell)
        if (cell.isascii() and cell.isdecimal() and len(cell) <= 4) or span:
            if title:
                rows.append((title, int(span.group(1) if span else cell)))
            title = ""
        elif cell and not title:
            title = cell
    return rows


def _rises(rows: list[tuple[str, int]]) -> bool:
    """Whether the numbers are pages: mostly different ones (a register by name need not rise)."""
    return len({page for _, page in rows}) >= 0.5 * len(rows)


def _clean(title: str) -> str:
    text = _TAIL.split(_NUMBERED.sub("", " ".join(title.split()) if "  " not in title else title.strip()))[0]
    return text.strip(" .·…_|-–")[:NAME_MOST]
