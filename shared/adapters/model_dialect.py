"""How an endpoint is asked for structured answers, and what it turns out not to understand.

A lane's quirks, found out once and shared: `no_schema` (json_object instead of json_schema), `no_format` (plain text
with the schema in the prompt), `completion_tokens` (another name for the limit of the answer).
"""

from __future__ import annotations

import json
from typing import Any

from shared.adapters.model_prompt import Prompt

NO_SCHEMA, NO_FORMAT, COMPLETION_TOKENS = "no_schema", "no_format", "completion_tokens"

_KEPT = frozenset({"type", "enum", "const", "$ref", "description"})
_UNSUPPORTED = frozenset({"allOf", "not", "if", "then", "else", "patternProperties", "prefixItems", "dependentSchemas"})


class NotStrict(Exception):
    """The schema says something that strict structured outputs cannot."""


def arguments(prompt: Prompt, quirks: list[str], most_tokens: int) -> dict[str, Any]:
    """What the API is called with besides model and messages."""
    limit = "max_completion_tokens" if COMPLETION_TOKENS in quirks else "max_tokens"
    called: dict[str, Any] = {limit: most_tokens}
    if prompt.schema is None or NO_FORMAT in quirks:
        return called
    if NO_SCHEMA in quirks:
        return called | {"response_format": {"type": "json_object"}}
    described: dict[str, Any] = {"name": prompt.purpose}
    try:
        described |= {"strict": True, "schema": strict(prompt.schema)}
    except NotStrict:
        described |= {"strict": False, "schema": prompt.schema}
    return called | {"response_format": {"type": "json_schema", "json_schema": described}}


def messages(prompt: Prompt, quirks: list[str]) -> list[dict[str, Any]]:
    """The prompt's messages, with the schema in words where the endpoint does not take it otherwise."""
    if prompt.schema is None or not {NO_SCHEMA, NO_FORMAT} & set(quirks):
        return prompt.messages
    system = dict(prompt.messages[0])
    system["content"] += (
        "\n\nAnswer with one JSON object and nothing else. It must fit this JSON schema:\n"
        + json.dumps(prompt.schema, ensure_ascii=False)
    )
    return [system, *prompt.messages[1:]]


def next_quirk(prompt: Prompt, quirks: list[str], status: int | None, detail: str) -> str | None:
    """What to try differently after the endpoint has refused a call; None if the form was not the reason."""
    if status not in (400, 404, 415, 422, 500, 501):
        return None
    if status != 500 and "max_completion_tokens" in detail and COMPLETION_TOKENS not in quirks:
        return COMPLETION_TOKENS
    speaks = any(word in detail for word in ("response_format", "json_schema", "json_object", "structured", "grammar"))
    if prompt.schema is None or (status in (404, 500, 501) and not speaks):
        return None
    if NO_SCHEMA not in quirks and NO_FORMAT not in quirks:
        return NO_SCHEMA
    return NO_FORMAT if NO_FORMAT not in quirks else None


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema in the subset that strict outputs know: every property required (optional ones may be null), nothing
    additional, no limits (they are checked by us). Raises NotStrict."""
    described: dict[str, Any] = _strict(schema)
    for name in ("$defs", "definitions"):
        if name in schema:
            described[name] = {key: _strict(part) for key, part in schema[name].items()}
    return described


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict) or _UNSUPPORTED & set(schema):
        raise NotStrict
    kept = {name: value for name, value in schema.items() if name in _KEPT}
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        kept["anyOf"] = [_strict(choice) for choice in choices]
    types = schema.get("type", [])
    if "array" in types:
        kept["items"] = _strict(schema.get("items"))
    if "object" in types:
        properties = schema.get("properties")
        if not properties or schema.get("additionalProperties") not in (None, False):
            raise NotStrict
        required = schema.get("required", [])
        kept["properties"] = {
            name: _strict(part) if name in required else _nullable(_strict(part)) for name, part in properties.items()
        }
        kept["required"] = list(properties)
        kept["additionalProperties"] = False
    if not kept.keys() - {"description"}:
        raise NotStrict
    return kept


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    types = schema.get("type")
    if isinstance(types, str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [types, "null"]} if types != "null" else schema
    if isinstance(types, list) and "null" in types:
        return schema
    return {"anyOf": [schema, {"type": "null"}]}
