"""A gateway, the real phases, and the reference worker that reads documents for them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from services.extractor.external import ExternalLane
from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from shared import frontmatter
from shared.document import Document
from shared.events import JobEvent
from shared.job import Job, StepName
from shared.phase import handle
from tests.support.gateway import World, world
from tests.support.phases import DirectGateway, InlineChildren, Route, real_phases
from tests.support.reference_worker import ReferenceWorker, Treatment, reference_worker

CREDENTIAL = "credential-of-the-reference-worker"


class Outside:
    """`route` brings messages to the phases, whose external lane knows `worker`."""

    def __init__(self, gateway: World, worker: ReferenceWorker, settings: ExtractorSettings) -> None:
        self.gateway, self.worker, self.settings = gateway, worker, settings
        self.lane = ExternalLane(gateway.storage, settings)
        children: Any = InlineChildren()
        self.phases = real_phases(gateway, Extraction(gateway.storage, children, settings, external=self.lane))
        self.route = Route(gateway, self.phases)

    async def start(self, pdf: bytes, method: str = "external", name: str = "a.pdf", **options: Any) -> dict[str, Any]:
        parameters = json.dumps({"extractionMethod": method, **options})
        return await self.gateway.upload(pdf, name, parameters=parameters)

    async def extracted(self, pdf: bytes, **options: Any) -> Job:
        """The job after its extract phase: what follows is left lying."""
        accepted = await self.start(pdf, **options)
        await self.route.run(StepName.TRANSFORM)
        await self.worker.done()
        return await self.gateway.job(accepted["jobId"])

    async def completed(self, pdf: bytes, **options: Any) -> Job:
        """The job when nothing more is told."""
        accepted = await self.start(pdf, **options)
        await self.route.run()
        await self.worker.done()
        return await self.gateway.job(accepted["jobId"])

    async def next_attempt(self, job: Job) -> Job:
        """The job after the delayed event of its next attempt has come, to another worker."""
        event = JobEvent(job_id=job.job_id, process_id=job.process_id, attempt=job.attempt)
        await handle(event, self.phases[StepName.EXTRACT], DirectGateway(self.gateway, "extractor"), "w2")
        await self.worker.done()
        return await self.gateway.job(job.job_id)

    async def document(self, job: Job) -> Document:
        found = await self.gateway.documents.get(job.document_id)
        assert found is not None
        return found

    async def transcript(self, job: Job) -> tuple[dict[str, Any], str]:
        document = await self.document(job)
        return frontmatter.parse((await self.gateway.storage.read(document.artefacts["transcript"].key)).decode())

    async def log(self, job: Job) -> list[dict[str, Any]]:
        return await self.gateway.jobs.logs(job.job_id, 0, 1000)


@contextlib.asynccontextmanager
async def outside(
    folder: Path,
    protocol: str = "callback",
    plan: list[Treatment] | None = None,
    path: str = "/process",
    **settings: Any,
) -> AsyncIterator[Outside]:
    """Everything in one process; the foreign worker answers over real HTTP. Silence is noticed at once."""
    secret = folder / "external.token"
    secret.write_text(CREDENTIAL)
    async with reference_worker(CREDENTIAL) as worker:
        worker.plan = plan or []
        chosen: dict[str, Any] = {
            "external_url": worker.url + (path if protocol == "callback" else ""),
            "external_protocol": protocol,
            "external_token_file": secret,
            "external_quiet_seconds": 0.6,
            "external_poll_seconds": 0.5,
            "public_url": "http://gateway",
            **settings,
        }
        async with world(heartbeat_seconds=0.05, callback_fetch_seconds=5.0, **chosen) as gateway:
            worker.http = gateway.http
            made = Outside(gateway, worker, ExtractorSettings(**chosen))
            try:
                yield made
            finally:
                await made.lane.aclose()
                await gateway.gateway.external.close()
