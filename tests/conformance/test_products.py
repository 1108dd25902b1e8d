"""Conformance table `products`: the pipeline's bands, the index scan, the focused page plan, and going on after a stop.

Rules about work have their adapters in `product_work`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from services.transformer.discovery.plan import index_scan_window, plan_ranges
from shared.bands import overall, stages_after
from tests.conformance import product_work
from tests.conformance.table import agree, known, rows, rule_of


def progress(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "stage", "fraction_done")
    return {"percent": overall(given["stage"], given["fraction_done"])}


def focus(given: dict[str, Any]) -> dict[str, Any]:
    """The plan's pages; a plan of nothing says so."""
    known(given, "product_page_ranges", "total_pages", "focused_extraction")
    ranges = [(first, last) for first, last in given["product_page_ranges"]]
    plan = plan_ranges(ranges, given["total_pages"], focused=given["focused_extraction"])
    assert sorted(plan.processed + plan.skipped) == list(range(1, given["total_pages"] + 1))
    assert all(row.reason for row in plan.pages)
    return {
        "processed": len(plan.processed),
        "skipped": len(plan.skipped),
        "pages": plan.processed,
        "dropped_pages": plan.dropped,
        "warning": plan.warning,
        "silent_success": not plan.processed and not plan.warning,
    }


def scan(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "total_pages")
    return {"scanned": index_scan_window(given["total_pages"])}


def resume(given: dict[str, Any]) -> dict[str, Any]:
    known(given, "last_checkpoint")
    return {"stages_to_run": stages_after(given["last_checkpoint"])}


RULES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "overall_progress": progress,
    "focused_pages": focus,
    "index_scan_window": scan,
    "resume_after_checkpoint": resume,
    "heartbeat_120s": product_work.heartbeat,
    "one_bad_image": product_work.one_bad_image,
    "batch_insert_100": product_work.batches,
    "low_score_goes_to_validation": product_work.low_score,
    "parallel_limit": product_work.parallel_limit,
    "no_duplicate_work": product_work.no_duplicate_work,
}


async def check(row: dict[str, Any]) -> None:
    """One row."""
    seen = rule_of(row, RULES)(row["in"])
    seen = await seen if inspect.isawaitable(seen) else seen
    want = dict(row["want"])
    if row["rule"] == "index_scan_window":  # the row names the least and the most
        known(want, "at_least", "first_pages")
        assert want["at_least"] <= seen["scanned"] <= want["first_pages"]
        return
    agree(seen, want)


@pytest.mark.parametrize("row", rows("products"))
async def test_products(row: dict[str, Any]):
    await check(row)
