"""The job's log is told for which pages another method than `fast` was tried, why, and what came of it."""

from __future__ import annotations

from typing import Any

import msgspec

from services.extractor.pages import Escalation
from shared.phase import Report

_MOST = 200


class EscalationLog:
    """Marks escalations in the job's log, one entry a page, at most so many; the rest is counted."""

    def __init__(self, report: Report, most: int = _MOST) -> None:
        self._report, self._most = report, most
        self._count = 0

    def tell(self, page: dict[str, Any]) -> None:
        """A page as the child has sent it."""
        if not page.get("escalation"):
            return
        found = msgspec.convert(page["escalation"], Escalation)
        self._count += 1
        if self._count > self._most:
            return
        result = "better" if found.kept else "not better, fast kept"
        fields: dict[str, Any] = {"page": page["number"], "from": "fast", "to": found.to, "reason": found.reason}
        message = f"page {page['number']}: {found.to} tried for {found.reason}, {result}"
        self._report.mark("running", message, **fields, kept=found.kept)

    def close(self) -> None:
        """Tell how many were not told one by one."""
        if self._count > self._most:
            left = self._count - self._most
            self._report.mark("running", f"another method was tried for {left} more pages", pages=left)
