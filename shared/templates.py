"""Templates: what the analysis is asked for, what is fixed, and how the answer is laid out (features D1).

    key: {{variable|question}}    asked; the answer `variable` is stored under `key` (they may differ)
    key: value                    fixed: survives any answer
    # text                        a comment, inside the frontmatter only
    body with {{variable}}        filled with values
    --- systemprompt              the first such line; everything after it is the prompt

Parsing never raises; `validate` says what is wrong with a template.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from shared import frontmatter
from shared.errors import RequestError

LIBRARY = Path(__file__).parent / "template_library"
DEFAULT = "document"
SIZE_LIMIT = 200_000

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_ENTRY = re.compile(r"([^\s#][^\n]{0,199}?)[ \t]*:(?:[ \t]+|$)")
_OPEN = re.compile(r"\{\{[ \t]*([^\s{}|][^{}|\n]{0,99})(\||\}\})")
_DIVIDER = re.compile(r"^---[ \t]*systemprompt[ \t]*$", re.MULTILINE | re.IGNORECASE)
_HEADING = re.compile(r"^(#{1,6})[ \t]+([^\n]+)$", re.MULTILINE)


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed template. `asked` maps variable to question, in order; `keys` maps variable to frontmatter key;
    `fixed` holds raw text (typed when merged); `composed` maps a key to text around placeholders."""

    name: str = ""
    asked: dict[str, str] = {}
    keys: dict[str, str] = {}
    fixed: dict[str, str] = {}
    composed: dict[str, str] = {}
    body: str = ""
    systemprompt: str = ""
    digest: str = ""


class Placeholder(NamedTuple):
    """`{{variable|question}}` at text[start:end]; `question` is None when there is no `|`."""

    variable: str
    question: str | None
    start: int
    end: int


def parse(text: str, name: str = "") -> Template:
    """The template in a text; `digest` is the SHA-256 of the text (recorded with every result)."""
    clean = text.removeprefix("\ufeff").replace("\r\n", "\n")
    head, rest = frontmatter.split_block(clean) or ("", clean)
    divider = _DIVIDER.search(rest)
    body = (rest[: divider.start()] if divider else rest).strip()
    asked: dict[str, str] = {}
    keys: dict[str, str] = {}
    fixed: dict[str, str] = {}
    composed: dict[str, str] = {}
    for key, raw in _head_entries(head):
        found = list(placeholders(raw))
        _ask(asked, found)
        if len(found) == 1 and (found[0].start, found[0].end) == (0, len(raw)):
            keys[found[0].variable] = key
        elif found:
            composed[key] = raw
        elif raw:
            fixed[key] = raw
    _ask(asked, placeholders(body))
    return Template(
        name=name,
        asked=asked,
        keys=keys,
        fixed=fixed,
        composed=composed,
        body=body,
        systemprompt=rest[divider.end() :].strip() if divider else "",
        digest=hashlib.sha256(text.encode(errors="replace")).hexdigest(),
    )


def is_name(name: str) -> bool:
    """Whether this can be a template's name."""
    return bool(_NAME.match(name))


def available() -> list[str]:
    """Names of the project's own templates."""
    return sorted(path.stem for path in LIBRARY.glob("*.md"))


def text_of(name: str = DEFAULT) -> str:
    """The text of one of the project's own templates; raises RequestError not_found for any other name."""
    path = LIBRARY / f"{name}.md"
    if not is_name(name) or not path.is_file():
        raise RequestError("not_found", f"There is no template {name[:64]!r}; there are: {', '.join(available())}.")
    return path.read_text(encoding="utf-8")


def load(name: str = DEFAULT) -> Template:
    """One of the project's own templates; raises RequestError not_found for any other name."""
    return parse(text_of(name), name)


