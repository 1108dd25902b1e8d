"""The book of endpoints: made, shown, changed and removed by people, within the libraries of their keys."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from services.gateway import access
from services.gateway.webhooks.attempts import change
from services.gateway.webhooks.messages import Event, PingData
from services.gateway.webhooks.recording import Recorder, new_delivery
from services.gateway.webhooks.sending import Sender
from services.gateway.webhooks.signing import checked_secret, new_secret
from shared.errors import RequestError
from shared.ports import JobStore
from shared.webhook import ALL_LIBRARIES, Delivery, DeliveryState, Endpoint, EventType, Secret
from shared.webhook_ports import WebhookStore

MOST_ENDPOINTS = 50
"""Of one library: each costs a row for every event that it wants."""
MOST_TYPES, LONGEST_TEXT = 20, 500
OVERLAP = timedelta(days=1)
LONGEST_OVERLAP = timedelta(days=30)
_TYPE = re.compile(r"\*|[a-z]+\.(\*|[a-z]+)")


class EndpointRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `POST /api/webhooks`. Without `libraryId` it is the key's library, or all of them; without `secret` one
    is made."""

    url: str
    event_types: list[str] = msgspec.field(default_factory=lambda: ["*"])
    library_id: str = ""
    description: str = ""
    secret: str = ""


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `PATCH /api/webhooks/{endpointId}`: what is left out stays."""

    url: str | None = None
    event_types: list[str] | None = None
    description: str | None = None
    enabled: bool | None = None


class Rotation(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `POST /api/webhooks/{endpointId}/rotate`: the former secret signs as well for so many seconds."""

    secret: str = ""
    overlap_seconds: int = int(OVERLAP.total_seconds())


