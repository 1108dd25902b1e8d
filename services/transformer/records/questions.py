"""The questions to a model about records: find them in a window of pages, or improve those that are stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from services.transformer.records.found import Found, Refined
from shared.models import DataBlock, ModelRequest
from shared.record_schema import RecordSchema
from shared.records import Record

ITEMS_MOST = 5_000
QUOTE_MOST = 500
_FIND = """List every record of the kind that the answer's schema describes which the text states. One entry for each
record, none left out, none twice; do not complete records with knowledge of your own. For each give `page`, the N of
the anchor "--- Seite N ---" above it, and `quote`, the words (at most 300 characters, copied exactly) that state it."""
_AGAIN = "\n\nThis is reading {rep} of the same text: look above all for records that a first reading overlooks."
_REFINE = """The stored records below were read from this text. For each that the text shows to be wrong or incomplete,
give its `recordId` and the corrected `values`; leave the others out. Give no record that is not in the list."""
_ROLE = "You read records out of documents. Use only what the text says. An unknown value is null."


def find(schema: RecordSchema, window: DataBlock, rep: int = 1) -> ModelRequest:
    """What asks for the records of a window; a further reading (`rep` > 1) is a question of its own."""
    entry: dict[str, Any] = {
        "type": "object",
        "properties": {
            "values": _lenient(schema),
            "page": {"type": ["integer", "null"]},
            "quote": {"type": ["string", "null"], "maxLength": QUOTE_MOST},
        },
        "required": ["values"],
    }
    return ModelRequest(
        purpose="records",
        system=_ROLE,
        instructions=f"{_FIND}\n\n{schema.prompt}{_AGAIN.format(rep=rep) if rep > 1 else ''}".strip(),
        data=[window],
        schema=_listed("records", entry),
        max_output_tokens=16_384,
    )


def refine(schema: RecordSchema, window: DataBlock, records: Sequence[Record]) -> ModelRequest:
    """What asks for better values of stored records."""
    entry: dict[str, Any] = {
        "type": "object",
        "properties": {"recordId": {"type": "string"}, "values": _lenient(schema)},
        "required": ["recordId", "values"],
    }
    stored = json.dumps([{"recordId": r.record_id, "values": r.values} for r in records], ensure_ascii=False)
    return ModelRequest(
        purpose="refinement",
        system=_ROLE,
        instructions=f"{_REFINE}\n\n{schema.prompt}".strip(),
        data=[DataBlock("stored records", stored), window],
        schema=_listed("records", entry),
        max_output_tokens=16_384,
    )


def found(answer: dict[str, Any]) -> list[Found]:
    """The candidates of an answer."""
    return [Found(row["values"], row.get("page") or 0, row.get("quote") or "") for row in answer["records"]]


def refined(answer: dict[str, Any]) -> list[Refined]:
    """The corrections of an answer."""
    return [Refined(row["recordId"], row["values"]) for row in answer["records"]]


def _lenient(schema: RecordSchema) -> dict[str, Any]:
    """One record's form, in which any field may be absent or text: what does not fit the schema is refused record by
    record, not with the whole answer."""
    fields = {name: _or_text(part) for name, part in schema.fields.items()}
    return {"type": "object", "properties": fields, "additionalProperties": False}


def _or_text(part: dict[str, Any]) -> dict[str, Any]:
    types = part.get("type")
    if not isinstance(types, str | list) or "object" in types or "array" in types:
        return part
    kept = [types] if isinstance(types, str) else types
    described = {name: part[name] for name in ("title", "description") if isinstance(part.get(name), str)}
    if isinstance(part.get("enum"), list):
        described["description"] = f"{described.get('description', '')} One of: {part['enum']}".strip()
    return {**described, "type": list(dict.fromkeys([*kept, "string", "null"]))}


def _listed(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "array", "items": entry, "maxItems": ITEMS_MOST}},
        "required": [name],
    }