def validate(text: str) -> list[str]:
    """What is wrong with a template's text, as sentences; empty when it can be used."""
    if len(text) > SIZE_LIMIT:
        return [f"The template is longer than {SIZE_LIMIT} characters."]
    template = parse(text)
    head, rest = frontmatter.split_block(text.replace("\r\n", "\n")) or ("", text)
    problems = [] if template.asked else ["The template asks for nothing: there is no {{variable|question}}."]
    keys = [key for key, _ in _head_entries(head)]
    problems += [f"The key {key!r} is given twice." for key in dict.fromkeys(keys) if keys.count(key) > 1]
    problems += [f"The variable {variable!r} has an empty question." for variable, q in template.asked.items() if not q]
    problems += [f"{text.count('{{')} '{{{{' open, but a placeholder is malformed."] * (
        len(list(placeholders(head))) + len(list(placeholders(rest))) < head.count("{{") + rest.count("{{")
    )
    if text.startswith("---\n") and not head and frontmatter.split_block(text) is None:
        problems.append("The frontmatter has no closing --- line.")
    return problems


def placeholders(text: str) -> Iterator[Placeholder]:
    """Placeholders in order. A question may hold braces: the first `}}` that leaves them balanced closes it."""
    position = 0
    while match := _OPEN.search(text, position):
        end, question = match.end(), None
        if match.group(2) == "|":
            closing = _closing(text, match.end())
            if closing < 0:
                position = match.end()
                continue
            end, question = closing + 2, text[match.end() : closing].strip()
        yield Placeholder(match.group(1).strip(), question, match.start(), end)
        position = end


def render_body(body: str, values: Mapping[str, Any]) -> str:
    """The body with every placeholder replaced by its value, once: values are never searched for placeholders."""
    parts: list[str] = []
    position = 0
    for found in placeholders(body):
        parts += [body[position : found.start], _shown(values.get(found.variable))]
        position = found.end
    return "".join(parts) + body[position:]


def apply(template: Template, existing: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The twin's frontmatter: existing keys, answers under the template's keys, fixed fields (checklist C18, C19).

    Answers that the template did not ask for are kept under their own names, unusable names are dropped.
    """
    renamed = {
        template.keys.get(variable, variable): value
        for variable, value in values.items()
        if variable and len(variable) <= 200
    }
    composed = {key: render_body(raw, values) for key, raw in template.composed.items()}
    return frontmatter.merge(existing, renamed | composed, template.fixed)


def heading_path(template: Template, variable: str) -> list[str]:
    """Titles of the body's headings above the first use of a variable, outermost first; closed siblings left out."""
    use = next((found.start for found in placeholders(template.body) if found.variable == variable), None)
    path: list[tuple[int, str]] = []
    for match in _HEADING.finditer(template.body, 0, use) if use is not None else ():
        level = len(match.group(1))
        path = [*(entry for entry in path if entry[0] < level), (level, match.group(2).strip())]
    return [title for _, title in path]


def _head_entries(head: str) -> Iterator[tuple[str, str]]:
    """Entries of a template's frontmatter as (key, raw value); indented lines continue the value above."""
    key, lines = "", [""]
    for line in head.split("\n"):
        match = None if line.startswith(("#", " ", "\t")) else _ENTRY.match(line)
        if match:
            if key:
                yield key, "\n".join(lines).rstrip().lstrip(" \t")
            key, lines = match.group(1).strip("\"'"), [line[match.end() :].strip()]
        elif key and line.startswith((" ", "\t", "- ")):
            lines.append(line)
    if key:
        yield key, "\n".join(lines).rstrip().lstrip(" \t")


def _ask(asked: dict[str, str], found: Iterator[Placeholder] | list[Placeholder]) -> None:
    for item in found:
        if item.question is not None and not asked.get(item.variable):
            asked[item.variable] = item.question


def _closing(text: str, start: int) -> int:
    """Where the `}}` of a placeholder's question starts, -1 if there is none on its line."""
    limit = text.find("\n", start)
    limit = len(text) if limit < 0 else limit
    following = _OPEN.search(text, start, limit)
    limit = min(limit, start + 4000, following.start() if following else limit)
    first = text.find("}}", start, limit)
    at = first
    while at >= 0:
        if text.count("{", start, at) == text.count("}", start, at):
            return at
        at = text.find("}}", at + 1, limit)
    return first


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # models sometimes answer with a written-out \n; a real line break or a Windows path shows that it is meant
        return value if "\n" in value else re.sub(r"(?<![:\\])\\n", "\n", value)
    return json.dumps(value, ensure_ascii=False)
