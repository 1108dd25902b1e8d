"""Conformance table `names`."""

from __future__ import annotations

from typing import Any

import pytest

from shared import twin
from shared.errors import RequestError
from tests.conformance.table import agree, known, rows, rule_of


def build(given: dict[str, Any]) -> dict[str, Any]:
    """Build the name twice and parse it back; a refusal is told by the input that its message names."""
    known(given, "source", "kind", "template", "language")
    source, kind, template, language = given["source"], given["kind"], given["template"], given["language"]
    try:
        name = twin.artefact_name(source, kind, language, template)
    except RequestError as error:
        return {"error": next((word for word in given if word in str(error)), str(error))}
    return {
        "name": name,
        "parses_back": twin.parse_artefact_name(name, source) == (kind, language, template),
        "same_name_on_rerun": twin.artefact_name(source, kind, language, template) == name,
    }


def missing(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "kind", "frontmatter")
    return {"missing": twin.missing_core_fields(given["kind"], given["frontmatter"])}


RULES = {"build_and_parse_back": build, "template_needed": build, "core_frontmatter_missing": missing}


def check(row: dict[str, Any]) -> None:
    """One row."""
    agree(rule_of(row, RULES)(row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("names"))
def test_names(row: dict[str, Any]):
    check(row)
