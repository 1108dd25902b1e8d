"""Frontmatter: what is read, what is written, and that a body is never cut."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import frontmatter

SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=15
)
HOSTILE = st.sampled_from(
    ["---", "a: b", "\n---\n", "--- Seite 3 ---", "# x", "{", "[", '"', "\\", "\u2028", "\x85", "%"]
)
BODIES = st.lists(st.text() | HOSTILE).map("\n".join)


@given(st.dictionaries(st.text(min_size=1, max_size=200), VALUES | HOSTILE), BODIES)
def test_what_is_rendered_is_read_back_unchanged(meta: dict[str, Any], body: str) -> None:
    reading = frontmatter.read(frontmatter.render(meta, body))
    assert (reading.meta, reading.body, reading.warnings) == (meta, body, [])


@given(BODIES)
def test_no_text_makes_the_reader_raise(text: str) -> None:
    meta, body = frontmatter.parse(text)
    assert text.endswith(body)
    assert meta or body == text or frontmatter.split_block(text)


def test_real_yaml_with_nested_lists_is_read() -> None:
    meta, body = frontmatter.parse("---\ntags:\n  - a\n  - b: 1\ntext: |\n  one\n  two\n---\nBody")
    assert meta == {"tags": ["a", {"b": 1}], "text": "one\ntwo"}
    assert body == "Body"


def test_json_on_one_line_is_read() -> None:
    meta, _ = frontmatter.parse('---\nchapters: [{"title":"A: b","endPage":null}]\n---\n')
    assert meta == {"chapters": [{"title": "A: b", "endPage": None}]}


def test_scalars_are_typed_as_yaml_1_2() -> None:
    meta, _ = frontmatter.parse(
        "---\nyear: 2019\nshare: 0.5\nok: true\nregion: no\nzip: 01234\nday: 2026-01-02\nnone:\n---\n"
    )
    assert meta == {
        "year": 2019, "share": 0.5, "ok": True, "region": "no", "zip": "01234", "day": "2026-01-02", "none": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    ["A\n---\nB\n---\nC", "--- Seite 3 ---\nText", "---\nSeite 4\n---\nText", "\n---\na: 1\n---\n", "---\na: 1\n"],
)
def test_text_that_is_no_frontmatter_stays_whole(body: str) -> None:
    assert frontmatter.parse(body) == ({}, body)


def test_only_the_first_block_is_frontmatter() -> None:
    assert frontmatter.parse("---\na: 1\n---\n---\nb: 2\n---\nBody") == ({"a": 1}, "---\nb: 2\n---\nBody")


def test_a_second_block_that_follows_at_once_is_stripped_before_sending() -> None:
    assert frontmatter.body_only("---\na: 1\n---\n---\nb: 2\n---\nBody") == "Body"
    assert frontmatter.body_only("---\na: 1\n---\n--- Seite 1 ---\n---\nT") == "--- Seite 1 ---\n---\nT"
    assert frontmatter.body_only("---\na: 1\n---\n---\nno pair\n---\nT") == "---\nno pair\n---\nT"


def test_windows_line_ends_and_a_byte_order_mark_are_accepted() -> None:
    assert frontmatter.parse("\ufeff---\r\na: x\r\n---\r\nBody\r\n") == ({"a": "x"}, "Body\r\n")


def test_one_malformed_entry_costs_a_warning_and_not_the_block() -> None:
    reading = frontmatter.read('---\na: 1\nb: "open\nc: [1\nd: 2\nstray\n---\nBody')
    assert reading.meta == {"a": 1, "b": '"open', "c": "[1", "d": 2}
    assert len(reading.warnings) == 3


def test_aliases_and_python_tags_are_kept_as_text() -> None:
    bomb = "---\na: &a [1]\nb: *a\nc: !!python/object/apply:os.system [ls]\n---\n"
    meta, _ = frontmatter.parse(bomb)
    assert meta == {"a": [1], "b": "*a", "c": "!!python/object/apply:os.system [ls]"}


def test_depth_and_size_are_survived_quickly() -> None:
    began = time.monotonic()
    frontmatter.parse("---\na: " + "[" * 100_000 + "\n---\n")
    frontmatter.parse("---\na: " + '{"a":' * 50_000 + "\n---\n")
    frontmatter.parse("---\n" + "k: 'v'\n" * 100_000 + "---\n")
    assert time.monotonic() - began < 20


def test_inner_keys_never_overwrite_top_level_ones() -> None:
    meta, _ = frontmatter.parse("---\ntitle: outer\nchapter:\n  title: inner\n---\n")
    assert meta == {"title": "outer", "chapter": {"title": "inner"}}


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_an_unusable_key_is_refused_when_writing(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        frontmatter.render({key: 1}, "")


def test_keys_and_values_that_yaml_would_misread_are_quoted() -> None:
    text = frontmatter.render({"a: b": "x", "yes": 1, "plain-key": "# no comment"}, "")
    assert text == '---\n"a: b": "x"\n"yes": 1\nplain-key: "# no comment"\n---\n'


@pytest.mark.parametrize("answer", [None, "", "  \n"])
def test_a_blank_answer_never_wipes_a_value(answer: object) -> None:
    assert frontmatter.merge({"title": "old"}, {"title": answer}, {}) == {"title": "old"}


def test_fixed_fields_win_over_the_answer_and_are_typed() -> None:
    merged = frontmatter.merge({"a": 1}, {"docType": "novel", "year": 2021}, {"docType": "report", "tags": "[x, y]"})
    assert merged == {"a": 1, "docType": "report", "year": 2021, "tags": ["x", "y"]}


def test_zero_and_false_are_answers() -> None:
    assert frontmatter.merge({"n": 5, "b": True}, {"n": 0, "b": False}, {}) == {"n": 0, "b": False}
