"""Reading the conformance tables, and comparing an observation with what a row wants.

An adapter maps a row's words to our functions and routes and says what it has seen; `agree` compares. A word that the
adapter does not know is an error, never a pass.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

CASES = Path(os.environ.get("CONFORMANCE_CASES") or Path(__file__).parent / "cases")


def rows(table: str, otherwise: Mapping[str, int] | None = None) -> list[Any]:
    """The table's rows as pytest parameters; `otherwise` maps a `should` row to the ADR that answers it otherwise."""
    found = [json.loads(line) for line in (CASES / f"{table}.jsonl").read_text("utf-8").splitlines() if line.strip()]
    assert found, f"{table} has no rows"
    return [pytest.param(row, id=row["id"], marks=_marks(row, otherwise or {})) for row in found]


def _marks(row: dict[str, Any], otherwise: Mapping[str, int]) -> list[pytest.MarkDecorator]:
    if row["id"] not in otherwise or row["level"] != "should":
        return []
    return [pytest.mark.xfail(reason=f"ADR {otherwise[row['id']]}", strict=True)]


def known(given: Mapping[str, Any], *names: str) -> None:
    """Fail for a word that the adapter has no use for: it would be ignored silently."""
    unknown = set(given) - set(names)
    assert not unknown, f"the adapter does not understand {sorted(unknown)}"


def rule_of(row: dict[str, Any], rules: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """The adapter's function for the row's rule."""
    assert row["rule"] in rules, f"the adapter does not understand the rule {row['rule']!r}"
    return rules[row["rule"]]


def agree(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Everything wanted was seen. A mapping agrees if all its wanted entries do; the end of a name may say how."""
    assert wanted, "the row wants nothing"
    known(wanted, *seen)
    for name, want in wanted.items():
        if isinstance(want, Mapping) and isinstance(seen[name], Mapping):
            agree(seen[name], want)
        elif name.endswith(("_contains", "_has")):
            assert want in seen[name], f"{name}: {seen[name]!r} does not contain {want!r}"
        elif name.endswith("_starts_with"):
            assert seen[name].startswith(want), f"{name}: {seen[name]!r} does not start with {want!r}"
        elif name.endswith("_in"):
            assert seen[name] in want, f"{name}: {seen[name]!r} is none of {want!r}"
        else:
            assert seen[name] == want, f"{name}: {seen[name]!r} instead of {want!r}"


def agree_on_answers(seen: list[int], wanted: list[int | list[int]]) -> None:
    """One HTTP status for each event; a nested list means any of these."""
    assert len(seen) == len(wanted)
    for status, want in zip(seen, wanted, strict=True):
        assert status in (want if isinstance(want, list) else [want]), f"{seen} instead of {wanted}"


def concept(message: str) -> str:
    """The stable word at the start of an error's message."""
    return message.partition(":")[0]


def one_of(names: Collection[str], given: str) -> str:
    """The name, which must be one of those that the adapter knows."""
    assert given in names, f"the adapter does not understand {given!r}"
    return given
