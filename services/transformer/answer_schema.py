"""The JSON schema of the answer to a template's questions: what a question says about its form, as types.

A question that says nothing may be answered by text, a number, a truth value or a list of texts; unknown is null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LIST = re.compile(r"\b(?:array|list|liste|aufzählung)\b", re.IGNORECASE)
_OBJECTS = re.compile(r"\b(?:objects?|objekten?)\b", re.IGNORECASE)
_NUMBER = re.compile(r"\b(?:number|integer|zahl|YYYY|JJJJ)\b", re.IGNORECASE)
_TEXT_NUMBER = re.compile(r"\bnumber\s+(?:of\s+the|exactly)|\bnummer\b|YYYY-MM|JJJJ-MM", re.IGNORECASE)
_TEXT_MOST = 20_000
_ITEMS_MOST = 1_000

CHAPTER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 300},
        "level": {"type": ["integer", "null"]},
        "startPage": {"type": ["integer", "null"]},
        "endPage": {"type": ["integer", "null"]},
        "startEvidence": {"type": ["string", "null"], "maxLength": 160},
        "summary": {"type": ["string", "null"], "maxLength": 1000},
        "keywords": {"type": ["array", "null"], "items": {"type": "string", "maxLength": 100}, "maxItems": 20},
    },
    "required": ["title", "startPage"],
}
"""One chapter of a model's answer; pages are those of the anchors (features D1)."""

CHAPTERS: dict[str, Any] = {"type": "array", "items": CHAPTER, "maxItems": 2_000}


def schema_of(asked: Mapping[str, str]) -> dict[str, Any]:
    """An object with one property for each variable, all required; `chapters` has the form of CHAPTERS."""
    properties = {name: CHAPTERS if name == "chapters" else _form(question) for name, question in asked.items()}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _form(question: str) -> dict[str, Any]:
    start = question[:120]
    if _LIST.search(start):
        items: dict[str, Any] = {"type": ["string", "number"], "maxLength": _TEXT_MOST}
        if _OBJECTS.search(start):
            items = {"type": "object"}
        return {"type": ["array", "null"], "items": items, "maxItems": _ITEMS_MOST}
    if _NUMBER.search(question) and not _TEXT_NUMBER.search(question):
        return {"type": ["number", "null"]}
    text = {"type": "string", "maxLength": _TEXT_MOST}
    if len(question.split()) > 2:
        return {**text, "type": ["string", "null"]}
    texts = {"type": "array", "items": text, "maxItems": _ITEMS_MOST}
    return {"anyOf": [text, {"type": "number"}, {"type": "boolean"}, texts, {"type": "null"}]}
