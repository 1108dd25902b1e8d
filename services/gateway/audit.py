"""The audit log: refused callbacks, append-only, rate-limited, never with a credential or a part of one."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

logger = logging.getLogger("audit")

QUIET_SECONDS = 10.0
"""Refusals of one job from one address within this time make one entry; the next one says how many there were."""

KEPT = 1000
PLACES = 10_000


class Refusal(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """One entry. `credential` names the kind that was shown (none, token, signature, internal), never its value."""

    at: datetime
    action: str
    job: str
    source: str
    credential: str
    suppressed: int = 0


class _Place(msgspec.Struct):
    """One job and address: until when it is quiet, and how many refusals that has swallowed."""

    quiet_until: float
    suppressed: int = 0


class AuditLog:
    """Every entry is a log line of the service, which is what lasts; the newest are readable in memory too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: deque[Refusal] = deque(maxlen=KEPT)
        self._places: OrderedDict[tuple[str, str], _Place] = OrderedDict()

    @property
    def entries(self) -> tuple[Refusal, ...]:
        """The newest entries, oldest first."""
        return tuple(self._entries)

    def refused(self, job_id: str, source: str, credential: str) -> None:
        """Note an unauthorized callback. The job must exist, so that callers cannot invent any number of places."""
        key, now = (job_id, network_of(source)), self._clock()
        place = self._places.get(key)
        if place is not None and now < place.quiet_until:
            place.suppressed += 1
            return
        suppressed = place.suppressed if place else 0
        self._places[key] = _Place(now + QUIET_SECONDS)
        self._places.move_to_end(key)
        while len(self._places) > PLACES:
            self._places.popitem(last=False)
        entry = Refusal(
            at=datetime.now(UTC),
            action="unauthorized_callback",
            job=job_id,
            source=source,
            credential=credential,
            suppressed=suppressed,
        )
        self._entries.append(entry)
        logger.warning(
            "callback refused",
            extra={
                "action": entry.action,
                "job": job_id,
                "source": source,
                "credential": credential,
                "suppressed": suppressed,
            },
        )


def network_of(source: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 caller can choose from freely."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