class Replay(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Body of `POST /api/webhooks/{endpointId}/replay`."""

    since: datetime


class Standing(NamedTuple):
    """What monitoring wants to know: deliveries that wait, how many seconds the oldest of them has waited (0 without
    one), endpoints that are told and those that are disabled."""

    pending: int
    oldest_seconds: float
    enabled: int
    disabled: int


class EndpointBook:
    """All endpoints that the request's key reaches."""

    def __init__(self, webhooks: WebhookStore, jobs: JobStore, sender: Sender, recorder: Recorder) -> None:
        self._webhooks, self._jobs, self._sender, self._recorder = webhooks, jobs, sender, recorder

    async def make(self, request: EndpointRequest) -> Endpoint:
        """A new one. RequestError bad_request, webhook_url_refused, not_found, conflict."""
        library = _library(request.library_id)
        types, text = _types(request.event_types), _text(request.description)
        secret = checked_secret(request.secret) if request.secret else new_secret()
        if len(await self._webhooks.endpoints(library)) >= MOST_ENDPOINTS:
            raise RequestError(
                "conflict", f"The library has {MOST_ENDPOINTS} endpoints.", hint="Delete one that is not needed."
            )
        made = Endpoint(
            endpoint_id=f"ep_{uuid.uuid4().hex}",
            library_id=library,
            url=await self._sender.check(request.url),
            event_types=types,
            description=text,
            secrets=[Secret(value=secret)],
            created_at=await self._jobs.now(),
        )
        await self._webhooks.put_endpoint(made)
        return made

    async def one(self, endpoint_id: str) -> Endpoint:
        """RequestError not_found."""
        endpoint = await self._webhooks.endpoint(endpoint_id)
        if endpoint is None or not access.visible(endpoint.library_id):
            raise RequestError("not_found", "There is no such endpoint.")
        return endpoint

    async def all(self, library: str | None) -> list[Endpoint]:
        """Those of a library, or of all that the key reaches, oldest first."""
        wanted = access.chosen(library) if library != ALL_LIBRARIES else library
        return [row for row in await self._webhooks.endpoints(wanted) if access.visible(row.library_id)]

    async def change(self, endpoint_id: str, wish: EndpointChange) -> Endpoint:
        """As wished. One that is enabled again is told at once what has waited."""
        await self.one(endpoint_id)
        fields: dict[str, Any] = {}
        if wish.url is not None:
            fields["url"] = await self._sender.check(wish.url)
        if wish.event_types is not None:
            fields["event_types"] = _types(wish.event_types)
        if wish.description is not None:
            fields["description"] = _text(wish.description)
        if wish.enabled is not None:
            fields |= {"enabled": wish.enabled, "disabled_reason": "", "failing_since": None, "quiet_until": None}
        changed = await self._change(endpoint_id, lambda known: replace(known, **fields))
        if wish.enabled:
            await self._webhooks.bring_forward(endpoint_id, await self._jobs.now())
            self._recorder.wake()
        return changed

    async def rotate(self, endpoint_id: str, wish: Rotation) -> Endpoint:
        """With a new secret; the last one signs as well for a while, earlier ones no longer."""
        await self.one(endpoint_id)
        overlap = timedelta(seconds=wish.overlap_seconds) if 0 <= wish.overlap_seconds < 1 << 30 else -OVERLAP
        if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
            raise RequestError("bad_request", f"overlapSeconds is from 0 to {LONGEST_OVERLAP.total_seconds():.0f}.")
        secret = checked_secret(wish.secret) if wish.secret else new_secret()
        until = await self._jobs.now() + overlap

        def rotated(known: Endpoint) -> Endpoint:
            return replace(known, secrets=[Secret(value=secret), replace(known.secrets[0], until=until)])

        return await self._change(endpoint_id, rotated)

    async def remove(self, endpoint_id: str) -> None:
        """With its deliveries."""
        await self.one(endpoint_id)
        await self._webhooks.remove_endpoint(endpoint_id)

    async def ping(self, endpoint_id: str) -> Delivery:
        """A delivery that says no more than that this is a test. RequestError conflict for a disabled endpoint."""
        endpoint = await self.one(endpoint_id)
        if not endpoint.enabled:
            raise RequestError("conflict", "The endpoint is disabled.", hint="Enable it first.")
        name, now = uuid.uuid4().hex, await self._jobs.now()
        data = PingData(endpoint_id=endpoint_id, library_id=endpoint.library_id)
        event = Event(
            event_id=name, type=EventType.PING, at=now, library_id=endpoint.library_id, key=f"ping:{name}", data=data
        )
        delivery = new_delivery(event, endpoint, now)
        await self._webhooks.add([delivery])
        self._recorder.wake()
        return delivery

    async def deliveries(
        self, endpoint_id: str, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Delivery], str | None]:
        """A page of the log, newest first."""
        await self.one(endpoint_id)
        return await self._webhooks.find(endpoint_id, state, cursor, limit)

    async def replay(self, endpoint_id: str, delivery_id: str) -> Delivery:
        """Once more, now, under the same webhook-id and with all tries, whatever has become of it before."""
        await self.one(endpoint_id)
        while True:
            known = await self._webhooks.delivery(delivery_id)
            if known is None or known.endpoint_id != endpoint_id:
                raise RequestError("not_found", "There is no such delivery of this endpoint.")
            again = replace(known, state=DeliveryState.PENDING, tries=0, due_at=await self._jobs.now())
            if await self._webhooks.put(again):
                self._recorder.wake()
                return again

    async def replay_failed(self, endpoint_id: str, wish: Replay) -> int:
        """Everything that was given up and was made since then; how many."""
        await self.one(endpoint_id)
        since = wish.since
        if since.tzinfo is None:
            raise RequestError("bad_request", "since needs a time zone, as in 2030-01-31T12:00:00Z.")
        count = await self._webhooks.replay(endpoint_id, since, await self._jobs.now())
        self._recorder.wake()
        return count

    async def standing(self) -> Standing:
        """How all of them stand. What waits for a disabled one does not count: nobody expects it."""
        endpoints = await self._webhooks.endpoints(None)
        told = [row.endpoint_id for row in endpoints if row.enabled]
        backlog = await self._webhooks.backlog(told)
        age = (await self._jobs.now() - backlog.oldest).total_seconds() if backlog.oldest else 0.0
        return Standing(backlog.pending, max(age, 0.0), len(told), len(endpoints) - len(told))

    async def _change(self, endpoint_id: str, decide: Callable[[Endpoint], Endpoint]) -> Endpoint:
        changed = await change(self._webhooks, endpoint_id, decide)
        if changed is None:
            raise RequestError("not_found", "There is no such endpoint.")
        return changed


def _library(text: str) -> str:
    if text and text != ALL_LIBRARIES:
        return access.library_id(text)
    if text and access.bound() is not None:
        raise RequestError("not_found", "This key does not reach all libraries.", hint="Name one that it is bound to.")
    return access.chosen(None) or ALL_LIBRARIES


def _types(wanted: Sequence[str]) -> list[str]:
    known = [kind for kind in EventType if kind != EventType.PING]
    for text in wanted:
        if not _TYPE.fullmatch(text) or not any(fnmatchcase(kind, text) for kind in known):
            raise RequestError("bad_request", f"eventTypes may name {', '.join(known)}, job.*, document.*, alert.*, *.")
    if not wanted or len(wanted) > MOST_TYPES:
        raise RequestError("bad_request", f"eventTypes holds 1 to {MOST_TYPES} types.")
    return list(dict.fromkeys(wanted))


def _text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise RequestError("bad_request", f"description holds at most {LONGEST_TEXT} characters.")
    return text
