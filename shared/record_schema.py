"""Schemas of records: a user's JSON schema whose `properties.records.items` says what one record holds.

    {"properties": {"records": {"items": {"type": "object", "properties": {"species": {"type": "string"}, ...},
                                          "x-unique-fields": ["species", "location"]}}}}

`x-unique-fields` names the fields by which two records are the same (checklist A2.23); without usable ones a schema is
refused, even while nothing is stored. `x-prompt` may hold instructions for whoever fills the records.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from shared.answers import Unfit, fit
from shared.errors import RequestError

SIZE_LIMIT = 200_000
FIELDS_MOST = 200
PROMPT_MOST = 20_000


class RecordSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A usable schema. `item` is the JSON schema of one record's values, `digest` the SHA-256 of the text."""

    name: str
    item: dict[str, Any]
    unique: list[str]
    prompt: str
    digest: str

    @property
    def fields(self) -> dict[str, dict[str, Any]]:
        """The schema of each field, by its name."""
        found: dict[str, dict[str, Any]] = self.item["properties"]
        return found

    def values(self, given: object) -> dict[str, Any]:
        """A record's values, coerced where nothing is lost; raises RequestError record_invalid."""
        try:
            fitted: dict[str, Any] = fit(given, self.item)
        except Unfit as unfit:
            raise RequestError("record_invalid", f"The record does not fit its schema: {unfit.problems[0]}") from None
        return {name: fitted[name] for name in self.fields if name in fitted}


def parse(text: str, name: str = "") -> RecordSchema:
    """The schema in a text; raises RequestError schema_invalid with what is wrong."""
    if len(text) > SIZE_LIMIT:
        raise RequestError("schema_invalid", f"The schema is longer than {SIZE_LIMIT} characters.")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("schema_invalid", f"The schema is no JSON: {error}.") from None
    item = _item(whole)
    fields = item.get("properties")
    if not isinstance(fields, dict) or not fields or len(fields) > FIELDS_MOST:
        raise RequestError(
            "schema_invalid", f"no fields: properties.records.items needs 1 to {FIELDS_MOST} properties."
        )
    if any(not isinstance(part, dict) for part in fields.values()):
        raise RequestError("schema_invalid", "malformed field: every property must be a schema object.")
    prompt = whole.get("x-prompt", "")
    return RecordSchema(
        name=name,
        item={**item, "type": "object"},
        unique=_unique(item.get("x-unique-fields"), fields),
        prompt=prompt[:PROMPT_MOST] if isinstance(prompt, str) else "",
        digest=hashlib.sha256(text.encode(errors="replace")).hexdigest(),
    )


def _item(whole: object) -> dict[str, Any]:
    at: object = whole
    for part in ("properties", "records", "items"):
        at = at.get(part) if isinstance(at, dict) else None
    if not isinstance(at, dict):
        raise RequestError("schema_invalid", "no records: the schema must have properties > records > items.")
    return at


def _unique(given: object, fields: dict[str, Any]) -> list[str]:
    if not isinstance(given, list) or not given:
        raise RequestError("schema_invalid", "missing x-unique-fields: name the fields that make a record unique.")
    for name in given:
        if not isinstance(name, str) or name not in fields:
            raise RequestError("schema_invalid", f"unknown field {name!r} in x-unique-fields.".replace("'", ""))
    return list(dict.fromkeys(given))
