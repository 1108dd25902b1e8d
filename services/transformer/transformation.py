"""The transform phase: transcript in storage -> metadata, products, image analyses and records in storage.

The phase is a list of stages (services.transformer.stage), each with a gate of its own. The phase runs when any of
them does, all of them side by side; the published files of those that do not are kept as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.transformer.stage import NOT_ASKED, PLAN, Attempt, Done, Stage, Work, kept_files
from shared.gates import Verdict
from shared.job import StepName, StepStatus
from shared.manifest import File, Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.ticket import Outcome, Ticket

WAITS = {StepName.RECORDS: StepName.TRANSFORM}
"""Stages that start when another has ended well: a failed metadata step stops the extraction (checklist A2.37)."""


class Transformation:
    """The phase's gate and work (shared.phase.Phase); the first stage is the metadata."""

    step = StepName.TRANSFORM

    def __init__(self, storage: Storage, stages: Sequence[Stage], made_with: Mapping[str, Any] | None = None) -> None:
        """`made_with` is noted in the manifest (shared.provenance)."""
        self.storage, self.stages, self.made_with = storage, stages, dict(made_with or {})

    async def gate(self, ticket: Ticket) -> Verdict:
        """The metadata's verdict; if only another stage runs, that one's."""
        verdicts = [verdict for _, verdict in await self._verdicts(ticket)]
        return verdicts[0] if verdicts[0].run else next((v for v in verdicts if v.run), verdicts[0])

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Run the stages whose gates say so, side by side; finished ones of an earlier attempt are taken over."""
        run = _Run(self, ticket, report, await self._verdicts(ticket))
        await run.stages()
        return await run.outcome()

    async def _verdicts(self, ticket: Ticket) -> list[tuple[Stage, Verdict]]:
        verdicts: list[tuple[Stage, Verdict]] = []
        upstream = False
        for stage in self.stages:
            verdict = await stage.gate(ticket, upstream)
            upstream = upstream or verdict.run
            verdicts.append((stage, verdict))
        return verdicts


class _Run:
    """One attempt of the phase."""

    def __init__(
        self, phase: Transformation, ticket: Ticket, report: Report, verdicts: list[tuple[Stage, Verdict]]
    ) -> None:
        self._phase, self._ticket, self._report, self._verdicts = phase, ticket, report, verdicts
        self._storage = phase.storage
        self._attempt = Attempt()
        self._attempt.stages = len(verdicts)
        self._files: dict[StepName, list[File]] = {}
        self._done: dict[str, Done] = {}
        self._stale: dict[str, str] = {}

    async def stages(self) -> None:
        """All of them. One that fails does not stop the others: what they pay for is remembered; then it is raised."""
        former = await self._taken_over()
        upstream = False
        running: dict[StepName, asyncio.Task[None]] = {}
        for stage, verdict in self._verdicts:
            if not verdict.run:
                self._kept(stage, verdict, upstream)
                continue
            self._show(stage, StepStatus.RUNNING)
            before = former.get(stage.step)
            if before is None and stage.step == StepName.DISCOVER:
                self._attempt.plan = asyncio.get_running_loop().create_future()
            awaited = running.get(WAITS.get(stage.step, stage.step))
            running[stage.step] = asyncio.create_task(self._one(stage, verdict, before, upstream, awaited))
            upstream = True
        try:
            ended = await asyncio.gather(*running.values(), return_exceptions=True)
        finally:
            await _over([*running.values()], self._attempt)
        failures = list({id(error): error for error in ended if isinstance(error, Exception)}.values())
        if failures:
            raise failures[0] if len(failures) == 1 else ExceptionGroup("stages", failures)

    async def _taken_over(self) -> dict[StepName, Done]:
        """What earlier attempts of this run have ended with, where it is made from the present inputs."""
        before = msgspec.convert(self._ticket.checkpoint, dict[str, Done])
        taken = {}
        for stage, verdict in self._verdicts:
            former = before.get(stage.step)
            if verdict.run and former is not None and former.made_from == await stage.made_from(self._ticket):
                taken[stage.step] = former
                self._remember(stage, former.files)
        return taken

    def _kept(self, stage: Stage, verdict: Verdict, upstream: bool) -> None:
        if upstream and self._ticket.document.made_from.get(stage.step):
            self._stale[stage.step] = ""  # kept, but made from what has just been made anew (checklist A2.19)
        self._remember(stage, kept_files(self._ticket, stage))
        if verdict.reason != NOT_ASKED:
            self._show(stage, StepStatus.COMPLETED, verdict.reason, skipped=True)

    def _remember(self, stage: Stage, files: list[File]) -> None:
        self._files[stage.step] = files
        self._attempt.plan_file = next((file for file in files if file.role == PLAN), self._attempt.plan_file)

    async def _one(
        self,
        stage: Stage,
        verdict: Verdict,
        former: Done | None,
        upstream: bool,
        awaited: asyncio.Task[None] | None = None,
    ) -> None:
        if awaited is not None:
            await asyncio.wait({awaited})
            if awaited.cancelled() or awaited.exception() is not None:
                return
        try:
            done = former or await self._ran(stage, upstream)
        except BaseException:
            if stage.step == StepName.DISCOVER and self._attempt.plan is not None:
                self._attempt.plan.cancel()  # who waits for it ends with it
            raise
        self._done[stage.step] = done
        self._files[stage.step] = done.files
        ended = StepStatus.FAILED if done.failed else StepStatus.COMPLETED
        reason = done.failed or done.skipped or verdict.reason
        self._show(stage, ended, reason, skipped=bool(done.skipped))
        self._attempt.fractions[stage.step] = 1.0
        percent = 95.0 * sum(self._attempt.fractions.values()) / len(self._verdicts)
        await self._report.progress(percent, f"{stage.step} has ended", checkpoint=msgspec.to_builtins(self._done))
        if len(self._done) < sum(verdict.run for _, verdict in self._verdicts):
            await self._report.flush()  # what is paid for is remembered before more is paid for

    async def _ran(self, stage: Stage, upstream: bool) -> Done:
        outputs = Outputs(self._storage, self._ticket.output_prefix)
        work = Work(
            self._ticket, self._report, self._storage, outputs, self._attempt, step=stage.step, upstream=upstream
        )
        return msgspec.structs.replace(await stage.run(work), files=outputs.files)

    def _show(self, stage: Stage, status: StepStatus, reason: str = "", skipped: bool = False) -> None:
        if stage.step != self._phase.step:
            self._report.stage(stage.step, status, reason, skipped=skipped)

    async def outcome(self) -> Outcome:
        """The manifest of all files, in the order of the stages, and what the document record shows."""
        outputs = Outputs(self._storage, self._ticket.output_prefix)
        for stage, _ in self._verdicts:
            for file in self._files.get(stage.step, []):
                outputs.adopt(file)
        ordered = {stage.step: self._done[stage.step] for stage, _ in self._verdicts if stage.step in self._done}
        return _outcome(ordered, self._stale, await outputs.seal(self._phase.made_with), self._ticket)


async def _over(running: list[asyncio.Task[None]], attempt: Attempt) -> None:
    """Nothing of the attempt goes on after it, however it has ended."""
    tasks: list[asyncio.Task[Any]] = [*running, *([attempt.material] if attempt.material else [])]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _outcome(done: Mapping[StepName, Done], stale: dict[str, str], outputs: dict[str, Any], ticket: Ticket) -> Outcome:
    counts: dict[str, int] = {}
    metadata: dict[str, Any] = {}
    for each in done.values():
        counts |= each.counts
        metadata |= each.metadata
    first = done.get(StepName.TRANSFORM)
    made_from = first.made_from if first else ticket.document.made_from.get("transform", "")
    made = {str(name): "" if each.failed else each.made_from for name, each in done.items()}
    stages = stale | {name: value for name, value in made.items() if name != StepName.TRANSFORM}
    return Outcome(
        outputs=outputs,
        facts={"madeFrom": made_from, "stages": stages, "metadata": metadata, "counts": counts},
        counts=counts,
        warnings=[warning for each in done.values() for warning in each.warnings],
        meta=first.meta if first else None,
    )
