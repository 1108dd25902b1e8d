"""Stages of the transform phase: what they share, what each gives, and how a finished one survives a crash.

    metadata (the step itself)  discover_products -> process_images  extract_records -> refine_records

Stages run side by side; one that needs another's page plan waits for it. A stage reads from storage only, writes files
of the attempt, and is remembered in the step's checkpoint when it has ended: the next attempt takes its files over.
Inside a stage, paid answers are artefacts of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Protocol

import msgspec

from services.transformer.discovery.records import PagePlan
from shared import frontmatter, reading
from shared.gates import Verdict
from shared.job import StepName, StepStatus
from shared.jsonl import Lost, encoded, warnings
from shared.manifest import File, Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.stages import STEP_OF
from shared.ticket import Ticket

NOT_ASKED = "not_asked"
"""Reason of a stage that the job does not want: it is not shown among the job's steps."""


class Material(msgspec.Struct, frozen=True):
    """What a document's stages read: the transcript's body, and the rows of document.json, pages and images."""

    body: str
    info: dict[str, Any]
    pages: list[dict[str, Any]]
    images: list[dict[str, Any]]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage gave. `files` are rows of the attempt's manifest; `metadata` is what the document record shows of
    it; `meta` replaces the job's consolidated metadata. `skipped` says why there was nothing to do after all, `failed`
    why the stage has failed: the others and the job go on without it, and the next job runs it again."""

    made_from: str
    files: list[File] = []
    counts: dict[str, int] = {}
    metadata: dict[str, Any] = {}
    meta: dict[str, Any] | None = None
    warnings: list[dict[str, Any]] = []
    skipped: str = ""
    failed: str = ""


PLAN = "plan"
"""Role of the stored page plan."""


class Attempt:
    """What the stages of one attempt share."""

    def __init__(self) -> None:
        self.material: asyncio.Task[Material] | None = None
        self.plan: asyncio.Future[PagePlan] | None = None
        """Set while discovery runs in this attempt."""
        self.plan_file: File | None = None
        """The plan of an earlier attempt, or of the document, that is kept."""
        self.fractions: dict[str, float] = {}
        self.stages = 1


class Work:
    """One attempt, as one of its stages sees it. `outputs` are the stage's own; `upstream` says whether a stage before
    it runs in this attempt."""

    def __init__(
        self,
        ticket: Ticket,
        report: Report,
        storage: Storage,
        outputs: Outputs,
        attempt: Attempt | None = None,
        *,
        step: StepName = StepName.TRANSFORM,
        upstream: bool = False,
    ) -> None:
        self.ticket, self.report, self.storage, self.outputs = ticket, report, storage, outputs
        self.step, self.upstream = step, upstream
        self._attempt = attempt or Attempt()

    async def material(self) -> Material:
        """The document's stored artefacts, checked against their hashes, read once for all stages."""
        if self._attempt.material is None:
            self._attempt.material = asyncio.create_task(self._read())
        return await asyncio.shield(self._attempt.material)

    async def _read(self) -> Material:
        document = self.ticket.document
        transcript = (await reading.read(self.storage, document, "transcript")).decode()
        info = msgspec.json.decode(await reading.read(self.storage, document, "info"), type=dict[str, Any])
        pages = await reading.rows(self.storage, document, "pages")
        images = await reading.rows(self.storage, document, "images") if "images" in document.artefacts else []
        _, body = frontmatter.parse(transcript)
        return Material(body, info, pages, images)

    def announce(self, plan: PagePlan) -> None:
        """Discovery knows which sheets are worked on: who waits for it may begin."""
        if self._attempt.plan is not None and not self._attempt.plan.done():
            self._attempt.plan.set_result(plan)

    async def plan(self) -> PagePlan | None:
        """The page plan, waited for while discovery runs; None where nobody has asked for products."""
        if self._attempt.plan is not None:
            return await asyncio.shield(self._attempt.plan)
        if self._attempt.plan_file is None:
            return None
        content = await self.storage.read(self._attempt.plan_file.key)
        return msgspec.json.decode(content, type=PagePlan)

    async def advance(self, fraction: float, message: str) -> None:
        """Show how much of this stage (0-1) is done; it never goes back."""
        before = self._attempt.fractions.get(self.step, 0.0)
        self._attempt.fractions[self.step] = max(before, min(fraction, 1.0))
        if self.step in STEP_OF:
            self.report.stage(self.step, StepStatus.RUNNING, fraction=self._attempt.fractions[self.step])
        percent = 95.0 * sum(self._attempt.fractions.values()) / self._attempt.stages
        await self.report.progress(percent, message)

    async def write_rows(self, name: str, rows: list[Any], role: str) -> list[dict[str, str]]:
        """Store a .jsonl file of the attempt, a hundred records at a time; the warnings of those that are lost."""
        lost: list[Lost] = []
        batches = encoded(rows, lost)

        async def content() -> AsyncIterator[bytes]:
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                yield batch

        await self.outputs.write(name, content(), role)
        return warnings(role, lost)


class Stage(Protocol):
    """One part of the phase's work. `step` is its row in the job, `roles` are the artefacts that it makes."""

    step: StepName
    roles: tuple[str, ...]

    async def gate(self, ticket: Ticket, upstream: bool) -> Verdict:
        """Whether it runs; `upstream` says that a stage before it runs in this attempt. Its `made_from` is kept in the
        document record under the stage's name, so that `current` can compare."""

    async def made_from(self, ticket: Ticket) -> str:
        """Fingerprint of everything its results depend on."""

    async def run(self, work: Work) -> Done:
        """Do it. An error ends the attempt; what may fail alone (one image, one record) becomes a warning."""


async def current(ticket: Ticket, stage: Stage) -> bool:
    """Whether the stage's recorded results were made from the present inputs and are recorded completely."""
    document = ticket.document
    made = document.made_from.get(stage.step) == await stage.made_from(ticket)
    return made and all(role in document.artefacts for role in stage.roles)


def kept_files(ticket: Ticket, stage: Stage) -> list[File]:
    """The published files of a stage that does not run, as rows of this attempt's manifest: they stay."""
    document = ticket.document
    prefix = f"{ticket.document.library_id}/{document.document_id}/"
    return [
        File(artefact.key.removeprefix(prefix), artefact.key, artefact.sha256, artefact.size, role)
        for role in stage.roles
        if (artefact := document.artefacts.get(role)) is not None
    ]
