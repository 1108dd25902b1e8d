"""An attempt and what follows from it: delivered, later, given up; and what the endpoint's state becomes by it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec.structs import replace

from services.gateway.telemetry import counters
from services.gateway.webhooks.recording import Recorder
from services.gateway.webhooks.schedule import Schedule
from services.gateway.webhooks.sending import Outcome, Sender
from shared.errors import TransientError
from shared.ports import JobStore
from shared.webhook import Attempt, Delivery, DeliveryState, Endpoint
from shared.webhook_ports import WebhookStore

logger = logging.getLogger("webhooks")

LOGGED = 30
"""Attempts of a delivery that are kept, the newest."""
MOST_RACES = 20
GONE = 410


class Attempts:
    """Makes them one at a time."""

    def __init__(
        self, webhooks: WebhookStore, jobs: JobStore, sender: Sender, recorder: Recorder, schedule: Schedule
    ) -> None:
        self._webhooks, self._jobs, self._sender = webhooks, jobs, sender
        self._recorder, self._schedule = recorder, schedule

    async def width(self, endpoint_id: str, most: int) -> int:
        """How many attempts may be under way for the endpoint; none for one that is disabled or wants quiet. What was
        left of one that is no longer there is removed."""
        endpoint = await self._webhooks.endpoint(endpoint_id)
        if endpoint is None:
            await self._webhooks.remove_endpoint(endpoint_id)
            return 0
        if not _open(endpoint, await self._jobs.now()):
            return 0
        return 1 if endpoint.failing_since else most

    async def make(self, row: Delivery) -> bool:
        """Whether the next one of its key may follow: it was delivered, given up, or has not happened."""
        now = await self._jobs.now()
        endpoint = await self._webhooks.endpoint(row.endpoint_id)
        if endpoint is None or not _open(endpoint, now):
            return False
        if row.proof and not await self._recorder.proven(row):
            await self._webhooks.remove(row.delivery_id)
            return True
        outcome = await self._sender.send(endpoint, row, now)
        attempt = Attempt(at=now, status=outcome.status, milliseconds=outcome.milliseconds, error=outcome.error)
        after = await self._jobs.now()
        changed = await self._note(row, attempt, outcome, after)
        await self._judge(endpoint, outcome, after)
        return changed is None or changed.state != DeliveryState.PENDING

    async def _note(self, row: Delivery, attempt: Attempt, outcome: Outcome, now: datetime) -> Delivery | None:
        """The delivery with its attempt; None when it was removed meanwhile."""
        for _ in range(MOST_RACES):
            changed = self._after(row, attempt, outcome, now)
            if await self._webhooks.put(changed):
                counters.webhook_sent(str(changed.state), outcome.good)
                return changed
            known = await self._webhooks.delivery(row.delivery_id)
            if known is None:
                return None
            row = known
        raise TransientError("unavailable", "The delivery is changed by too many at the moment.")

    def _after(self, row: Delivery, attempt: Attempt, outcome: Outcome, now: datetime) -> Delivery:
        row = replace(row, attempts=[*row.attempts, attempt][-LOGGED:], tries=row.tries + 1, proof="")
        if outcome.good:
            return replace(row, state=DeliveryState.DELIVERED)
        wait = self._schedule.wait(row.tries)
        if wait is None or outcome.status == GONE:
            logger.warning("delivery given up", extra={"delivery": row.delivery_id, "endpoint": row.endpoint_id})
            return replace(row, state=DeliveryState.FAILED)
        return replace(row, due_at=_later(now, max(wait, self._quiet(outcome))))

    async def _judge(self, endpoint: Endpoint, outcome: Outcome, now: datetime) -> None:
        """Keep the endpoint's state; written only where it changes."""
        if outcome.good:
            if endpoint.failing_since or endpoint.quiet_until:
                await change(self._webhooks, endpoint.endpoint_id, _well)
            if endpoint.failing_since and (now - endpoint.failing_since).total_seconds() >= self._schedule.outage:
                await self._webhooks.bring_forward(endpoint.endpoint_id, now)
            return
        quiet = self._quiet(outcome)
        since = endpoint.failing_since or now
        failing = (now - since).total_seconds() > self._schedule.failing
        if endpoint.failing_since and not quiet and not failing and outcome.status != GONE:
            return
        reason = "gone" if outcome.status == GONE else "failing" if failing else ""

        def ill(known: Endpoint) -> Endpoint:
            known = replace(known, failing_since=known.failing_since or now)
            if quiet:
                known = replace(known, quiet_until=_later(now, quiet))
            return replace(known, enabled=False, disabled_reason=reason) if reason and known.enabled else known

        await change(self._webhooks, endpoint.endpoint_id, ill)
        if reason:
            said = {"endpoint": endpoint.endpoint_id, "library": endpoint.library_id, "reason": reason}
            logger.warning("webhook endpoint disabled", extra=said)

    def _quiet(self, outcome: Outcome) -> float:
        return min(outcome.retry_after or 0.0, self._schedule.most_quiet)


async def change(webhooks: WebhookStore, endpoint_id: str, decide: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
    """The endpoint as `decide` wants it, whoever else changes it; None when there is none."""
    for _ in range(MOST_RACES):
        known = await webhooks.endpoint(endpoint_id)
        if known is None:
            return None
        wanted = decide(known)
        if wanted == known:
            return known
        if await webhooks.put_endpoint(wanted):
            return replace(wanted, revision=known.revision + 1)
    raise TransientError("unavailable", "The endpoint is changed by too many at the moment.")


def _well(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, failing_since=None, quiet_until=None)


def _open(endpoint: Endpoint, now: datetime) -> bool:
    return endpoint.enabled and not (endpoint.quiet_until and endpoint.quiet_until > now)


def _later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(milliseconds=int(seconds * 1000))
