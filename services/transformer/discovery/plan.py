"""The focused page plan: which sheets are worked on, each with a reason (checklist A1.7, A1.39)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.transformer.discovery.records import PagePlan, PlannedPage, Product

SCAN_MOST = 100
"""First sheets that the index scan may look at; of a longer document its index stands among them."""


def index_scan_window(total: int) -> int:
    """How many first sheets the index scan reads: the whole document up to a hundred, else the first hundred."""
    return max(0, min(total, SCAN_MOST))


def plan_pages(
    products: Sequence[Product], total: int, *, focused: bool, kinds: Mapping[int, str] | None = None
) -> PagePlan:
    """The plan for these products; `kinds` says what the other sheets are. Without focus every sheet is worked on."""
    owners: dict[int, list[str]] = {}
    for product in products:
        for page in product.pages:
            owners.setdefault(page, []).append(product.name)
    return _planned(owners, total, focused, kinds or {})


def plan_ranges(ranges: Sequence[tuple[int, int]], total: int, *, focused: bool) -> PagePlan:
    """The plan for bare page ranges, first and last sheet each."""
    owners: dict[int, list[str]] = {}
    for number, (first, last) in enumerate(ranges, start=1):
        for page in range(first, min(last, total + 1000) + 1):
            owners.setdefault(page, []).append(f"range {number}")
    return _planned(owners, total, focused, {})


def _planned(owners: Mapping[int, list[str]], total: int, focused: bool, kinds: Mapping[int, str]) -> PagePlan:
    pages = []
    for page in range(1, total + 1):
        names = owners.get(page, [])
        reason = ("shared" if len(names) > 1 else "product") if names else kinds.get(page, "no_product")
        pages.append(PlannedPage(page=page, processed=bool(names) or not focused, reason=reason, products=names))
    dropped = sorted(page for page in owners if not 1 <= page <= total)
    empty = focused and not any(row.processed for row in pages)
    return PagePlan(
        focused=focused, total_pages=total, pages=pages, dropped=dropped, warning="no_product_pages" if empty else ""
    )
