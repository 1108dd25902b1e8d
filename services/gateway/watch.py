"""The watch: looks after libraries and batches by itself, and opens and resolves alerts (checklist A0.30, A0.32).

Every gateway runs one; a lease lets one of them at a time do the work. What it finds is a function of the stores, so
that another one that takes over finds the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from datetime import datetime, timedelta

from services.gateway import causes
from services.gateway.alerts import AlertBook
from services.gateway.health.rounds import Rounds
from services.gateway.settings import GatewaySettings
from shared.alert import AlertKind
from shared.errors import TransientError
from shared.ports import AlertStore, DocumentStore, JobStore, UploadStore
from shared.webhook_ports import WebhookStore

logger = logging.getLogger("watch")

LEASE = "watch"
ROUND = "watch-round"
"""Held until the next round is due: so a start of a gateway does not begin one."""


class Watch:
    """`run` until cancelled; `look` and `go_round` once, for tests."""

    def __init__(
        self,
        jobs: JobStore,
        documents: DocumentStore,
        uploads: UploadStore | None,
        alerts: AlertStore,
        book: AlertBook,
        rounds: Rounds,
        settings: GatewaySettings,
        owner: str,
        webhooks: WebhookStore,
    ) -> None:
        self._jobs, self._documents, self._uploads = jobs, documents, uploads
        self._alerts, self._book, self._rounds = alerts, book, rounds
        self._settings, self._owner, self._webhooks = settings, owner, webhooks

    async def run(self) -> None:
        """Look about every `watch_seconds`; go round all documents every `watch_round_seconds`."""
        while True:
            await asyncio.sleep(self._settings.watch_seconds * random.uniform(0.7, 1.3))
            try:
                await self.turn()
            except TransientError as error:
                logger.info("the watch waits", extra={"reason": error.message})
            except Exception:
                logger.exception("the watch failed")

    async def turn(self) -> bool:
        """One turn, if no other gateway is at it; whether it was ours."""
        if not await self._ours():
            return False
        await self.look()
        now = await self._jobs.now()
        until = now + timedelta(seconds=self._settings.watch_round_seconds)
        # The round's lease is one that nobody prolongs: whoever gets it after its end begins the next round.
        if await self._alerts.hold(ROUND, uuid.uuid4().hex, now, until):
            await self.go_round()
            await self._book.forget_old(now)
        await self._book.tell()
        return True

    async def look(self) -> None:
        """Failures, silence and webhooks that the system has disabled, now."""
        now, settings = await self._jobs.now(), self._settings
        window = timedelta(seconds=settings.alert_window_seconds)
        failing = await causes.failing_libraries(
            self._jobs, self._documents, self._uploads, now, window, settings.alert_failures
        )
        await self._book.settle(AlertKind.LIBRARY_FAILS, failing, now)
        silence = timedelta(seconds=settings.alert_silent_seconds)
        silent = await causes.silent_batches(self._jobs, now, silence)
        await self._book.settle(AlertKind.BATCH_SILENT, silent, now)
        await self._book.settle(AlertKind.WEBHOOK_DISABLED, await causes.disabled_webhooks(self._webhooks), now)
        await self._book.tell()

    async def go_round(self) -> None:
        """All documents, now; an unfinished round changes nothing."""
        now: datetime = await self._jobs.now()
        damaged = await self._rounds.damaged(now, self._ours)
        if damaged is not None:
            await self._book.settle(AlertKind.LIBRARY_DAMAGED, damaged, await self._jobs.now())

    async def _ours(self) -> bool:
        """Whether the watch is this gateway's; kept for another while."""
        now = await self._jobs.now()
        until = now + timedelta(seconds=max(3 * self._settings.watch_seconds, 30.0))
        return await self._alerts.hold(LEASE, self._owner, now, until)
