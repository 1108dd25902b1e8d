"""What a model wrote, as a value that fits its JSON schema, or the reasons why it does not.

Tolerant of form (fences, prose around it, thinking aloud), lossless in content: "12" becomes 12 where a number is asked
for, a single value a list of one; nothing is guessed. Overlong texts and lists are cut at the schema's limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

ANSWER_MOST = 4_000_000
STRING_MOST = 100_000
ITEMS_MOST = 10_000
"""Characters of an answer, of one string, and items of one list that are taken when the schema has no limit."""

CANDIDATES_MOST = 60
_FENCE = re.compile(r"```[a-zA-Z0-9_-]*\s*\n(.*?)```", re.DOTALL)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_INTEGER = re.compile(r"[+-]?\d{1,15}")
_DECIMAL = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?([eE][+-]?\d{1,2})?")
_UNCHECKED = ("pattern", "patternProperties", "format", "$schema", "$id")
_SUBSCHEMAS = ("properties", "$defs", "definitions")


class Unfit(Exception):
    """The answer cannot be used; `problems` are sentences for a second try."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_answer(text: str, schema: dict[str, Any] | None) -> Any:
    """The value in a model's text; plain text (cleaned, stripped) without a schema. Raises Unfit."""
    if not text.strip():
        raise Unfit(["The answer is empty."])
    if len(text) > ANSWER_MOST:
        raise Unfit(["The answer is far too long."])
    if schema is None:
        return clean(_THOUGHT.sub("", text)).strip()
    problems: list[str] = []
    for value in _values(text):
        try:
            return fit(value, schema)
        except Unfit as unfit:
            problems = problems or unfit.problems
    raise Unfit(problems or ["The answer holds no JSON object."])


def fit(value: Any, schema: dict[str, Any]) -> Any:
    """The value coerced and validated; raises Unfit."""
    rules = _Rules(schema)
    try:
        fitted = _Coercion(rules).apply(value, schema, 0)
        problems = rules.problems(fitted, schema)
    except RecursionError:
        raise Unfit(["The answer is nested too deeply."]) from None
    if problems:
        raise Unfit(problems)
    return fitted


def clean(text: str) -> str:
    """Without control characters, lone surrogates and marks that hide or turn text; tabs and newlines stay."""
    return _CONTROL.sub("", text)


def _values(text: str) -> Iterator[Any]:
    """JSON objects in the text: all of it, fenced pieces, then whatever opens with a brace, the longest first."""
    text = _THOUGHT.sub("", text).strip().removeprefix("\ufeff")
    for piece in (text, *_FENCE.findall(text)):
        try:
            yield _loads(piece)
        except (ValueError, RecursionError):
            continue
    found: list[tuple[int, Any]] = []
    at = text.find("{")
    for _ in range(CANDIDATES_MOST):
        if at < 0:
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
            found.append((end - at, value))
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)
    yield from (value for _, value in sorted(found, key=lambda row: -row[0]))


