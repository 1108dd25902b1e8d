"""What a model wrote, as a value: tolerant of form, lossless in content."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from shared.answers import Unfit, fit, read_answer

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 20},
        "year": {"type": ["integer", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
        "price": {"type": "number"},
        "size": {"$ref": "#/$defs/size"},
        "note": {"type": "string"},
    },
    "required": ["title"],
    "additionalProperties": False,
    "$defs": {"size": {"type": "object", "properties": {"w": {"type": "integer"}}, "required": ["w"]}},
}


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "A"}',
        '\ufeff  {"title": "A"}\n',
        '```json\n{"title": "A"}\n```',
        'Sure, here it is:\n```\n{"title": "A"}\n```\nAnything else?',
        'The answer is {"title": "A"} as you can see in {the text}.',
        '<think>{"title": "wrong"}</think>{"title": "A"}',
        '{"title": "A", "invented": 1}',
        '{"title": "A", "note": null}',
        'I considered {"x": 1}, but: {"title": "A"}',
    ],
)
def test_the_object_is_found_whatever_is_around_it(text: str) -> None:
    assert read_answer(text, SCHEMA) == {"title": "A"}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"title": 12}, {"title": "12"}),
        ({"title": "A", "year": "1999"}, {"title": "A", "year": 1999}),
        ({"title": "A", "year": 1999.0}, {"title": "A", "year": 1999}),
        ({"title": "A", "year": None}, {"title": "A", "year": None}),
        ({"title": "A", "tags": "x"}, {"title": "A", "tags": ["x"]}),
        ({"title": "A", "tags": [1, "b"]}, {"title": "A", "tags": ["1", "b"]}),
        ({"title": "A", "price": "12.50"}, {"title": "A", "price": 12.5}),
        ({"title": "A", "size": {"w": "3"}}, {"title": "A", "size": {"w": 3}}),
        ({"title": "A" * 50}, {"title": "A" * 20}),
        ({"title": "A", "tags": list("abcdef")}, {"title": "A", "tags": ["a", "b", "c"]}),
        ({"title": "a\u202eb\x00c\ud800"}, {"title": "abc"}),
    ],
)
def test_what_means_the_same_is_taken_as_what_was_asked_for(given: Any, wanted: Any) -> None:
    assert fit(given, SCHEMA) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no object at all",
        "[1, 2]",
        '{"year": 1}',
        '{"title": "A", "year": "about 1999"}',
        '{"title": "A", "year": 1.5}',
        '{"title": "A", "year": "1,5"}',
        '{"title": "A", "price": NaN}',
        '{"title": "A", "price": true}',
        '{"title": "A", "size": {"w": "wide"}}',
        '{"title": "A"',
        '{"title": ' + "[" * 100_000,
        '{"a":' * 5_000,
    ],
)
def test_what_means_something_else_is_refused(text: str) -> None:
    with pytest.raises(Unfit) as caught:
        read_answer(text, SCHEMA)
    assert all(len(problem) < 600 for problem in caught.value.problems)


def test_without_a_schema_the_answer_is_text() -> None:
    assert read_answer("<think>hm</think>  A summary.\x00 ", None) == "A summary."


def test_a_patterns_time_is_never_spent_and_no_reference_is_fetched() -> None:
    hostile = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    began = time.monotonic()
    assert fit({"x": "a" * 60 + "!"}, hostile) == {"x": "a" * 60 + "!"}
    assert time.monotonic() - began < 5
    elsewhere = {"type": "object", "properties": {"x": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    with pytest.raises(Unfit):
        fit({"x": 1}, elsewhere)


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "integer"}, "format": {"type": "string"}}}
    assert fit({"pattern": "3", "format": "A4"}, schema) == {"pattern": 3, "format": "A4"}
    with pytest.raises(Unfit):
        fit({"pattern": "x"}, schema)


def test_one_of_several_forms_is_chosen_by_what_fits() -> None:
    schema = {
        "type": "object",
        "properties": {"v": {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "string"}}]}},
    }
    assert fit({"v": "7"}, schema) == {"v": 7}
    assert fit({"v": [7]}, schema) == {"v": ["7"]}


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}}}
    deep: Any = {"n": "1"}
    for _ in range(20):
        deep = {"child": deep, "n": "1"}
    fitted = fit(deep, schema)
    assert json.dumps(fitted).count('"n": 1') == 21
    endless: dict[str, Any] = {"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}}
    endless["$defs"] = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
    with pytest.raises(Unfit):
        fit({"x": 1}, endless)


def test_thousands_of_rows_are_read_in_moments() -> None:
    row: dict[str, Any] = {"type": "object", "properties": {f"f{i}": {"type": ["number", "null"]} for i in range(10)}}
    row["properties"]["choice"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    schema = {"type": "object", "properties": {"rows": {"type": "array", "items": row}}}
    value = {"rows": [{f"f{i}": str(i) for i in range(10)} | {"choice": "3"} for _ in range(2_000)]}
    began = time.monotonic()
    assert fit(value, schema)["rows"][1999]["choice"] == 3
    assert time.monotonic() - began < 20
