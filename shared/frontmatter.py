"""Frontmatter: the block between two `---` lines at the very start of a twin (features D3, pitfalls C8, C19).

Read as real YAML (YAML 1.2 scalars, no aliases) or as the origin's JSON on one line; written as JSON values, which
are valid YAML. Each top-level entry is read by itself, so one malformed entry costs one warning, not the block.
Nothing here raises on document content.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import yaml

_DELIMITER = re.compile(r"---[ \t]*(?:\r?\n|\Z)")
_CLOSING = re.compile(r"^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_ENTRY = re.compile(
    r"(\"(?:[^\"\\\n]|\\.){0,300}\"|'[^'\n]{0,300}'|[^\s\"'#\-\[\]{},&*!|>%@`?:][^\n]{0,299}?):(?:[ \t]+|$)"
)
_SIMPLE = re.compile(r"[^\W\d][^:#\n]*\Z")
_PLAIN_KEY = re.compile(r"[^\W\d][\w.-]*\Z")
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
YAML_LIMIT = 100_000
"""Characters of a block that are read as YAML (PyYAML reads some 100 kB/s); JSON on one line has no such limit."""


class Reading(NamedTuple):
    """What `read` found: values by key, the text after the block, and what could not be understood."""

    meta: dict[str, Any]
    body: str
    warnings: list[str]


class _Loader(yaml.SafeLoader):
    """YAML 1.2 core scalars only: dates stay text, `no` is not false, 012 is not octal; aliases are refused."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not read", None)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?\Z"),
    list("-+.0123456789"),
)


def parse(text: str) -> tuple[dict[str, Any], str]:
    """Values and body of a twin; ({}, text) when it does not start with a frontmatter block."""
    reading = read(text)
    return reading.meta, reading.body


def read(text: str) -> Reading:
    """As `parse`, with warnings. A block whose lines are not mostly `key: value` is no frontmatter but text."""
    block = split_block(text)
    if block is None:
        return Reading({}, text, [])
    entries, stray = _entries(block[0])
    if len(stray) > len(entries):
        return Reading({}, text, [])
    meta: dict[str, Any] = {}
    warnings = [f"frontmatter: line not understood: {line.strip()[:60]!r}" for line in stray[:20]]
    budget = YAML_LIMIT
    for key, raw in entries:
        if key in meta:
            warnings.append(f"frontmatter: {key!r} is given twice, the last one counts")
        meta[key], problem, spent = _value(raw, budget)
        budget -= spent
        if problem:
            warnings.append(f"frontmatter: {key!r} is kept as text ({problem})")
    return Reading(meta, block[1], warnings)


def split_block(text: str) -> tuple[str, str] | None:
    """Raw text between the delimiters and the text after them; None without both delimiters."""
    start = 1 if text.startswith("\ufeff") else 0
    opening = _DELIMITER.match(text, start)
    closing = _CLOSING.search(text, opening.end()) if opening else None
    if opening is None or closing is None:
        return None
    return text[opening.end() : closing.start()], text[closing.end() :]


def body_only(text: str) -> str:
    """The body alone; a second block is removed too if it follows at once and is all `key: value` (seed 003)."""
    body = parse(text)[1]
    if body is text or not _DELIMITER.match(body):
        return body
    second = split_block(body)
    if second is None:
        return body
    lines = [line for line in second[0].split("\n") if line.strip()]
    return second[1] if lines and all(_ENTRY.match(line) for line in lines) else body


def render(meta: Mapping[str, Any], body: str) -> str:
    """A twin's text: every value as JSON on one line, keys in the given order, then the body unchanged.

    Raises ValueError for a key that is empty, longer than 200 characters, or no string. Dates become ISO text,
    NaN and infinities null, lone surrogates U+FFFD.
    """
    lines = [f"{_key(key)}: {_json(value)}\n" for key, value in meta.items()]
    return "---\n" + "".join(lines) + "---\n" + body


def merge(old: Mapping[str, Any], new: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Old values, overlaid by the answer, overlaid by the template's fixed fields (conformance merge_frontmatter).

    A null or blank answer never replaces an existing value; `fixed` values that are text are typed as YAML scalars.
    """
    merged = dict(old)
    for key, value in new.items():
        if not (is_blank(value) and key in merged):
            merged[key] = value
    for key, value in fixed.items():
        merged[key] = typed(value) if isinstance(value, str) else value
    return merged


def is_blank(value: object) -> bool:
    """Whether a value is no answer: null or a string of blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


def typed(raw: str) -> Any:
    """The value of raw YAML or JSON text: numbers become numbers, lists lists; malformed text stays text."""
    return _value(raw)[0]


def _entries(block: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Top-level entries as (key, raw value with its continuation lines), and lines that belong to none."""
    entries: list[tuple[str, list[str]]] = []
    stray: list[str] = []
    for line in block.replace("\r\n", "\n").split("\n"):
        match = _ENTRY.match(line)
        if match:
            entries.append((_unquote(match.group(1).strip()), [line[match.end() :]]))
        elif not line.strip() or line.startswith("#"):
            continue
        elif entries and line[0] in " \t-]}":
            entries[-1][1].append(line)
        else:
            stray.append(line)
    return [(key, "\n".join(lines)) for key, lines in entries], stray


def _value(raw: str, budget: int = YAML_LIMIT) -> tuple[Any, str, int]:
    """The value of raw text, why it stayed text (empty if it did not), and its cost out of YAML_LIMIT."""
    text = raw.strip()
    if _SIMPLE.match(text) and text.lower() not in _RESERVED:
        return _plain(text), "", 0
    if text[:1] in ("[", "{", '"'):
        try:
            return _plain(json.loads(text, parse_constant=_refuse)), "", 0
        except (ValueError, RecursionError):
            pass
    cost = len(raw) + 50
    if cost > budget:
        return text, "too long to be read as YAML", 0
    try:
        return _plain(yaml.load("v: " + raw, Loader=_Loader)["v"]), "", cost
    except (yaml.YAMLError, ValueError, TypeError, KeyError, RecursionError, AttributeError, OverflowError) as error:
        return text, type(error).__name__, cost


def _plain(value: Any) -> Any:
    """The value with text keys only, and without types that JSON lacks."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if value is None or isinstance(value, (bool, int)):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)


def _json(value: Any) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _key(key: str) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= 200:
        raise ValueError(f"no usable frontmatter key: {str(key)[:40]!r}")
    return key if _PLAIN_KEY.match(key) and key.lower() not in _RESERVED else _json(key)


def _unquote(key: str) -> str:
    if key.startswith('"'):
        try:
            return str(json.loads(key))
        except ValueError:
            return key.strip('"')
    return key.strip("'").strip()


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
