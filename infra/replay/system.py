"""The whole system in this process, for one replay: the services' own code over embedded stores in a temporary folder.

Messages go from the gateway's relay straight to the phases, reports straight to its routes: no broker, no socket. No
setting of the caller's environment counts, so that the same bundle runs the same way everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from pydantic_settings import BaseSettings

from infra.cli.local_transport import LocalTransport
from infra.replay.governing import How
from infra.replay.offline import AnsweredModels, KeptEmbedder, Unanswered
from services.extractor.app import PRELOAD as EXTRACTOR_PRELOAD
from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from services.gateway.app import create_app
from services.gateway.background import supervised
from services.gateway.composition import Gateway
from services.gateway.settings import GatewaySettings
from services.gateway.stores.choice import stores
from services.ingestor.ingestion import Ingestion
from services.ingestor.settings import IngestorSettings
from services.transformer.app import PRELOAD as TRANSFORMER_PRELOAD
from services.transformer.app import phases as transformer_phases
from services.transformer.settings import TransformerSettings
from shared import route
from shared.adapters.folder_storage import FolderStorage
from shared.adapters.http_gateway import HttpGateway
from shared.adapters.image_choice import ImageSettings, choose_images
from shared.adapters.vector_choice import VectorSettings, choose_embedder, choose_vectors
from shared.adapters.wordllama_tokens import WordLlamaTokenizer
from shared.child import Children
from shared.errors import TransientError
from shared.events import Event
from shared.job import StepName
from shared.phase import Ack, Phase, handle
from shared.ports import Embedder, JobQuery
from shared.sealing import Sealing

SERVICES = {
    StepName.EXTRACT: "extractor",
    StepName.TRANSFORM: "transformer",
    StepName.INGEST: "ingestor",
    StepName.QUALITY: "transformer",
}
QUIET_SECONDS = 120.0
"""How long nothing may be told while a job is open: longer than any pause between attempts."""
OWNER = "replay"
S = TypeVar("S", bound=BaseSettings)


class Told:
    """What the gateway's relay tells, in order (the orchestrator's Publisher)."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._known: set[str] = set()

    async def publish(self, subject: str, event: Event, message_id: str) -> bool:
        """Queue it once; whether it was known."""
        if message_id in self._known:
            return True
        self._known.add(message_id)
        await self.events.put((subject, event))
        return False


class NearGateway(HttpGateway):
    """A worker's own client; its requests go to the application in this process."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        super().__init__("", token)
        self._http = http

    async def _post(self, path: str, headers: Mapping[str, str], body: object) -> tuple[int, bytes]:
        content = bytes(body) if isinstance(body, msgspec.Raw) else msgspec.json.encode(body)
        answer = await self._http.post(path, content=content, headers=dict(headers))
        return answer.status_code, answer.content


class System:
    """A gateway and the workers' phases; `run` brings every message to whom it concerns."""

    def __init__(self, gateway: Gateway, phases: Mapping[StepName, tuple[Phase, NearGateway]], told: Told) -> None:
        self.gateway, self._phases, self._told = gateway, phases, told

    async def run(self, document_id: str) -> None:
        """Until no job of the document is open; raises TransientError when nothing moves any more."""
        while True:
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    subject, event = await self._told.events.get()
            except TimeoutError:
                raise TransientError("unavailable", "The replayed job does not move any more.") from None
            step = route.leg_of(subject).step
            if step is not None and step in self._phases:
                phase, client = self._phases[step]
                disposition = await handle(event, phase, client, OWNER)
                if not isinstance(disposition, Ack):
                    await asyncio.sleep(disposition.delay)
                    await self._told.events.put((subject, event))
            elif subject == route.TEMPLATE_DONE:
                await self.gateway.on_template_done(event)
            while self.gateway.orchestrator.busy():
                await asyncio.sleep(0.01)
            await self.gateway.admission.round()
            if self._told.events.empty() and not await self._open(document_id):
                return

    async def _open(self, document_id: str) -> bool:
        page = await self.gateway.jobs.find(JobQuery(document_id=document_id, limit=20))
        return any(job.open or job.outbox for job in page.jobs)


@contextlib.asynccontextmanager
async def system(folder: Path, how: How, unanswered: Unanswered) -> AsyncIterator[System]:
    """A system over an empty folder, governed as the bundle says."""
    tokens = {service: secrets.token_urlsafe(32) for service in set(SERVICES.values())}
    hashes = {service: sha256(token.encode()).hexdigest() for service, token in tokens.items()}
    settings, chosen = apart(GatewaySettings, data_dir=folder), apart(VectorSettings)
    jobs, documents, uploads, direct, alerts, webhooks = stores(settings)
    storage, told = FolderStorage(folder / "twins"), Told()
    embedder = _embedder(how, chosen, unanswered)
    vectors = choose_vectors(chosen, folder, embedder, upkeep=False)
    pictures = apart(ImageSettings, image_embedder="descriptors" if how.images else "none")
    images = choose_images(pictures, chosen, folder, embedder, upkeep=False)
    await jobs.open()
    parts = (storage, vectors, embedder, told, hashes)
    gateway = Gateway(
        settings,
        jobs,
        documents,
        *parts,
        images=images,
        uploads=uploads,
        direct=direct,
        alerts=alerts,
        webhooks=webhooks,
    )
    readers, analysers = Children(EXTRACTOR_PRELOAD), Children(TRANSFORMER_PRELOAD)
    sweeping = asyncio.create_task(supervised(gateway.sweeper.run))
    transport = LocalTransport(create_app(gateway))
    try:
        await asyncio.gather(readers.start(), analysers.start(), vectors.open())
        async with httpx.AsyncClient(transport=transport, base_url="http://replay", timeout=None) as http:
            clients = {service: NearGateway(http, token) for service, token in tokens.items()}
            sealing = Sealing(hashes["extractor"])
            extraction = Extraction(storage, readers, apart(ExtractorSettings, **how.extractor), sealing=sealing)
            governing = apart(TransformerSettings, **how.transformer)
            models = AnsweredModels(how.models, storage, unanswered) if how.models else None
            note = functools.partial(how.note, governing)
            analysis = transformer_phases(storage, analysers, models, governing, lambda: embedder, note)
            chunking = apart(IngestorSettings, **how.ingestor)
            ingestion = Ingestion(storage, vectors, embedder, WordLlamaTokenizer(), chunking, *(images or ()))
            phases: list[Phase] = [extraction, *analysis, ingestion]
            yield System(gateway, {each.step: (each, clients[SERVICES[each.step]]) for each in phases}, told)
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)
        await gateway.direct.stop()
        await gateway.orchestrator.stop()
        await gateway.external.close()
        await gateway.page_pictures.close()
        await asyncio.gather(readers.close(), analysers.close())
        if images:
            await images[1].close()
            await images[0].close()
        await vectors.close()
        await jobs.close()


def apart(kind: type[S], **given: Any) -> S:
    """Settings of that kind with their defaults, whatever the environment says."""
    return kind(_env_prefix="SHADOWTWIN_REPLAYED_", **given)


def _embedder(how: How, chosen: VectorSettings, unanswered: Unanswered) -> Embedder:
    if how.embedder is None:
        return choose_embedder(chosen)
    return KeptEmbedder(how.embedder.name, how.embedder.dimension, how.embedder.version, unanswered)
