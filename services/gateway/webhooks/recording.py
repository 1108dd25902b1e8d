"""Recording: what happens becomes deliveries, before whatever remembers that it happened may be forgotten.

Ids follow from the event and the endpoint, so that recording twice is recording once. Nothing is sent here: recording
costs the pipeline a read, and a write where somebody wants to know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from services.gateway.webhooks.messages import Event, of_alert, of_deletion, of_job, of_upload
from services.gateway.webhooks.schedule import Schedule
from shared.alert import Alert, AlertState
from shared.cursor import milliseconds
from shared.document import Document
from shared.job import Job
from shared.ports import DocumentStore, JobStore
from shared.route import JOB_COMPLETED, JOB_FAILED
from shared.webhook import Delivery, Endpoint, EventType, delivery_id
from shared.webhook_ports import WebhookStore

PLACES = 100
"""Events of one millisecond that have an order among themselves."""


class Recorder:
    """Tells the store what happened; `wake` is called when there is something to deliver."""

    def __init__(
        self, webhooks: WebhookStore, jobs: JobStore, documents: DocumentStore, schedule: Schedule | None = None
    ) -> None:
        self._webhooks, self._jobs, self._documents = webhooks, jobs, documents
        self._schedule = schedule or Schedule()
        self._next = 0
        self.wake: Callable[[], None] = lambda: None

    async def job(self, job: Job) -> None:
        """The end of a run, if the job's outbox still holds it: called before it leaves the outbox, in whatever way."""
        for entry in job.outbox:
            if entry.subject in (JOB_COMPLETED, JOB_FAILED):
                await self._record(of_job(job, entry.event_id))

    async def upload(self, document: Document) -> list[Delivery]:
        """A record that is about to be put; `uploaded` says what has become of it. If nobody says, the dispatcher
        looks whether it is there (`proven`)."""
        proof = _proof(document)
        event_id = f"{proof}:{document.revision}:{EventType.DOCUMENT_UPLOADED}"
        return await self._record([of_upload(document, event_id, await self._jobs.now())], proof)

    async def uploaded(self, recorded: Sequence[Delivery], done: bool) -> None:
        """Whether the record was put: its deliveries may go, or there was nothing to tell. What the dispatcher has
        looked at before the record was there, and removed, is told all the same."""
        for made in recorded:
            row = await self._webhooks.delivery(made.delivery_id)
            if not done:
                await self._webhooks.remove(made.delivery_id)
            elif row is None:
                await self._webhooks.add([replace(made, proof="", due_at=made.created_at)])
            else:
                await self._webhooks.put(replace(row, proof="", due_at=row.created_at))
        if recorded:
            self.wake()

    async def proven(self, delivery: Delivery) -> bool:
        """Whether what a delivery tells has happened."""
        document = await self._documents.get(delivery.key)
        return document is not None and _proof(document) == delivery.proof

    async def deleted(self, deletion: Job) -> None:
        """A document is gone; called before the deletion's job is."""
        event_id = f"{deletion.job_id}:{EventType.DOCUMENT_DELETED}"
        await self._record([of_deletion(deletion, event_id, await self._jobs.now())])

    async def alert(self, alert: Alert) -> None:
        """An alert's state; one that was resolved before anybody was told that it had opened tells both."""
        opened = f"{alert.alert_id}:{AlertState.OPEN}:{milliseconds(alert.opened_at)}"
        events = [of_alert(replace(alert, state=AlertState.OPEN), opened)] if alert.told != AlertState.OPEN else []
        if alert.state == AlertState.RESOLVED:
            resolved = f"{alert.alert_id}:{AlertState.RESOLVED}:{milliseconds(alert.opened_at)}"
            events.append(of_alert(alert, resolved))
        await self._record(events)

    async def _record(self, events: Sequence[Event], proof: str = "") -> list[Delivery]:
        """The deliveries."""
        endpoints = await self._webhooks.endpoints(None)
        wanted = [
            (event, rank, endpoint)
            for rank, event in enumerate(events)
            for endpoint in endpoints
            if endpoint.wants(event.library_id, event.type)
        ]
        if not wanted:
            return []
        now = await self._jobs.now()
        # Two that one gateway records within a millisecond have an order as well.
        first = self._next = max(milliseconds(now) * PLACES, self._next)
        self._next += len(events)
        due = now + timedelta(seconds=self._schedule.proof) if proof else now
        rows = [
            replace(new_delivery(event, endpoint, now), place=first + rank, due_at=due, proof=proof)
            for event, rank, endpoint in wanted
        ]
        await self._webhooks.add(rows)
        if not proof:
            self.wake()
        return rows


def new_delivery(event: Event, endpoint: Endpoint, now: datetime) -> Delivery:
    """The event for one endpoint, due at once."""
    return Delivery(
        delivery_id=delivery_id(event.event_id, endpoint.endpoint_id),
        endpoint_id=endpoint.endpoint_id,
        library_id=event.library_id,
        event_type=event.type,
        key=event.key,
        place=milliseconds(now) * PLACES,
        body=event.body(),
        due_at=now,
        created_at=now,
    )


def _proof(document: Document) -> str:
    return f"{document.document_id}:{document.sha256}:{milliseconds(document.created_at)}"
