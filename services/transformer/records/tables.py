"""Records without a model: rows of tables whose header words are the schema's fields.

A column belongs to a field when its header, folded, equals the field's name (camelCase and snake_case split) or its
`title`. A table counts when it has all the unique fields, or at least two fields and one unique one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from services.transformer.reading import plain
from services.transformer.records.found import Finds, Found
from services.transformer.titles import fold
from shared.anchors import split_pages, unescape_anchors
from shared.record_schema import RecordSchema

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CELLS = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:-]+\Z")
ROWS_MOST = 20_000
QUOTE_MOST = 500


def find(body: str, schema: RecordSchema) -> Finds:
    """The rows of every table of the transcript that speaks of the schema's fields."""
    names = {key: name for name, part in schema.fields.items() for key in _keys(name, part)}
    found: list[Found] = []
    columns: dict[int, str] = {}
    for page in split_pages(body)[1]:
        rows = [line.strip() for line in unescape_anchors(page.text).splitlines()]
        for at, line in enumerate(rows):
            if not (line.startswith("|") and line.count("|") > 1):
                columns = columns if not line else {}
                continue
            if _RULE.fullmatch(line):
                continue
            cells = [plain(cell) for cell in _CELLS.split(line.strip("|"))]
            heading = at + 1 < len(rows) and bool(_RULE.fullmatch(rows[at + 1])) and rows[at + 1].startswith("|")
            if heading and (named := _columns(cells, names, schema)):
                columns = named
            elif columns and (values := _values(cells, columns)):
                found.append(Found(values, page.number, " ".join(cell for cell in cells if cell)[:QUOTE_MOST]))
                if len(found) >= ROWS_MOST:
                    return Finds(found, [f"records: only the first {ROWS_MOST} rows were read"])
    warnings = [] if found else ["records: no table of the document has the schema's fields as columns"]
    return Finds(found, warnings)


def _keys(name: str, part: dict[str, Any]) -> list[str]:
    title = part.get("title")
    words = (_CAMEL.sub(" ", name), title if isinstance(title, str) else "")
    return [key for word in words if (key := fold(word))]


def _columns(cells: Sequence[str], names: dict[str, str], schema: RecordSchema) -> dict[int, str]:
    columns = {at: names[key] for at, cell in enumerate(cells) if (key := fold(cell)) in names}
    fields = set(columns.values())
    unique = fields.intersection(schema.unique)
    enough = len(unique) == len(schema.unique) or (bool(unique) and len(fields) > 1)
    return columns if enough and len(fields) == len(columns) else {}


def _values(cells: Sequence[str], columns: dict[int, str]) -> dict[str, Any]:
    return {name: cells[at] for at, name in columns.items() if at < len(cells) and cells[at]}
