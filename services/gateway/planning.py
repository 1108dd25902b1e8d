"""Plans: what a job would do, by the workers' own gates, without doing it (ADR 7).

The verdicts come from the services that would run the phases, so that the run that follows decides the same. A phase
whose inputs an earlier phase makes anew has no gate: what it made before is stale then.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec.structs import replace

from shared.document import Document
from shared.gates import Verdict, judge
from shared.job import Parameters, Policy, StepName
from shared.ticket import Ticket


class Gates(Protocol):
    """Asks a phase's service for its gate's verdict; None when none answers in time."""

    async def verdict(self, ticket: Ticket) -> Verdict | None: ...


class PhasePlan(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One phase: whether it would run and why. `known` is False when its service did not answer."""

    phase: str
    step: StepName
    policy: Policy
    run: bool
    reason: str
    gate_exists: bool
    known: bool = True


class Plan(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What would happen. `cost` is in US dollars and paid model calls; the offline analyzer needs none."""

    document_id: str | None
    name: str
    phases: list[PhasePlan]
    cost: dict[str, float]

    @property
    def runs(self) -> bool:
        """Whether any phase would run."""
        return any(phase.run for phase in self.phases)

    @property
    def known(self) -> bool:
        """Whether every service has answered."""
        return all(phase.known for phase in self.phases)


class Planner:
    """Plans jobs; `gates` is None where no services can be asked."""

    def __init__(self, gates: Gates | None) -> None:
        self._gates = gates

    async def plan(self, document: Document | None, name: str, parameters: Parameters) -> Plan:
        """The plan for a document as it is stored now; None for one that is not stored yet."""
        phases: list[PhasePlan] = []
        stale = document is None
        for phase, step in (
            ("extract", StepName.EXTRACT),
            ("template", StepName.TRANSFORM),
            ("ingest", StepName.INGEST),
        ):
            policy, enabled = _asked(parameters, phase)
            verdict = judge(policy, enabled, False, "")
            known = True
            if document is not None and not stale and enabled and policy == Policy.DO:
                answer = await self._ask(document, parameters, step)
                verdict, known = answer or verdict, answer is not None
            reason = "upstream_runs" if stale and verdict.run and policy == Policy.DO and document else verdict.reason
            phases.append(
                PhasePlan(
                    phase=phase,
                    step=step,
                    policy=policy,
                    run=verdict.run,
                    reason=reason,
                    gate_exists=verdict.exists,
                    known=known,
                )
            )
            stale = stale or verdict.run
        document_id = document.document_id if document else None
        return Plan(document_id=document_id, name=name, phases=phases, cost={"usd": 0.0, "modelCalls": 0})

    async def _ask(self, document: Document, parameters: Parameters, step: StepName) -> Verdict | None:
        if self._gates is None:
            return None
        ticket = Ticket(
            token="",
            job_id="",
            process_id="",
            attempt=0,
            step=step,
            heartbeat_seconds=0,
            deadline_seconds=0,
            document=document,
            parameters=replace(parameters, sealed_password=""),
            output_prefix="",
        )
        return await self._gates.verdict(ticket)


def _asked(parameters: Parameters, phase: str) -> tuple[Policy, bool]:
    policies, phases = parameters.policies, parameters.phases
    return {
        "extract": (policies.extract, phases.extract),
        "template": (policies.metadata, phases.template),
        "ingest": (policies.ingest, phases.ingest),
    }[phase]
