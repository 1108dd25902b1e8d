"""The one place where the gateway's parts are chosen and put together."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from services.gateway.admission import Admission
from services.gateway.alerts import AlertBook
from services.gateway.api_keys import KeyRing
from services.gateway.audit import AuditLog
from services.gateway.bulk import Bulk, Handle
from services.gateway.bundles.export import Bundles
from services.gateway.callbacks import Callbacks
from services.gateway.deletion import Deletion
from services.gateway.delivery import Delivery
from services.gateway.explaining import Explainer
from services.gateway.fetching import Fetcher, worker_place
from services.gateway.foreign.archives import ArchiveLimits
from services.gateway.foreign.results import ForeignResults
from services.gateway.health.actions import Actions
from services.gateway.health.doctor import Doctor
from services.gateway.health.facts import Examiner
from services.gateway.health.repairs import Repairs, RepairState, environment_of
from services.gateway.health.rounds import Rounds
from services.gateway.intake import Intake
from services.gateway.orchestrator import Orchestrator, Publisher
from services.gateway.pictures.page_pictures import PagePictures
from services.gateway.pictures.picture_links import PictureLinks
from services.gateway.planning import Planner
from services.gateway.progress import Progress
from services.gateway.rebuilding import Rebuild, Rebuilding
from services.gateway.record_book import RecordBook
from services.gateway.scoped_stores import ScopedDocuments, ScopedJobs
from services.gateway.search.catalogue import Catalogue
from services.gateway.search.image_search import ImageSearch
from services.gateway.search.searching import Search
from services.gateway.secrets import hash_of, new_token
from services.gateway.settings import GatewaySettings
from services.gateway.sweeper import Sweeper
from services.gateway.telemetry.gauges import Gauges
from services.gateway.trust import Trust
from services.gateway.twin_records import TwinRecords
from services.gateway.uploads.direct_here import GatewayDirect
from services.gateway.uploads.direct_sweep import DirectSweep
from services.gateway.uploads.direct_uploads import DirectUploads
from services.gateway.uploads.log import UploadLog
from services.gateway.uploads.quota import Quota
from services.gateway.uploads.sourcing import REDIRECTS, Sources
from services.gateway.uploads.storage_events import StorageEvents
from services.gateway.watch import Watch
from services.gateway.webhooks.attempts import Attempts
from services.gateway.webhooks.dispatcher import Dispatcher
from services.gateway.webhooks.endpoints import EndpointBook
from services.gateway.webhooks.recording import Recorder
from services.gateway.webhooks.schedule import Schedule
from services.gateway.webhooks.sending import Sender
from shared import route
from shared.adapters.external_service import ExternalService
from shared.adapters.nats_bus import NatsBus
from shared.adapters.nats_roll_call import Present
from shared.commands import Advance
from shared.direct_ports import DirectStorage, DirectUploadStore
from shared.errors import RequestError, TransientError
from shared.events import JobEvent
from shared.image_index import ImageIndex
from shared.job import JobStatus, Parameters, StepName
from shared.models import LaneState
from shared.phase import Ack, Disposition, Retry
from shared.ports import (
    AlertStore,
    DocumentStore,
    Embedder,
    ImageEmbedder,
    JobQuery,
    JobStore,
    Storage,
    UploadStore,
    VectorStore,
)
from shared.sealing import Sealing
from shared.settings import read_optional_secret
from shared.shelf import SchemaShelf, Shelf
from shared.transitions import Refused
from shared.webhook_ports import WebhookStore

logger = logging.getLogger("gateway")


class Gateway:
    """Everything a request needs. `bus` is None when only reading (a local folder without running services)."""

    def __init__(
        self,
        settings: GatewaySettings,
        jobs: JobStore,
        documents: DocumentStore,
        storage: Storage,
        vectors: VectorStore,
        embedder: Embedder,
        bus: Publisher | None,
        credentials: dict[str, str],
        internal_token: str = "",
        buckets: Mapping[str, Storage] | None = None,
        images: tuple[ImageIndex, ImageEmbedder] | None = None,
        keys: KeyRing | None = None,
        uploads: UploadStore | None = None,
        *,
        direct: DirectUploadStore,
        direct_storage: DirectStorage | None = None,
        alerts: AlertStore,
        webhooks: WebhookStore,
        schedule: Schedule | None = None,
        lanes: Callable[[], Awaitable[list[LaneState]]] | None = None,
    ) -> None:
        """Without `keys` nobody is asked for one. `jobs` and `documents` are what the caller's key reaches. `schedule`
        is that of webhooks."""
        documents, self.trust = TwinRecords(documents, storage), Trust()
        self.keys, self.jobs, self.documents = keys, ScopedJobs(jobs), ScopedDocuments(documents)
        self.settings, self.storage = settings, storage
        self.vectors, self.images, self._bus, self._embedder = vectors, images, bus, embedder
        self.shelf, self.schemas = Shelf(storage), SchemaShelf(storage)
        self.record_book = RecordBook(self.documents, storage)
        self.page_pictures = PagePictures(storage)
        index = images[0] if images else None
        self.delivery = delivery = Delivery(jobs, documents, storage, vectors, embedder.dimension, index)
        self.bundles = Bundles(self.jobs, self.documents, storage, vectors, index)
        schedule = schedule or Schedule()
        self.recorder = recorder = Recorder(webhooks, jobs, documents, schedule)
        self.deletion = Deletion(jobs, documents, storage, vectors, recorder, index)
        self.orchestrator = Orchestrator(jobs, delivery, bus, self.deletion.resume, recorder)
        self.sweeper = Sweeper(jobs, self.orchestrator, settings)
        # Without a shared credential (a gateway that only reads) addresses of another process are nobody's.
        shared_secret = credentials.get("extractor") or new_token()
        self.picture_links = PictureLinks(shared_secret)
        self.catalogue = Catalogue(self.documents, storage, self.picture_links)
        self.search = Search(self.documents, vectors, embedder, storage, self.catalogue, self.picture_links)
        self.image_search = ImageSearch(self.documents, storage, self.catalogue, images, self.picture_links)
        self.admission = Admission(jobs, self.orchestrator, settings)
        self.orchestrator.on_change = self.admission.notice
        self.planner = Planner(bus if isinstance(bus, NatsBus) else None)
        self.upload_log = UploadLog(uploads, jobs)
        self.intake = Intake(
            jobs,
            self.documents,
            storage,
            self.orchestrator,
            self.admission,
            self.planner,
            settings.max_upload_bytes,
            Quota(documents, settings.max_library_documents, settings.max_library_bytes),
            recorder,
        )
        here = GatewayDirect(storage, shared_secret)
        self.direct = DirectUploads(
            direct,
            direct_storage or here,
            storage,
            jobs,
            self.documents,
            self.intake,
            self.upload_log,
            settings.upload_grace_seconds,
        )
        self.direct_sweep = DirectSweep(self.direct, direct, storage, jobs, settings.upload_sweep_seconds)
        secret = read_optional_secret(settings.storage_events_secret_file, "SHADOWTWIN_STORAGE_EVENTS_SECRET_FILE")
        self.storage_events = StorageEvents(self.direct, jobs, hash_of(secret) if secret else "")
        worker = worker_place(settings)
        self.rebuilding = Rebuilding(
            self.documents,
            storage,
            self.intake,
            Progress(storage, "rebuild", Rebuild, jobs.now),
            embedder.name,
            embedder.version,
            images[1].name if images else "",
        )
        fetcher = Fetcher(
            [*settings.callback_fetch_allow, *([worker.place] if worker else [])],
            worker=worker,
            max_bytes=settings.callback_fetch_bytes,
            seconds=settings.callback_fetch_seconds,
            trust=self.trust,
        )
        source = Fetcher(
            settings.source_allow,
            max_bytes=settings.max_upload_bytes,
            seconds=settings.source_seconds,
            redirects=REDIRECTS,
            setting="SHADOWTWIN_SOURCE_ALLOW",
            trust=self.trust,
        )
        self.sources = Sources(source, self.intake, self.upload_log)
        limits = ArchiveLimits(total_bytes=settings.callback_unpacked_bytes)
        self.sealing = Sealing(credentials["extractor"]) if "extractor" in credentials else None
        self.audit = AuditLog()
        self.external = ExternalService(settings)
        self.explainer = Explainer(self.jobs, self.bus_ready, self.free_workers, settings.lease_seconds)
        shown = index.stores if index else ()
        examiner = Examiner(jobs, storage, vectors, self.explainer.explain, shown, buckets)
        self.doctor = Doctor(self.documents, examiner)
        self.actions = Actions(
            self.documents, jobs, storage, [vectors, *shown], examiner, self.intake, self.orchestrator, self.direct
        )
        self.alerts = AlertBook(alerts, bus, recorder)
        owner, rounds = self.intake.receiver.place, Rounds(documents, examiner)
        self.watch = Watch(jobs, documents, uploads, alerts, self.alerts, rounds, settings, owner, webhooks)
        sender = Sender(settings.webhook_allow, schedule.attempt, trust=self.trust)
        self.webhooks = EndpointBook(webhooks, jobs, sender, recorder)
        self.gauges = Gauges(jobs, alerts, self.present, lanes, self.webhooks.standing)
        attempts = Attempts(webhooks, jobs, sender, recorder, schedule)
        self.dispatcher = Dispatcher(webhooks, alerts, jobs, attempts, owner, schedule)
        recorder.wake = self.dispatcher.wake
        repairs = Progress(storage, "repair", RepairState, jobs.now)
        self.repairs = Repairs(self.doctor, self.actions, environment_of(settings, vectors.name), repairs)
        self.bulk = Bulk(self.jobs, self.intake, self.orchestrator, Progress(storage, "requeue", Handle, jobs.now))
        self.callbacks = Callbacks(
            jobs,
            self.orchestrator,
            credentials,
            ForeignResults(documents, storage, fetcher, limits),
            self.audit,
            internal_hash=hash_of(internal_token) if internal_token else "",
            heartbeat_seconds=settings.heartbeat_seconds,
            deadline_seconds=settings.step_deadline_seconds,
            max_attempts=settings.max_attempts,
        )

    async def check_named(self, library: str, parameters: Parameters) -> None:
        """Refuse a job whose template or schema does not exist, before anything is stored."""
        await self.shelf.find(library, parameters.template)
        if parameters.records.schema:
            await self.schemas.load(library, parameters.records.schema)

    def bus_ready(self) -> bool:
        """Whether the broker is connected (a reading gateway has none)."""
        return not isinstance(self._bus, NatsBus) or self._bus.ready.is_set()

    async def free_workers(self) -> dict[str, int | None]:
        """Pulls that wait for work, by service; None where the broker cannot say."""
        return await self._bus.free_pulls() if isinstance(self._bus, NatsBus) else {}

    async def present(self) -> list[Present]:
        """The workers that answer a roll call."""
        return await self._bus.roll_call() if isinstance(self._bus, NatsBus) else []

    async def warm(self) -> None:
        """Load what loads slowly here: the embedder, and the index that searches look into."""
        await self.vectors.open()
        await self._embedder.embed(["warm up"], query=True)

    async def clean_after(self, job_id: str, library: str, document_id: str, attempt: str) -> bool:
        """Remove attempt files that were written after a job's end; not while a job of its document is open. When the
        document was deleted meanwhile, what the attempt has written in its folder and its vectors go."""
        job = await self.jobs.get(job_id)
        if job is None and attempt:
            return await self.deletion.clean_late(library, document_id, attempt)
        if job is None or job.open:
            return False
        page = await self.jobs.find(JobQuery(document_id=job.document_id, limit=5))
        if any(other.open for other in page.jobs):
            return False
        await self.delivery.clean(job)
        return True

    async def rebuild_broker(self) -> int:
        """Make streams and consumers, and tell what every open job waits for, at once; how many jobs."""
        if isinstance(self._bus, NatsBus):
            await self._bus.ensure()
        told, cursor = 0, None
        for status in (JobStatus.QUEUED, JobStatus.RUNNING):
            while True:
                page = await self.jobs.find(JobQuery(status=status, cursor=cursor, limit=200))
                for job in page.jobs:
                    if job.outbox:
                        self.orchestrator.tell_now(job.job_id)
                        told += 1
                cursor = page.cursor
                if cursor is None:
                    break
        return told

    async def on_template_done(self, event: JobEvent) -> Disposition:
        """The orchestrator's own leg of the route: ask for ingestion."""
        command = Advance(process_id=event.process_id, step=StepName.INGEST, after=route.TEMPLATE_DONE)
        try:
            await self.orchestrator.apply(event.job_id, command)
        except (Refused, RequestError) as refusal:
            logger.info("template.done dropped", extra={"job": event.job_id, "reason": str(refusal)})
        except TransientError:
            return Retry(1.0)
        return Ack()

    async def serve_bus(self) -> None:
        """Connect, see to streams and consumers, then take messages; the HTTP side is up meanwhile."""
        assert isinstance(self._bus, NatsBus)
        await self._bus.connect()
        await self._bus.ensure()
        self._bus.subscribe(route.leg_of(route.TEMPLATE_DONE), self.on_template_done, workers=4)
        await self._bus.start()
