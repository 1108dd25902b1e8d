"""`./shadowtwin test` leaves no test out."""

from __future__ import annotations

from infra.cli.checks import HALVES, REPO


def test_every_folder_with_tests_is_in_one_of_the_halves():
    named = [name for half in HALVES for name in half]
    found = {path.relative_to(REPO / "tests").parts[0] for path in (REPO / "tests").rglob("test_*.py")}
    assert sorted(named) == sorted(found)
