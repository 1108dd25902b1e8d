"""The real phases of the three workers in one process, over the world's gateway: for tests of gates and of the route.

Only three things differ from production: PDFs are read in this process, HTTP goes to the application directly, and
the embedder and tokenizer are the ones made for tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from services.extractor.extraction import Extraction
from services.extractor.settings import ExtractorSettings
from services.gateway.secrets import hash_of
from services.ingestor.ingestion import Ingestion
from services.ingestor.settings import IngestorSettings
from services.transformer.discovery_stage import ProductDiscovery
from services.transformer.images.eyes import OfflineEyes
from services.transformer.images.stage import Images
from services.transformer.metadata import Metadata
from services.transformer.offline_analyzer import OfflineAnalyzer
from services.transformer.records.stage import Records
from services.transformer.settings import TransformerSettings
from services.transformer.stage import Stage
from services.transformer.transformation import Transformation
from shared import route
from shared.adapters.http_gateway import HttpGateway
from shared.gates import Verdict
from shared.job import StepName
from shared.phase import Ack, Phase, Report, handle
from shared.ports import Embedder
from shared.sealing import Sealing
from shared.testing.memory_images import HashImages
from shared.testing.memory_vectors import HashEmbedder, WordTokenizer
from shared.ticket import Outcome, Ticket
from tests.support.gateway import SERVICE_TOKENS, World

SERVICES: dict[StepName, str] = {
    StepName.EXTRACT: "extractor",
    StepName.TRANSFORM: "transformer",
    StepName.INGEST: "ingestor",
    StepName.QUALITY: "transformer",
}


class InlineChildren:
    """`shared.child.Children` without a process; arguments and messages are encoded as on the way to one."""

    async def run(
        self, target: str, args: Any, limits: Any, on_message: Callable[[Any], Awaitable[None]], **types: Any
    ) -> Any:
        module, _, name = target.partition(":")
        messages: list[Any] = []
        result = getattr(importlib.import_module(module), name)(_sent(args), messages.append)
        for message in messages:
            await on_message(_sent(message))
        return _sent(result)


def _sent(content: Any) -> Any:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(content))


class DirectGateway(HttpGateway):
    """The workers' own client; only the connection is replaced."""

    def __init__(self, world: World, service: str) -> None:
        super().__init__("", SERVICE_TOKENS[service])
        self._world = world

    async def _post(self, path: str, headers: dict[str, str], body: object) -> tuple[int, bytes]:
        content = msgspec.json.encode(body)
        answer = await self._world.http.post(
            path, content=content, headers={k.encode(): v.encode() for k, v in headers.items()}
        )
        await self._world.settle()
        return answer.status_code, answer.content


class Counted:
    """A phase whose gate is asked and whose work is counted."""

    def __init__(self, phase: Phase) -> None:
        self._phase, self.step = phase, phase.step
        self.verdicts: list[Verdict] = []
        self.works = 0

    async def gate(self, ticket: Ticket) -> Verdict:
        self.verdicts.append(await self._phase.gate(ticket))
        return self.verdicts[-1]

    async def work(self, ticket: Ticket, report: Report) -> Outcome:
        self.works += 1
        return await self._phase.work(ticket, report)


def real_phases(
    world: World, extractor: Extraction | None = None, embedder: Embedder | None = None
) -> dict[StepName, Counted]:
    """The three phases over the world's storage and vectors."""
    children: Any = InlineChildren()
    embedder = embedder or HashEmbedder()
    images = (world.images, HashImages())
    ingestion = Ingestion(world.storage, world.vectors, embedder, WordTokenizer(), IngestorSettings(), *images)
    analyzer = OfflineAnalyzer(children, TransformerSettings())
    stages: list[Stage] = [
        Metadata(world.storage, analyzer),
        ProductDiscovery(analyzer),
        Images(OfflineEyes(analyzer, TransformerSettings()), TransformerSettings()),
        Records(world.storage, analyzer, lambda: embedder),
    ]
    return {
        StepName.EXTRACT: Counted(
            extractor
            or Extraction(
                world.storage,
                children,
                ExtractorSettings(),
                sealing=Sealing(hash_of(SERVICE_TOKENS["extractor"])),
            )
        ),
        StepName.TRANSFORM: Counted(Transformation(world.storage, stages)),
        StepName.INGEST: Counted(ingestion),
    }


class Route:
    """Brings every message that the gateway has told to whom it concerns, once, in order."""

    def __init__(self, world: World, phases: Mapping[StepName, Phase] | None = None) -> None:
        self.world = world
        self.phases: Mapping[StepName, Any] = phases or real_phases(world)
        self._taken = 0

    async def run(self, until: StepName | None = None) -> None:
        """Until nothing new is told; with `until`, the message that asks for that step is left lying."""
        while self._taken < len(self.world.bus.told):
            subject, event, _ = self.world.bus.told[self._taken]
            step = route.leg_of(subject).step
            if step is not None and step == until:
                return
            self._taken += 1
            if step is not None and step in self.phases:
                gateway = DirectGateway(self.world, SERVICES[step])
                assert isinstance(await handle(event, self.phases[step], gateway, f"{step}-worker"), Ack)
            elif subject == route.TEMPLATE_DONE:
                assert isinstance(await self.world.gateway.on_template_done(event), Ack)
            await self.world.settle()
