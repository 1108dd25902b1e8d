"""Tables of variants: columns mapped by their header's words, or by what stands in them; rows go on over pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from services.transformer.discovery.quantities import DIMENSION, currency, has_money, is_sku, number, per_unit
from services.transformer.discovery.records import Variant
from services.transformer.discovery.view import Line
from services.transformer.discovery.vocabulary import column_field, label_key

_WORD = re.compile(r"\S+")
_PRICE = re.compile(r"\d{1,6}[.,]\d{2}\Z")


class Article(NamedTuple):
    """A row of a table of variants, and the line of its sheet that it stands on."""

    variant: Variant
    at: int


class Columns(NamedTuple):
    """A table's columns: the field of each ("" for none), and their headers (empty when there are none)."""

    fields: tuple[str, ...]
    headers: tuple[str, ...]


class SkuReader:
    """Reads the sheets of a document in order, because a table may go on without its header."""

    def __init__(self) -> None:
        self._columns: Columns | None = None
        self._headers: tuple[str, ...] = ()

    def read(self, page: int, lines: Sequence[Line]) -> list[Article]:
        """The articles of one sheet."""
        found: list[Article] = []
        for at, line in enumerate(lines):
            if line.cells:
                article = self._row(page, line.cells)
                found += [Article(article, at)] if article else []
            elif line.kind in ("text", "list"):
                found += [Article(variant, at) for variant in self._in_text(page, line.text)]
        return found

    def _row(self, page: int, cells: tuple[str, ...]) -> Variant | None:
        header = columns_of(cells)
        if header:
            self._columns = header
            return None
        if self._columns is None or len(self._columns.fields) != len(cells) or not _fits(self._columns, cells):
            guess = _guessed(cells)
            if guess is None:
                return None
            self._columns = guess
        return _variant(page, self._columns, cells)

    def _in_text(self, page: int, text: str) -> list[Variant]:
        """Articles of a table that was not recognised as one: each from its number up to the next."""
        fields = columns_of(tuple(text.split()))
        if fields and len(text) < 200:
            self._headers = fields.headers
            return []
        words = list(_WORD.finditer(text))
        starts = [at for at, word in enumerate(words) if is_sku(word.group())]
        head = text[: words[starts[0]].start()] if starts else ""
        if head and columns_of(tuple(head.split())) is None:
            return []
        found = []
        for nth, at in enumerate(starts):
            stop = starts[nth + 1] if nth + 1 < len(starts) else len(words)
            end = words[stop - 1].end() if stop > at + 1 else words[at].end()
            rest = text[words[at].end() : end].strip()
            variant = _from_words(page, words[at].group(), rest, self._headers)
            found += [variant] if variant else []
        return found


def columns_of(cells: Sequence[str]) -> Columns | None:
    """The columns if these cells are a header of variants: an article number and at least one property of it."""
    if not 2 <= len(cells) <= 14 or any(is_sku(cell) or DIMENSION.search(cell) for cell in cells):
        return None
    fields: list[str] = []
    for cell in cells:
        field = column_field(cell) if len(cell) <= 40 and not cell.endswith(":") else ""
        fields.append(field if field not in fields else "")
    return Columns(tuple(fields), tuple(cells)) if "sku" in fields and len(set(fields) - {""}) >= 2 else None


def _fits(columns: Columns, cells: Sequence[str]) -> bool:
    """Whether a row is one of the table: its number looks like one, or its other cells are what they should be."""
    sku = cells[columns.fields.index("sku")]
    if not sku or len(sku) > 40 or sku.endswith(":") or label_key(sku):
        return False
    for field, cell in zip(columns.fields, cells, strict=True):
        if field == "dimension" and DIMENSION.search(cell):
            return True
    return is_sku(sku.replace(" ", "")) or (any(c.isdigit() for c in sku) and " " not in sku)


def _guessed(cells: Sequence[str]) -> Columns | None:
    """Columns by content: an article number and a dimension or a price; the words left are colour, then finish."""
    fields = [""] * len(cells)
    for at, cell in enumerate(cells):
        if "sku" not in fields and is_sku(cell):
            fields[at] = "sku"
        elif "dimension" not in fields and DIMENSION.fullmatch(cell.strip()):
            fields[at] = "dimension"
        elif "price" not in fields and (has_money(cell) or _PRICE.match(cell)) and number(cell) is not None:
            fields[at] = "price"
        elif cell and "thickness" not in fields and number(cell) is not None and len(cell) <= 8:
            fields[at] = "thickness"
    if "sku" not in fields or not {"dimension", "price"} & set(fields):
        return None
    words = [at for at, cell in enumerate(cells) if not fields[at] and cell and not any(c.isdigit() for c in cell)]
    for at, field in zip(words, ("colour", "finish"), strict=False):
        fields[at] = field
    return Columns(tuple(fields), ())


def _variant(page: int, columns: Columns, cells: Sequence[str]) -> Variant | None:
    by = {field: cell for field, cell in zip(columns.fields, cells, strict=True) if field}
    headers = columns.headers or ("",) * len(cells)
    head = next((h for h, field in zip(headers, columns.fields, strict=True) if field == "price"), "")
    rest = {h: cell for h, field, cell in zip(headers, columns.fields, cells, strict=True) if h and cell and not field}
    return _made(page, by, head, rest)


def _made(page: int, by: dict[str, str], head: str, rest: dict[str, str]) -> Variant | None:
    price = by.get("price", "")
    if not by.get("sku"):
        return None
    return Variant(
        sku=by["sku"],
        page=page,
        dimension=by.get("dimension", ""),
        colour=by.get("colour", ""),
        finish=by.get("finish", ""),
        thickness_mm=number(by.get("thickness", "")),
        price=number(price),
        currency=currency(f"{price} {head}") if price else "",
        price_unit=per_unit(f"{head} {price}") if price else "",
        values=rest,
    )


def _from_words(page: int, sku: str, rest: str, headers: Sequence[str]) -> Variant | None:
    """A variant from running text; only with a dimension or a price behind its number."""
    if len(rest) > 160:
        rest = rest[:160]
    by = {"sku": sku}
    dimension = DIMENSION.search(rest)
    if dimension:
        by["dimension"] = dimension.group().strip()
        rest = f"{rest[: dimension.start()]} {rest[dimension.end() :]}"
    left = []
    for word in rest.replace("€", " € ").split():
        if "price" not in by and _PRICE.match(word):
            by["price"] = word
        elif "thickness" not in by and re.fullmatch(r"\d{1,2}(?:[.,]\d)?(?:mm)?", word):
            by["thickness"] = word
        else:
            left.append(word)
    names = [word.strip(",;|") for word in left if any(c.isalpha() for c in word) and not has_money(word)]
    if not {"dimension", "price"} & set(by) or len(names) > 5:
        return None
    if names:
        by["colour"] = names[0]
    if len(names) > 1 and names[1].lower() not in ("mm", "cm"):
        by["finish"] = names[1]
    head = next((header for header in headers if has_money(header)), "")
    return _made(page, by, head, {})
