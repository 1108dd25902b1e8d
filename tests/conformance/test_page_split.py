"""Conformance table `page_split`."""

from __future__ import annotations

from typing import Any

import pytest

from shared import anchors
from tests.conformance.table import agree, known, rows, rule_of


def split(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "body")
    preamble, pages = anchors.split_pages(given["body"])
    return {
        "anchors": anchors.has_anchors(given["body"]),
        "preamble": preamble,
        "pages": [{"page": page.number, "text": page.text} for page in pages],
    }


def count(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "body", "frontmatter_pages")
    return {"max_page": anchors.page_count(given["body"], given["frontmatter_pages"])}


RULES = {"anchor_split": split, "dash_variants_and_indent": split, "page_count": count}


def check(row: dict[str, Any]) -> None:
    """One row."""
    agree(rule_of(row, RULES)(row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("page_split"))
def test_page_split(row: dict[str, Any]):
    check(row)
