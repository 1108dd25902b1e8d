"""The book of alerts: one alert for one cause, opened, kept up to date, resolved, and told over the broker.

An alert is stored before it is told, and remembers what was told: a gateway that dies between the two tells it later.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from services.gateway import access
from services.gateway.orchestrator import Publisher
from services.gateway.webhooks.recording import Recorder
from shared.alert import Alert, AlertEvent, AlertKind, AlertState, alert_id
from shared.cursor import milliseconds
from shared.errors import RequestError, TransientError
from shared.ports import AlertStore
from shared.route import ALERT_OPENED, ALERT_RESOLVED

logger = logging.getLogger("alerts")

KEPT = timedelta(days=30)
MOST_RACES = 20
PAGE = 200
_SUBJECTS = {AlertState.OPEN: ALERT_OPENED, AlertState.RESOLVED: ALERT_RESOLVED}


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why there should be an alert now."""

    kind: AlertKind
    library_id: str
    subject: str = ""
    message: str
    advice: str
    count: int
    details: dict[str, Any]

    @property
    def alert_id(self) -> str:
        """Of the alert that it opens."""
        return alert_id(self.kind, self.library_id, self.subject)


class AlertBook:
    """All alerts. `bus` is None where nobody can be told."""

    def __init__(self, alerts: AlertStore, bus: Publisher | None, recorder: Recorder) -> None:
        self._alerts, self._bus, self._recorder = alerts, bus, recorder

    async def settle(self, kind: AlertKind, causes: Iterable[Cause], now: datetime) -> None:
        """Open or keep an alert for each cause, and resolve every other one of that kind: its cause is gone."""
        there = {cause.alert_id: cause for cause in causes}
        for cause in there.values():
            await self._open(cause, now)
        async for alert in self._each(AlertState.OPEN):
            if alert.kind == kind and alert.alert_id not in there:
                await self._change(alert.alert_id, lambda known: _resolved(known, now))

    async def tell(self) -> None:
        """Tell what has not been told; when the broker is away it is tried again the next time."""
        for state in AlertState:
            async for alert in self._each(state):
                if alert.told != alert.state and not await self._told(alert):
                    return

    async def acknowledge(self, alert_id: str, by: str, now: datetime) -> Alert:
        """Note that a person knows; it holds until the alert opens anew. RequestError not_found."""
        await self.one(alert_id)
        await self._change(alert_id, lambda known: replace(known, acknowledged_at=now, acknowledged_by=by[:200]))
        return await self.one(alert_id)

    async def one(self, alert_id: str) -> Alert:
        """An alert that the key may see; RequestError not_found."""
        alert = await self._alerts.get(alert_id)
        if alert is None or not access.visible(alert.library_id):
            raise RequestError("not_found", "There is no such alert.")
        return alert

    async def find(
        self, library: str | None, state: str | None, cursor: str | None, limit: int
    ) -> tuple[list[Alert], str | None]:
        """A page of what the key may see, last opened first."""
        return await self._alerts.find(access.chosen(library), state, cursor, limit)

    async def counts(self) -> dict[str, int]:
        """Open alerts that the key may see, by kind."""
        counts = {str(kind): 0 for kind in AlertKind}
        async for alert in self._each(AlertState.OPEN):
            if access.visible(alert.library_id):
                counts[alert.kind] += 1
        return counts

    async def forget_old(self, now: datetime) -> None:
        """Remove what has been over for long."""
        await self._alerts.forget(now - KEPT)

    async def _open(self, cause: Cause, now: datetime) -> None:
        seen: dict[str, Any] = {
            "state": AlertState.OPEN,
            "message": cause.message,
            "advice": cause.advice,
            "count": cause.count,
            "details": cause.details,
            "seen_at": now,
        }

        def change(known: Alert) -> Alert:
            if known.state == AlertState.OPEN:
                return replace(known, **seen)
            # `told` is that of the former time: this one is told anew.
            again: dict[str, Any] = {
                "told": "",
                "opened_at": now,
                "resolved_at": None,
                "acknowledged_at": None,
                "acknowledged_by": "",
            }
            return replace(known, **seen, **again, times=known.times + 1)

        if await self._change(cause.alert_id, change):
            return
        new = Alert(
            alert_id=cause.alert_id,
            kind=cause.kind,
            library_id=cause.library_id,
            subject=cause.subject,
            opened_at=now,
            **seen,
        )
        if await self._alerts.put(new):
            logger.warning("alert", extra={"kind": cause.kind, "library": cause.library_id, "said": cause.message})

    async def _change(self, alert_id: str, change: Any) -> bool:
        """Whether there is such an alert; it is as `change` says then."""
        for _ in range(MOST_RACES):
            known = await self._alerts.get(alert_id)
            if known is None:
                return False
            changed = change(known)
            if changed == known or await self._alerts.put(changed):
                return True
        raise TransientError("unavailable", "The alert is changed by too many at the moment.")

    async def _told(self, alert: Alert) -> bool:
        if self._bus is None:
            return False
        event = AlertEvent(alert.alert_id, alert.kind, alert.library_id, alert.state)
        message_id = f"{alert.alert_id}:{alert.state}:{milliseconds(alert.opened_at)}"
        await self._recorder.alert(alert)
        try:
            await self._bus.publish(_SUBJECTS[alert.state], event, message_id)
        except TransientError:
            return False
        await self._change(alert.alert_id, lambda known: replace(known, told=alert.state))
        return True

    async def _each(self, state: AlertState) -> Any:
        cursor = None
        while True:
            page, cursor = await self._alerts.find(None, state, cursor, PAGE)
            for alert in page:
                yield alert
            if cursor is None:
                return


def _resolved(known: Alert, now: datetime) -> Alert:
    if known.state == AlertState.RESOLVED:
        return known
    logger.info("alert resolved", extra={"kind": known.kind, "library": known.library_id})
    return replace(known, state=AlertState.RESOLVED, resolved_at=now)
