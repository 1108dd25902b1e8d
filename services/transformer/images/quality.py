"""The quality pass (seed 001, stage 5): pictures with a low score are looked at again, in a job of its own.

It starts from the document's current analyses and writes all of them anew, the improved ones with what was said before.
Whether they still count when it has ended is the gateway's to decide.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.transformer.images.analysis import ROLE, Analysis, Looked, improved, read_rows
from services.transformer.images.eyes import Eyes
from services.transformer.stage import Work
from shared import reading
from shared.gates import Verdict
from shared.job import StepName
from shared.manifest import Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.ticket import Outcome, Ticket


class QualityPass:
    """A phase (shared.phase.Phase) of its own."""

    step = StepName.QUALITY

    def __init__(self, storage: Storage, eyes: Eyes) -> None:
        self._storage, self._eyes = storage, eyes

    async def gate(self, ticket: Ticket) -> Verdict:
        """Skipped when nothing waits for a second look, or nobody can take one."""
        if not self._eyes.automatic:
            return Verdict(False, "needs_a_model", False)
        rows = await self._rows(ticket) if ROLE in ticket.document.artefacts else []
        return (
            Verdict(True, "low_scores", False) if any(row.queued for row in rows) else Verdict(False, "none_low", True)
        )

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """One question for each picture with a low score; one that fails stays as it was, and stays queued."""
        outputs = Outputs(self._storage, ticket.output_prefix)
        work = Work(ticket, report, self._storage, outputs, step=self.step)
        rows = await self._rows(ticket)
        low = [row for row in rows if row.queued]
        results = await self._eyes.again(low, work)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        better: dict[str, Analysis] = {}
        warnings: list[dict[str, Any]] = []
        for row, result in zip(low, results, strict=True):
            if isinstance(result, Looked):
                better[row.image_hash] = improved(row, result, f"{self._eyes.name}/validation", ticket.process_id, now)
            else:
                warnings.append({"code": "image_failed", "message": f"{row.name}: {result.message}"})
        merged = [better.get(row.image_hash, row) for row in rows]
        warnings += await work.write_rows(f"quality/{ticket.process_id}.jsonl", merged, ROLE)
        report.mark("quality_pass", f"{len(better)} of {len(low)} pictures looked at again")
        counts = {"imagesImproved": len(better), "imagesQueued": sum(row.queued for row in merged)}
        started_from = ticket.document.artefacts[ROLE].sha256
        return Outcome(
            outputs=await outputs.seal(),
            facts={"madeFrom": started_from, "counts": counts},
            counts=counts,
            warnings=warnings,
        )

    async def _rows(self, ticket: Ticket) -> list[Analysis]:
        return read_rows(await reading.read(self._storage, ticket.document, ROLE))
