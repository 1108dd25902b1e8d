"""Conformance table `skip_pipeline`: whole document runs, with steps that do what the row says of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared import skipping
from tests.conformance.table import agree, known, one_of, rows, rule_of
from tests.conformance.test_skip_unit import ours

COLUMNS = (
    "document_id",
    "document_content",
    "title",
    "ocr_status",
    "metadata_status",
    "extraction_status",
    "records",
)
STATUSES = ("ocr", "metadata", "extraction")
LISTS = ("force_reprocess_ocr", "force_reprocess_metadata", "force_reprocess_extraction", "run_refinement")


def params_of(given: dict[str, Any]) -> skipping.Params:
    return msgspec.convert({k: ours(v) if k in LISTS else v for k, v in given.items()}, skipping.Params)


def kind_of(status: str | None) -> str | None:
    """A row names an error status by the one word `error`."""
    return "error" if status is not None and status.startswith("Error") else status


def one_document(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "document", "params", "step_failures")
    document = dict(given["document"])
    found = document.pop("new_records", 0)
    known(document, *COLUMNS)
    failing = [one_of([step.name for step in skipping.STEPS], name) for name in given["step_failures"]]
    written: list[str] = []

    def work(step: skipping.Step, row: skipping.Row) -> skipping.Outcome:
        written.extend(step.name for step in skipping.STEPS if row.get(step.status) == skipping.DESYNC)
        if step.name in failing:
            return skipping.Outcome(error="as the row wants")
        return skipping.Outcome({"records": row.get("records", 0) + found} if step.name == "extraction" else {})

    plan = skipping.plan_document(document, params_of(given["params"]), work)
    assert list(dict.fromkeys(written)) == plan.desync
    return {
        "ran": plan.ran,
        "desync": plan.desync,
        "status_after": {name: kind_of(plan.after.get(f"{name}_status")) for name in STATUSES},
    }


def source_file_gone(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "file_on_disk", "params", *COLUMNS)
    row = {name: value for name, value in given.items() if name != "params"}
    plan = skipping.plan_document(row, params_of(given["params"]), lambda step, row: skipping.Outcome())
    reasons = {step.step: step.decision.verdict.reason for step in plan.steps}
    assert plan.after["document_content"] == row["document_content"]
    return {
        "ran": plan.ran,
        "ocr_result_contains": reasons["ocr"],
        **{f"{name}_status_after": plan.after.get(f"{name}_status") for name in STATUSES},
    }


def insert_or_update(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "step", "existing_keys", "llm_returns_keys")
    return skipping.allowed_writes(given["step"], given["existing_keys"], given["llm_returns_keys"])._asdict()


RULES = {
    "one_document": one_document,
    "source_file_gone": source_file_gone,
    "insert_only_or_update_only": insert_or_update,
}


def check(row: dict[str, Any]) -> None:
    """One row."""
    agree(rule_of(row, RULES)(row["in"]), row["want"])


@pytest.mark.parametrize("row", rows("skip_pipeline"))
def test_skip_pipeline(row: dict[str, Any]):
    check(row)
