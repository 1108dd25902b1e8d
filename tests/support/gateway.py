"""A gateway over in-memory ports for wiring tests: real routes, real guards, no process and no network."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, cast

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.api_keys import KeyRing
from services.gateway.app import create_app
from services.gateway.composition import Gateway
from services.gateway.secrets import hash_of
from services.gateway.settings import GatewaySettings
from services.gateway.webhooks.schedule import Schedule
from shared.direct_ports import DirectStorage
from shared.errors import TransientError
from shared.events import Event
from shared.image_index import ImageIndex
from shared.job import Job, StepName
from shared.ports import AlertStore, DocumentStore, JobStore
from shared.testing.memory import MemoryDocuments, MemoryJobs, MemoryStorage
from shared.testing.memory_alerts import MemoryAlerts
from shared.testing.memory_direct import MemoryDirectUploads
from shared.testing.memory_images import HashImages, memory_index
from shared.testing.memory_uploads import MemoryUploads
from shared.testing.memory_vectors import HashEmbedder, MemoryVectors
from shared.testing.memory_webhooks import MemoryWebhooks
from shared.webhook_ports import WebhookStore

PDF = b"%PDF-1.4\n% just enough for the gateway, which does not read PDFs\n"
SERVICE_TOKENS = {name: f"{name}-credential-of-this-test" for name in ("extractor", "transformer", "ingestor")}


class RecordingBus:
    """Takes what the relay tells; `down` makes it fail like a broker that is away."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any, str]] = []
        self.down = False
        self.asked = 0

    async def publish(self, subject: str, event: Event, message_id: str) -> bool:
        self.asked += 1
        if self.down:
            raise TransientError("unavailable")
        known = any(message_id == told[2] for told in self.told)
        if not known:
            self.told.append((subject, event, message_id))
        return known

    def subjects(self) -> list[str]:
        return [subject for subject, _, _ in self.told]


class World:
    """The gateway, its parts, and a client. `jobs` and `documents` may be another store than the one in memory."""

    def __init__(
        self, gateway: Gateway, bus: RecordingBus, http: httpx.AsyncClient, jobs: JobStore, webhooks: WebhookStore
    ) -> None:
        self.gateway, self.bus, self.http = gateway, bus, http
        self.webhooks: MemoryWebhooks = webhooks  # type: ignore[assignment]
        self.jobs: MemoryJobs = jobs  # type: ignore[assignment]
        self.documents: DocumentStore = gateway.documents
        self.storage: MemoryStorage = gateway.storage  # type: ignore[assignment]
        self.vectors: MemoryVectors = gateway.vectors  # type: ignore[assignment]
        assert gateway.images is not None
        self.images: ImageIndex = gateway.images[0]

    async def upload(self, content: bytes = PDF, name: str = "a.pdf", **form: str) -> dict[str, Any]:
        answer = await self.http.post("/api/jobs", files={"file": (name, content, "application/pdf")}, data=form)
        assert answer.status_code in (200, 202), answer.text
        await self.settle()
        body: dict[str, Any] = answer.json()
        return body

    async def job(self, job_id: str) -> Job:
        job = await self.jobs.get(job_id)
        assert job is not None
        return job

    async def claim(self, job_id: str, step: StepName = StepName.EXTRACT, owner: str = "w1") -> dict[str, Any]:
        job = await self.job(job_id)
        service = {"extract_pdf": "extractor", "transform_template": "transformer", "ingest_rag": "ingestor"}[step]
        body = {"processId": job.process_id, "attempt": job.attempt, "step": step, "owner": owner}
        answer = await self.http.post(
            f"/api/internal/jobs/{job_id}/claim", json=body, headers=bearer(SERVICE_TOKENS[service])
        )
        assert answer.status_code == 200, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket

    async def callback(self, job_id: str, token: str | None, body: dict[str, Any]) -> httpx.Response:
        headers = bearer(token) if token is not None else {}
        answer = await self.http.post(f"/api/external/jobs/{job_id}", json=body, headers=headers)
        await self.settle()
        return answer

    async def settle(self) -> None:
        """Until the queue has admitted what fits and the relay has nothing to do."""
        await asyncio.sleep(0)
        await self.gateway.admission.round()
        while self.gateway.orchestrator.busy():
            await asyncio.sleep(0)

    async def sweep(self) -> None:
        """One round of the sweeper, as of a gateway that has been up for long: without the grace after a start."""
        now = await self.jobs.now()
        sweeper = self.gateway.sweeper
        sweeper._accepting_since, sweeper._last_sweep = now - timedelta(days=365), now
        await sweeper.sweep()
        await self.settle()


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"Authorization": f"Bearer {token}".encode()}


_asked: ContextVar[Gateway] = ContextVar("asked")


class _Addressed:
    """Stands in shared routes for the gateway that is asked: making the routes takes longer than most tests."""

    def __init__(self, max_upload_bytes: int) -> None:
        self.settings, self.keys = GatewaySettings(max_upload_bytes=max_upload_bytes), None

    def __getattribute__(self, name: str) -> Any:
        asked = _asked.get(None)
        return object.__getattribute__(self, name) if asked is None else getattr(asked, name)


@functools.cache
def _shared_app(max_upload_bytes: int) -> ASGIApp:
    return create_app(cast(Gateway, _Addressed(max_upload_bytes)))


def app_of(made: Gateway) -> ASGIApp:
    """The gateway's application; where no keys are asked for, with routes that all gateways of the tests share."""
    if made.keys is not None:
        return create_app(made)
    app = _shared_app(made.settings.max_upload_bytes)

    async def addressed(scope: Scope, receive: Receive, send: Send) -> None:
        token = _asked.set(made)
        try:
            await app(scope, receive, send)
        finally:
            _asked.reset(token)

    return addressed


@contextlib.asynccontextmanager
async def world(
    *,
    jobs: JobStore | None = None,
    documents: DocumentStore | None = None,
    storage: MemoryStorage | None = None,
    vectors: MemoryVectors | None = None,
    images: ImageIndex | None = None,
    bus: RecordingBus | None = None,
    internal_token: str = "",
    keys: KeyRing | None = None,
    direct_storage: DirectStorage | None = None,
    alerts: AlertStore | None = None,
    webhooks: WebhookStore | None = None,
    schedule: Schedule | None = None,
    **settings: Any,
) -> AsyncIterator[World]:
    bus, jobs, webhooks = bus or RecordingBus(), jobs or MemoryJobs(), webhooks or MemoryWebhooks()
    made = Gateway(
        GatewaySettings(**settings),
        jobs,
        documents or MemoryDocuments(),
        storage or MemoryStorage(),
        vectors or MemoryVectors(),
        HashEmbedder(),
        bus,
        {name: hash_of(token) for name, token in SERVICE_TOKENS.items()},
        internal_token,
        images=(images or memory_index(), HashImages()),
        keys=keys,
        uploads=MemoryUploads(),
        direct=MemoryDirectUploads(),
        direct_storage=direct_storage,
        alerts=alerts or MemoryAlerts(),
        webhooks=webhooks,
        schedule=schedule,
    )
    transport = httpx.ASGITransport(app=app_of(made))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
        yield World(made, bus, http, jobs, webhooks)
        await made.dispatcher.stop()
        await made.direct.stop()
        await made.orchestrator.stop()
