"""The documents say what the code does."""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path

import pytest

from infra.cli.parser import build
from infra.cli.specs import generated
from shared.route import ROUTE

REPO = Path(__file__).resolve().parents[2]
BUILD = {"SHADOWTWIN_EXTRAS", "SHADOWTWIN_TEST_UPLOAD_MB"}
"""Variables that only the building of images and a test read."""
ROWS = {"A0": 36, "A1": 41, "A2": 37, "A3": 44, "A4": 32}


@pytest.mark.parametrize(
    "name", ["openapi.json", "asyncapi.json", "errors.md", "llms.txt", "settings.md", "commands.md"]
)
def test_the_committed_specs_are_fresh(name: str):
    assert (REPO / "docs" / name).read_text(encoding="utf-8") == generated()[name], "run: ./shadowtwin specs"


def test_the_route_table_in_the_architecture_is_the_route():
    rows = [f"| `{leg.subject}` | {leg.told_by} | {leg.consumer or 'anyone'} | {leg.meaning} |" for leg in ROUTE]
    text = (REPO / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert "\n".join(rows) in text, "the table should be:\n" + "\n".join(rows)


def test_every_file_that_the_architecture_names_exists():
    text = (REPO / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for name in re.findall(r"`((?:services|shared|infra|tests)/[\w/.]+)`", text):
        assert (REPO / name).exists(), name


def test_every_command_of_the_readme_exists():
    commands = set(
        re.findall(r"^\./shadowtwin ([\w-]+)", (REPO / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    )
    actions = build()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    assert commands - {"test"} <= set(actions or {})
    assert {"demo", "test"} <= commands


def test_every_requirement_names_tests_that_exist():
    text = (REPO / "docs" / "requirements.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (A\d)\.(\d+) \| .* \| (.*) \|$", text, re.MULTILINE)
    for section, count in ROWS.items():
        assert [int(number) for found, number, _ in rows if found == section] == list(range(1, count + 1))
    for section, number, proof in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", proof)
        assert named or re.fullmatch(r"issue \d", proof), f"{section}.{number}: {proof}"
        for file, test in named:
            assert test in functions(REPO / file), f"{section}.{number} names {file}::{test}"


@functools.cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def pages() -> list[Path]:
    return [REPO / "README.md", *(page for page in (REPO / "docs").rglob("*.md") if "adr" not in page.parts)]


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
def test_every_route_setting_and_option_that_a_page_names_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    routes = json.loads((REPO / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"]
    known = {(method.upper(), re.sub(r"\{\w+\}", "{}", path)) for path, methods in routes.items() for method in methods}
    named = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/(?:api|live|ready|warmup|metrics)[\w/{}.-]*)", text)
    own = {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in named if not path.endswith("...")}
    assert own - known == set()
    settings = set(re.findall(r"`([A-Z0-9_]+)`", (REPO / "docs" / "settings.md").read_text(encoding="utf-8")))
    assert set(re.findall(r"SHADOWTWIN_[A-Z0-9]+(?:_[A-Z0-9]+)*", text)) - settings - BUILD == set()
