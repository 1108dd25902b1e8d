"""Templates: parsing, rendering, and how answers meet frontmatter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import frontmatter, templates
from shared.errors import RequestError

FIELD_REPORT = """---
# comments are for authors
docType: field_report
Personen: {{people|Who is named?}}
year: {{year|YYYY or null}}
empty:
topics:
  - water
  - birds
---
# {{title|As printed}}

{{abstract|Two sentences}}

--- systemprompt
Be exact.
--- systemprompt
still the prompt
"""


def test_fields_questions_fixed_values_body_and_prompt_are_told_apart() -> None:
    template = templates.parse(FIELD_REPORT)
    assert template.asked == {
        "people": "Who is named?", "year": "YYYY or null", "title": "As printed", "abstract": "Two sentences",
    }  # fmt: skip
    assert template.keys == {"people": "Personen", "year": "year"}
    assert template.fixed == {"docType": "field_report", "topics": "\n  - water\n  - birds"}
    assert template.body == "# {{title|As printed}}\n\n{{abstract|Two sentences}}"


def test_only_the_first_divider_parts_the_prompt() -> None:
    assert templates.parse(FIELD_REPORT).systemprompt == "Be exact.\n--- systemprompt\nstill the prompt"


def test_braces_in_a_question_and_hyphens_in_a_name_are_allowed() -> None:
    template = templates.parse('---\nk: {{my-var|Objects {"a": {"b": 1}} only}}\n---\n{{x|a } b}} and {{y|c}}')
    assert template.asked == {"my-var": 'Objects {"a": {"b": 1}} only', "x": "a } b", "y": "c"}


def test_the_same_answer_stands_under_the_key_and_fills_the_body() -> None:
    template = templates.parse("---\nPersonen: {{people|w}}\n---\nWith {{people}}.")
    assert templates.apply(template, {}, {"people": "Ada"}) == {"Personen": "Ada"}
    assert templates.render_body(template.body, {"people": "Ada"}) == "With Ada."


def test_fixed_fields_survive_the_answer_and_lists_are_lists() -> None:
    meta = templates.apply(templates.parse(FIELD_REPORT), {}, {"docType": "novel", "topics": "none", "year": 2020})
    assert meta == {"docType": "field_report", "topics": ["water", "birds"], "year": 2020}


def test_a_null_answer_keeps_the_existing_value_under_a_renamed_key() -> None:
    template = templates.parse("---\nPersonen: {{people|w}}\n---\n")
    assert templates.apply(template, {"Personen": ["Bo"]}, {"people": None}) == {"Personen": ["Bo"]}


def test_answers_nobody_asked_for_are_kept_unless_their_name_is_unusable() -> None:
    meta = templates.apply(templates.parse("{{a|q}}"), {}, {"a": 1, "extra": 2, "": 3, "x" * 300: 4})
    assert meta == {"a": 1, "extra": 2}
    frontmatter.render(meta, "")


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text()))
def test_values_are_put_in_as_they_are_and_never_searched_again(values: dict[str, str]) -> None:
    clean = {key: value.replace("\\n", "") for key, value in values.items()}
    assert templates.render_body("<{{a}}|{{b|q}}>", clean) == f"<{clean.get('a', '')}|{clean.get('b', '')}>"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, ""), (0, "0"), (False, "false"), (["ä"], '["ä"]'), ("{{b}}", "{{b}}"), ("one\\n\\ntwo", "one\n\ntwo"),
     ("C:\\new \\g<0> $1", "C:\\new \\g<0> $1"), ("real\nline \\n kept", "real\nline \\n kept")],
)  # fmt: skip
def test_values_of_every_type_are_shown(value: object, shown: str) -> None:
    assert templates.render_body("{{a}}", {"a": value, "b": "X"}) == shown


def test_closed_sibling_headings_are_not_in_the_path() -> None:
    template = templates.parse("# A\n## B\n# C\n## D\n{{x|q}}\n# E")
    assert templates.heading_path(template, "x") == ["C", "D"]


@given(st.text() | st.lists(st.sampled_from(["{{", "}}", "a", "|", "---\n", "\n", ": ", "#"])).map("".join))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    templates.parse(text)
    templates.validate(text)


def test_what_is_wrong_with_a_template_is_said() -> None:
    assert templates.validate("Hello") == ["The template asks for nothing: there is no {{variable|question}}."]
    assert any("twice" in problem for problem in templates.validate("---\na: {{a|q}}\na: {{b|q}}\n---\n"))
    assert any("malformed" in problem for problem in templates.validate("{{a|q}} {{b|open"))


@pytest.mark.parametrize("name", templates.available())
def test_every_template_of_the_library_is_valid(name: str) -> None:
    template = templates.load(name)
    assert templates.validate((templates.LIBRARY / f"{name}.md").read_text(encoding="utf-8")) == []
    assert {"title", "language"} <= set(template.asked)
    assert "{target_language}" in template.systemprompt


@pytest.mark.parametrize("name", ["../templates", "nothing", "", "a/b"])
def test_only_names_of_the_library_are_loaded(name: str) -> None:
    with pytest.raises(RequestError):
        templates.load(name)


def test_the_digest_changes_with_the_text() -> None:
    assert templates.parse("{{a|q}}").digest != templates.parse("{{a|r}}").digest
