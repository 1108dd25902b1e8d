"""Conformance table `skip_unit`. Integer ids become ours, which are strings."""

from __future__ import annotations

from typing import Any

import pytest

from shared import skipping
from shared.errors import RequestError
from tests.conformance.table import agree, concept, known, rows, rule_of

STEP = ("status", "data_exists", "force", "document_id", "upstream_ran")


def ours(force: Any) -> Any:
    return [str(entry) for entry in force] if isinstance(force, list) else force


def decided(decision: skipping.Decision) -> dict[str, Any]:
    return {
        "run": decision.verdict.run,
        "set_status_before_run": decision.set_status,
        "desync": decision.desync,
    }


def status_and_data(given: dict[str, Any]) -> dict[str, Any]:
    known(given, *STEP)
    return decided(
        skipping.should_run_step(
            given["status"],
            given["data_exists"],
            ours(given["force"]),
            str(given["document_id"]),
            given["upstream_ran"],
        )
    )


def status_only(given: dict[str, Any]) -> dict[str, Any]:
    known(given, *STEP)
    return decided(
        skipping.should_run_step_status_only(
            given["status"], ours(given["force"]), str(given["document_id"]), given["upstream_ran"]
        )
    )


def forced(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "force", "document_id")
    try:
        return {"forced": skipping.is_forced(ours(given["force"]), str(given.get("document_id", "any")))}
    except RequestError as error:
        return {"error": concept(error.message)}


def ocr_data(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "row")
    return {"data_exists": skipping.ocr_data_exists(given["row"])}


def metadata_data(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "row")
    return {"data_exists": skipping.metadata_data_exists(given["row"])}


RULES = {
    "status_and_data": status_and_data,
    "status_only": status_only,
    "is_forced": forced,
    "force_param_refused": forced,
    "data_exists_ocr": ocr_data,
    "data_exists_metadata": metadata_data,
}


def check(row: dict[str, Any]) -> None:
    """One row."""
    agree(rule_of(row, RULES)(row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("skip_unit"))
def test_skip_unit(row: dict[str, Any]):
    check(row)
