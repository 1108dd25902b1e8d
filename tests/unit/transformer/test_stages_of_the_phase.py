"""The transform phase as a list of stages: gates, kept files, and what a crash costs."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from services.transformer.stage import NOT_ASKED, Done, Work, current
from services.transformer.transformation import Transformation
from shared.gates import Verdict
from shared.job import Artefact, Parameters, StepName
from shared.manifest import Manifest
from shared.phase import Report
from shared.testing.memory import MemoryStorage
from shared.ticket import ClaimRequest, Ticket
from shared.worker_gateway import Gateway
from tests.support.records import make_document


class Told(Gateway):
    """A gateway that remembers what it was told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def callback(self, ticket: Ticket, body: dict[str, Any]) -> None:
        self.bodies.append(body)

    async def claim(self, job_id: str, request: ClaimRequest) -> Ticket:
        raise NotImplementedError

    async def heartbeat(self, ticket: Ticket) -> int:
        raise NotImplementedError

    async def left(self, ticket: Ticket) -> None:
        raise NotImplementedError

    async def requeue(self, job_id: str, step: StepName) -> None:
        raise NotImplementedError

    def checkpoint(self) -> dict[str, Any]:
        return next(body["checkpoint"] for body in reversed(self.bodies) if "checkpoint" in body)


class Scripted:
    """A stage that writes one file."""

    def __init__(self, step: StepName, role: str, *, run: bool = True, reason: str = "no_artefact") -> None:
        self.step = step
        self.roles: tuple[str, ...] = (role,)
        self.verdict = Verdict(run, reason, not run)
        self.runs, self.upstream, self.version, self.fails = 0, False, "1", False

    async def gate(self, ticket: Ticket, upstream: bool) -> Verdict:
        self.upstream = upstream
        return self.verdict

    async def made_from(self, ticket: Ticket) -> str:
        return f"{self.step}-{self.version}"

    async def run(self, work: Work) -> Done:
        self.runs += 1
        if self.fails:
            raise RuntimeError("crashed")
        await work.write_rows(f"{self.roles[0]}.jsonl", [{"a": 1}], self.roles[0])
        return Done(
            made_from=await self.made_from(work.ticket), counts={self.roles[0]: 1}, warnings=[{"code": self.roles[0]}]
        )


def ticket(**changes: Any) -> Ticket:
    document = make_document()
    fields: dict[str, Any] = {
        "token": "t",
        "job_id": "j",
        "process_id": "p",
        "attempt": 1,
        "step": StepName.TRANSFORM,
        "heartbeat_seconds": 1,
        "deadline_seconds": 1,
        "document": document,
        "parameters": Parameters(),
        "output_prefix": "lib/doc/runs/p/t-1",
    }
    return Ticket(**(fields | changes))


@pytest.fixture
def bench() -> tuple[Scripted, Scripted, Transformation, MemoryStorage]:
    first, second = Scripted(StepName.TRANSFORM, "transformation"), Scripted(StepName.DISCOVER, "products")
    storage = MemoryStorage()
    return first, second, Transformation(storage, [first, second]), storage


async def files(storage: MemoryStorage, outcome: Any) -> dict[str, str]:
    manifest = msgspec.json.decode(await storage.read(outcome.outputs["manifest"].key), type=Manifest)
    return {file.role: file.key for file in manifest.files}


async def test_every_stage_that_runs_leaves_its_file_counts_and_warnings(bench):
    first, second, phase, storage = bench
    gateway = Told()
    report = Report(gateway, ticket(), 0)
    outcome = await phase.work(ticket(), report)
    assert set(await files(storage, outcome)) == {"transformation", "products"}
    assert outcome.counts == {"transformation": 1, "products": 1}
    assert [warning["code"] for warning in outcome.warnings] == ["transformation", "products"]
    assert outcome.facts["stages"] == {"discover_products": "discover_products-1"}
    told = [stage for body in [*gateway.bodies, report.rest()] for stage in body["stages"]]
    assert {str(stage.name) for stage in told} == {"discover_products"}
    assert second.upstream
    assert not first.upstream


async def test_the_phase_runs_when_only_a_later_stage_does_and_keeps_what_the_first_has_published(bench):
    first, second, phase, storage = bench
    first.verdict = Verdict(False, "frontmatter_complete", True)
    kept = Artefact(key="lib/doc-1/a.document.en.md", sha256="s", size=3)
    given = ticket(document=replace(ticket().document, artefacts={"transformation": kept}))
    assert (await phase.gate(given)).run
    outcome = await phase.work(given, Report(Told(), given))
    assert await files(storage, outcome) == {
        "transformation": "lib/doc-1/a.document.en.md",
        "products": "lib/doc/runs/p/t-1/products.jsonl",
    }
    assert (first.runs, second.runs) == (0, 1)


async def test_a_stage_that_nobody_asked_for_is_not_shown(bench):
    _, second, phase, _ = bench
    second.verdict = Verdict(False, NOT_ASKED, False)
    report = Report(Told(), ticket(), 3600)
    await phase.work(ticket(), report)
    assert report.rest()["stages"] == []


async def test_the_next_attempt_takes_over_what_had_ended_before_the_crash(bench):
    first, second, phase, storage = bench
    second.fails = True
    gateway = Told()
    with pytest.raises(RuntimeError):
        await phase.work(ticket(), Report(gateway, ticket(), 0))
    second.fails = False
    again = ticket(attempt=2, output_prefix="lib/doc/runs/p/t-2", checkpoint=gateway.checkpoint())
    outcome = await phase.work(again, Report(Told(), again))
    assert (first.runs, second.runs) == (1, 2)
    found = await files(storage, outcome)
    assert found["transformation"] == "lib/doc/runs/p/t-1/transformation.jsonl"
    assert found["products"] == "lib/doc/runs/p/t-2/products.jsonl"
    assert outcome.counts == {"transformation": 1, "products": 1}


async def test_a_checkpoint_of_other_inputs_is_not_taken_over(bench):
    first, _, phase, _ = bench
    gateway = Told()
    await phase.work(ticket(), Report(gateway, ticket(), 0))
    first.version = "2"
    again = ticket(attempt=2, checkpoint=gateway.checkpoint())
    await phase.work(again, Report(Told(), again))
    assert first.runs == 2


async def test_a_stage_is_current_while_its_recorded_inputs_and_files_are():
    stage = Scripted(StepName.DISCOVER, "products")
    made = {"discover_products": "discover_products-1"}
    artefact = {"products": Artefact(key="k", sha256="s", size=1)}
    document = ticket().document
    assert await current(ticket(document=replace(document, made_from=made, artefacts=artefact)), stage)
    assert not await current(ticket(document=replace(document, made_from=made)), stage)
    assert not await current(ticket(document=replace(document, artefacts=artefact)), stage)
