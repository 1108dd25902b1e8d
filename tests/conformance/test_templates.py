"""Conformance table `templates`: parsing, rendering, merging, what is sent, and what counts as an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared import frontmatter, templates
from shared.answers import Unfit, read_answer
from tests.conformance.table import known, rows, rule_of

OTHERWISE = dict.fromkeys(("templates-d021", "templates-d022", "templates-d023"), 19)
"""Rows about a body that the model writes: ours is always the anchored transcript."""


def parse(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "template")
    found = templates.parse(given["template"])
    return {
        "asked": found.asked,
        "asked_order": list(found.asked),
        "frontmatter_key_of": found.keys,
        "fixed": found.fixed,
        "body": found.body,
        "systemprompt": found.systemprompt,
    }


def render(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "body", "values")
    return {"text": templates.render_body(given["body"], given["values"])}


def body_strategy(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "values", "template")
    return {"strategy": "transcript"}


def merge(given: dict[str, Any]) -> dict[str, Any]:
    """Through a whole twin: the former one read, the answer applied, the new one written and read again."""
    known(given, "existing_frontmatter", "template_frontmatter", "llm_values", "body")
    head = "".join(f"{key}: {value}\n" for key, value in given["template_frontmatter"].items())
    template = templates.parse(f"---\n{head}---\n")
    former, body = frontmatter.parse(frontmatter.render(given["existing_frontmatter"], given["body"]))
    written = frontmatter.render(templates.apply(template, former, given["llm_values"]), body)
    meta, again = frontmatter.parse(written)
    blocks = 0
    rest = written
    while (block := frontmatter.split_block(rest)) is not None:
        blocks, rest = blocks + 1, block[1]
    return {"frontmatter_after_reading_back": meta, "body": again, "frontmatter_blocks": blocks}


def strip(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "twin")
    return {"sent_after_trim": frontmatter.body_only(given["twin"]).strip()}


def model_answer(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "raw")
    try:
        value = read_answer(given["raw"], {"type": "object", "properties": {"title": {"type": "string"}}})
    except Unfit:
        return {"ok": False}
    return {"ok": True, **value}


def heading_path(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "template")
    return {"headings": templates.heading_path(templates.parse(given["template"]), "x")}


RULES = {
    "parse": parse,
    "render_body": render,
    "body_strategy": body_strategy,
    "merge_frontmatter": merge,
    "strip_frontmatter_before_sending": strip,
    "model_answer": model_answer,
    "heading_path_of_variable": heading_path,
}


def check(row: dict[str, Any]) -> None:
    """One row: mappings are compared whole, and a text may be wanted by what it contains."""
    seen, want = rule_of(row, RULES)(row["in"]), dict(row["want"])
    text = want.get("text")
    if isinstance(text, dict):
        known(text, "contains")
        assert all(part in seen["text"] for part in text["contains"]), json.dumps(seen)
        del want["text"]
    known(want, *seen)
    for name, wanted in want.items():
        assert seen[name] == wanted, name


@pytest.mark.parametrize("row", rows("templates", OTHERWISE))
def test_templates(row: dict[str, Any]):
    check(row)
