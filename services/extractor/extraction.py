"""The extract phase: PDF in storage -> transcript, pages, images in storage."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from msgspec.structs import replace

from services.extractor.assembly import Assembly
from services.extractor.checkpoint import Checkpoint, Part, read_checkpoint, read_parts
from services.extractor.external import ExternalLane
from services.extractor.provenance import made_by
from services.extractor.session import Session
from services.extractor.settings import ExtractorSettings
from services.extractor.task import PICTURES, READER, Task
from services.extractor.workspace import Workspace
from shared.child import Children
from shared.errors import DocumentError
from shared.external import external_made_from, is_external
from shared.gates import Verdict, extract_gate, fingerprint, judge_verified
from shared.job import StepName
from shared.manifest import Outputs
from shared.phase import Report
from shared.ports import Storage
from shared.sealing import Sealing, Unsealable
from shared.ticket import Outcome, Ticket

_STALE = "The password that came with the job was sealed for another extractor: give it again with a new job."


class Extraction:
    """The phase's gate and work (shared.phase.Phase)."""

    step = StepName.EXTRACT

    def __init__(
        self,
        storage: Storage,
        children: Children,
        settings: ExtractorSettings,
        workspace: Workspace | None = None,
        external: ExternalLane | None = None,
        sealing: Sealing | None = None,
    ) -> None:
        self._storage, self._children, self._settings = storage, children, settings
        self._workspace = workspace or Workspace()
        self._sealing = sealing
        self._external = external or ExternalLane(storage, settings, self._workspace)

    async def gate(self, ticket: Ticket) -> Verdict:
        """`gateExtractPdf`: skip if a transcript of these bytes and options is stored (checklist A3.7) and may be used
        again (job option useCache)."""
        parameters = ticket.parameters
        recorded = extract_gate(ticket.document, self.made_from(ticket))
        present = recorded
        if recorded:
            transcript = ticket.document.artefacts["transcript"]
            present = transcript.size == await self._storage.stat(transcript.key)
        policies, phases = parameters.policies, parameters.phases
        verdict = judge_verified(policies.extract, phases.extract, recorded, present, "shadow_twin_exists")
        if verdict.reason == "shadow_twin_exists" and not parameters.use_cache:
            return Verdict(True, "cache_off", True)
        return verdict

    def made_from(self, ticket: Ticket) -> str:
        """Fingerprint of everything the transcript depends on."""
        if is_external(ticket.parameters.extraction_method):
            return external_made_from(ticket.document.sha256, ticket.parameters)
        reading = self._settings.reading(ticket.parameters)
        method = (reading.method,) if reading.method == "fast" else (reading.method, reading.languages, reading.budget)
        parameters = ticket.parameters
        pictures = (parameters.include_images, parameters.figures, parameters.previews, PICTURES)
        return fingerprint(ticket.document.sha256, *method, *pictures, READER)

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        """Read the PDF in a child process and store what it sends, page by page; or have it read elsewhere."""
        if is_external(ticket.parameters.extraction_method):
            return await self._external.work(ticket, report)
        report.mark("initializing", "job context made", progress=5)
        source = ticket.document.artefacts["source"]
        outputs = Outputs(self._storage, ticket.output_prefix)
        report.mark("running", "reading the PDF from storage", progress=10)
        with self._workspace.folder() as folder:
            path = await self._storage.local_path(source.key, folder)
            report.mark("running", "the PDF is here", progress=30, bytes=source.size)
            task = Task(
                path=path,
                sha256=source.sha256,
                images=ticket.parameters.include_images,
                figures=ticket.parameters.figures,
                previews=ticket.parameters.previews,
                reading=self._settings.reading(ticket.parameters),
                max_pages=self._settings.max_pages,
                password=self._password(ticket),
                caps=self._settings.caps(),
                respect_permissions=self._settings.respect_permissions,
            )
            report.mark("running", f"reading pages, method {ticket.parameters.extraction_method}", progress=60)
            made = self.made_from(ticket)
            checkpoint = read_checkpoint(ticket.checkpoint, made)
            parts = await read_parts(self._storage, checkpoint)
            if parts is None:
                parts, checkpoint = [], Checkpoint(made)
            if parts:
                report.mark(
                    "running", f"going on behind page {checkpoint.last_page}", resumedAfter=checkpoint.last_page
                )
            assembly = Assembly(ticket, outputs, report, datetime.now(UTC), checkpoint)
            async with assembly:
                await assembly.restore(parts)
                await Session(self._children, self._settings, assembly.take).read(_behind(task, checkpoint, parts))
        found = assembly.check()
        report.mark("running", "all pages answered (no proof of success)", progress=75)
        report.mark("running", f"{found.pages} pages recognised", progress=85, pages=found.pages)
        report.mark("running", "the reader is done", progress=90)
        report.mark("postprocessing", "storing results", progress=95)
        return Outcome(
            outputs=await outputs.seal(await asyncio.to_thread(made_by, self._settings)),
            facts={
                "madeFrom": made,
                "pages": found.pages,
                "metadata": found.metadata,
                "counts": found.counts,
            },
            counts=found.counts,
            warnings=found.warnings,
        )

    def _password(self, ticket: Ticket) -> str:
        """The password that came with the job, in clear in this process and its child only."""
        sealed = ticket.parameters.sealed_password
        if not sealed:
            return ""
        try:
            if self._sealing is None:
                raise Unsealable("no key")
            return self._sealing.open(sealed)
        except Unsealable as error:
            raise DocumentError("pdf_encrypted", _STALE) from error


def _behind(task: Task, checkpoint: Checkpoint, parts: list[Part]) -> Task:
    """The task for the pages behind the checkpoint, with the images that are known from the pages before."""
    images = [message for part in parts for message in part.messages if message.get("fingerprint")]
    return replace(
        task,
        first=checkpoint.last_page + 1,
        seen={message["fingerprint"]: message["image"]["name"] for message in images},
        hashes={message["image"]["name"]: message["image"]["sha256"] for message in images},
        lost=checkpoint.lost,
    )
