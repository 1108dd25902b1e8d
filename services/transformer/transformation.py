"""The transform phase: transcript in storage -> metadata, products, image analyses and records in storage.

The phase is a list of stages (services.transformer.stage), each with a gate of its own. The phase runs when any of
them does; the published files of those that do not are kept as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from services.transformer.stage import NOT_ASKED, Done, Stage, Work, kept_files
from shared.gates import Verdict
from shared.job import StepName, StepStatus
from shared.manifest import File, Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.ticket import Outcome, Ticket


class Transformation:
    """The phase's gate and work (shared.phase.Phase); the first stage is the metadata."""

    step = StepName.TRANSFORM

    def __init__(self, storage: Storage, stages: Sequence[Stage]) -> None:
        self._storage, self.stages = storage, stages

    async def gate(self, ticket: Ticket) -> Verdict:
        """The metadata's verdict; if only another stage runs, that one's."""
        verdicts = [verdict for _, verdict in await self._verdicts(ticket)]
        return verdicts[0] if verdicts[0].run else next((v for v in verdicts if v.run), verdicts[0])

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Run the stages whose gates say so, in order; finished ones of an earlier attempt are taken over."""
        outputs = Outputs(self._storage, ticket.output_prefix)
        work = Work(ticket, report, self._storage, outputs)
        before = msgspec.convert(ticket.checkpoint, dict[str, Done])
        done: dict[str, Done] = {}
        stale: dict[str, str] = {}
        for at, (stage, verdict) in enumerate(await self._verdicts(ticket)):
            if not verdict.run:
                if work.upstream and ticket.document.made_from.get(stage.step):
                    stale[stage.step] = ""  # kept, but made from what has just been made anew (checklist A2.19)
                _take_over(outputs, kept_files(ticket, stage))
                if verdict.reason != NOT_ASKED:
                    self._show(report, stage, StepStatus.COMPLETED, verdict.reason, skipped=True)
                continue
            self._show(report, stage, StepStatus.RUNNING)
            former = before.get(stage.step)
            if former is not None and former.made_from == await stage.made_from(ticket):
                _take_over(outputs, former.files)
                done[stage.step] = former
            else:
                done[stage.step] = await _run(stage, work)
            self._show(report, stage, StepStatus.COMPLETED, verdict.reason)
            percent = 95.0 * (at + 1) / len(self.stages)
            await report.progress(percent, f"{stage.step} has ended", checkpoint=msgspec.to_builtins(done))
            work.upstream = True
            if at + 1 < len(self.stages):
                await report.flush()  # what is paid for is remembered before more is paid for
        return _outcome(done, stale, await outputs.seal(), ticket)

    async def _verdicts(self, ticket: Ticket) -> list[tuple[Stage, Verdict]]:
        verdicts: list[tuple[Stage, Verdict]] = []
        upstream = False
        for stage in self.stages:
            verdict = await stage.gate(ticket, upstream)
            upstream = upstream or verdict.run
            verdicts.append((stage, verdict))
        return verdicts

    def _show(self, report: Report, stage: Stage, status: StepStatus, reason: str = "", skipped: bool = False) -> None:
        if stage.step != self.step:
            report.stage(stage.step, status, reason, skipped=skipped)


def _take_over(outputs: Outputs, files: Sequence[File]) -> None:
    for file in files:
        outputs.adopt(file)


async def _run(stage: Stage, work: Work) -> Done:
    start = len(work.outputs.files)
    done = await stage.run(work)
    return msgspec.structs.replace(done, files=work.outputs.files[start:])


def _outcome(done: dict[str, Done], stale: dict[str, str], outputs: dict[str, Any], ticket: Ticket) -> Outcome:
    counts: dict[str, int] = {}
    metadata: dict[str, Any] = {}
    for each in done.values():
        counts |= each.counts
        metadata |= each.metadata
    first = done.get(StepName.TRANSFORM)
    made_from = first.made_from if first else ticket.document.made_from.get("transform", "")
    stages = stale | {name: each.made_from for name, each in done.items() if name != StepName.TRANSFORM}
    return Outcome(
        outputs=outputs,
        facts={"madeFrom": made_from, "stages": stages, "metadata": metadata, "counts": counts},
        counts=counts,
        warnings=[warning for each in done.values() for warning in each.warnings],
        meta=first.meta if first else None,
    )