def _refuse(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


_DEPTH = 60


class _Coercion:
    """Walks value and schema together; what does not fit is left for the validator to name."""

    def __init__(self, rules: _Rules) -> None:
        self._rules = rules

    def apply(self, value: Any, schema: Any, depth: int) -> Any:
        if depth > _DEPTH:
            raise RecursionError
        schema = self._resolved(schema)
        for branch in (schema.get("anyOf") or []) + (schema.get("oneOf") or []):
            tried = self.apply(value, branch, depth + 1)
            if self._rules.allow(tried, branch):
                return tried
        value = _as_type(value, _types(schema))
        if isinstance(value, str):
            return clean(value)[: _limit(schema, "maxLength", STRING_MOST)]
        if isinstance(value, list):
            items = schema.get("items", {})
            kept = value[: _limit(schema, "maxItems", ITEMS_MOST)]
            return [self.apply(entry, items, depth + 1) for entry in kept]
        if isinstance(value, dict):
            return self._object(value, schema, depth)
        return value

    def _object(self, value: dict[str, Any], schema: dict[str, Any], depth: int) -> dict[str, Any]:
        known, required = schema.get("properties", {}), schema.get("required", [])
        open_ended = schema.get("additionalProperties", True)
        fitted: dict[str, Any] = {}
        for name, entry in value.items():
            if name not in known and open_ended is False:
                continue
            part = known.get(name, open_ended if isinstance(open_ended, dict) else {})
            if entry is None and name not in required and not self._nullable(part):
                continue
            fitted[clean(name)[:500]] = self.apply(entry, part, depth + 1)
        return fitted

    def _nullable(self, schema: Any) -> bool:
        return self._rules.allow(None, schema)

    def _resolved(self, schema: Any) -> dict[str, Any]:
        for _ in range(20):
            if not isinstance(schema, dict):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            schema = self._rules.root
            for part in reference.removeprefix("#").strip("/").split("/"):
                schema = schema.get(part, {}) if part and isinstance(schema, dict) else schema
        return {}


def _limit(schema: dict[str, Any], name: str, most: int) -> int:
    given = schema.get(name)
    return min(given, most) if isinstance(given, int) and given >= 0 else most


def _types(schema: dict[str, Any]) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else [name for name in given if isinstance(name, str)]


def _as_type(value: Any, types: list[str]) -> Any:
    """The same value as another type, where nothing is lost by it."""
    if not types or _is_a(value, types):
        return value
    if isinstance(value, str):
        return _from_text(value.strip(), types, value)
    if isinstance(value, float) and "integer" in types and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and "string" in types:
        return json.dumps(value)
    if "array" in types and value is not None:
        return [value]
    return value


def _from_text(text: str, types: list[str], value: str) -> Any:
    if "integer" in types and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in types and _DECIMAL.fullmatch(text):
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    if "boolean" in types and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if "null" in types and text.lower() in ("", "null", "none", "n/a"):
        return None
    return [value] if "array" in types else value


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def _is_a(value: Any, types: list[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    return any(isinstance(value, _PYTHON[name]) for name in types if name in _PYTHON)


class _Rules:
    """The validator of a schema and of its parts. References are followed within the schema only, patterns not at all:
    a schema may come from a user, and a pattern can hold a process for hours."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root
        self._shared = {name: _checkable(root[name], True) for name in ("$defs", "definitions") if name in root}
        self._validators: dict[int, Any] = {}

    def allow(self, value: Any, schema: Any) -> bool:
        """Whether the value fits this part of the schema."""
        return not self.problems(value, schema)

    def problems(self, value: Any, schema: Any) -> list[str]:
        """At most five sentences; raises Unfit for a schema that is none."""
        from jsonschema.exceptions import SchemaError, UndefinedTypeCheck, UnknownType
        from referencing.exceptions import Unresolvable

        try:
            errors = self._validator(schema).iter_errors(value)
            return [f"At {each.json_path[:200]}: {each.message[:300]}" for each in islice(errors, 5)]
        except (SchemaError, UndefinedTypeCheck, UnknownType, Unresolvable, TypeError, ValueError) as error:
            raise Unfit([f"The schema is not usable ({type(error).__name__})."]) from None

    def _validator(self, schema: Any) -> Any:
        from jsonschema import Draft202012Validator
        from referencing import Registry

        known = self._validators.get(id(schema))
        if known is None:
            part = _checkable(schema)
            checked = {**self._shared, **part} if isinstance(part, dict) else part
            registry: Any = Registry()
            known = self._validators[id(schema)] = Draft202012Validator(checked, registry=registry)
        return known


def _checkable(schema: Any, names: bool = False) -> Any:
    """The schema without what is not checked; `names` while the keys are names of properties."""
    if isinstance(schema, list):
        return [_checkable(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _checkable(value, names=not names and key in _SUBSCHEMAS)
        for key, value in schema.items()
        if names or key not in _UNCHECKED
    }
