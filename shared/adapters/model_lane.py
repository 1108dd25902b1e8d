"""The state that all processes share about one model at one endpoint, and its pure changes.

A lane holds two token buckets (requests and tokens a minute), how many calls each process has under way (with an
expiry, so that those of a killed process count no longer), the time the endpoint asked to wait, and a circuit breaker.
Times are seconds of the epoch by the callers' clocks: hosts must agree within a second or so (NTP).
"""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace

BURST = 0.1
"""Share of a minute's allowance that may be used at once; the rest flows in evenly, so that no minute sees more."""

SUSPECTS_MOST = 3
POISON_OPENINGS = 8
"""A breaker that opened so often, always for one and the same call that the endpoint did answer, protects nobody."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one endpoint, and its limits: 0 means no limit. Times in seconds."""

    endpoint: str
    model: str
    requests_per_minute: float = 0.0
    tokens_per_minute: float = 0.0
    in_flight: int = 8
    failures_to_open: int = 5
    open_seconds: float = 15.0
    open_seconds_most: float = 300.0
    lease_seconds: float = 10.0

    @property
    def key(self) -> str:
        """Name of the lane in a shared store."""
        return hashlib.sha256(f"{self.endpoint}\0{self.model}".encode()).hexdigest()[:32]


class Holder(msgspec.Struct, frozen=True):
    """Calls that a process has under way, counted until `until` unless it renews them."""

    calls: int
    until: float


class LaneRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored. `openings` > 0 means that the breaker is open until `open_until`, and half open after."""

    endpoint: str
    model: str
    at: float = 0.0
    requests: float = 0.0
    tokens: float = 0.0
    holders: dict[str, Holder] = {}
    not_before: float = 0.0
    failures: int = 0
    suspects: list[str] = []
    openings: int = 0
    open_until: float = 0.0
    probe: str = ""
    probe_until: float = 0.0
    reason: str = ""
    quirks: list[str] = []

    def breaker(self, now: float) -> str:
        """closed, open or half_open."""
        if not self.openings:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def in_flight(self, now: float) -> int:
        """Calls under way in all living processes."""
        return sum(holder.calls for holder in self.holders.values() if holder.until > now)


class Wait(msgspec.Struct, frozen=True):
    """Not now: try again after `seconds`. `why` is open, half_open, asked (by the endpoint), full or rate."""

    seconds: float
    why: str
    reason: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How a call ended: ok | limited | answered (with an error) | unreachable | neutral (says nothing of the endpoint).

    `tokens` is what the call used beyond its estimate. `spread` (0-1) spreads the next tries of several processes.
    """

    kind: str = "neutral"
    tokens: float = 0.0
    retry_after: float | None = None
    reason: str = ""
    call: str = ""
    spread: float = 0.0


def admitted(record: LaneRecord, lane: Lane, now: float, owner: str, tokens: float) -> tuple[LaneRecord, Wait | None]:
    """The lane with one more call of `owner`, or unchanged with what to wait for."""
    record = _refilled(record, lane, now)
    state = record.breaker(now)
    if state == "open":
        return record, Wait(record.open_until - now, "open", record.reason)
    if state == "half_open" and record.probe and record.probe_until > now:
        return record, Wait(0.25, "half_open", record.reason)
    if now < record.not_before:
        return record, Wait(record.not_before - now, "asked", "it asked to slow down")
    if record.in_flight(now) >= lane.in_flight:
        return record, Wait(0.05, "full")
    wait = max(
        _missing(record.requests, 1.0, lane.requests_per_minute),
        _missing(record.tokens, tokens, lane.tokens_per_minute),
    )
    if wait > 0:
        return record, Wait(wait, "rate")
    calls = record.holders[owner].calls if owner in record.holders else 0
    record = replace(
        record,
        requests=record.requests - 1.0,
        tokens=record.tokens - tokens,
        holders={**record.holders, owner: Holder(calls + 1, now + lane.lease_seconds)},
    )
    if state == "half_open":
        record = replace(record, probe=owner, probe_until=now + lane.lease_seconds)
    return record, None


def renewed(record: LaneRecord, lane: Lane, now: float, owner: str, calls: int) -> LaneRecord:
    """The lane with the calls that the owner really has under way, for another lease."""
    until = now + lane.lease_seconds
    record = replace(record, holders={**record.holders, owner: Holder(calls, until)})
    return replace(record, probe_until=until) if record.probe == owner else record


def settled(record: LaneRecord, lane: Lane, now: float, owner: str, verdict: Verdict) -> LaneRecord:
    """The lane after a call of `owner` has ended."""
    record = _refilled(record, lane, now)
    probing = record.probe == owner
    record = replace(_left(record, owner), tokens=record.tokens - verdict.tokens)
    if probing and (verdict.kind != "neutral" or owner not in record.holders):
        record = replace(record, probe="", probe_until=0.0)
    if verdict.kind in ("ok", "limited"):
        record = replace(record, failures=0, suspects=[], openings=0, open_until=0.0, reason="")
    if verdict.kind in ("answered", "unreachable"):
        record = _failed(record, lane, now, verdict, probing)
    if verdict.kind == "limited" or verdict.retry_after:
        wait = verdict.retry_after if verdict.retry_after is not None else 0.5 + verdict.spread
        record = replace(record, not_before=max(record.not_before, now + wait))
    return record


def poisoned(record: LaneRecord, call: str) -> bool:
    """Whether the breaker opens for this call alone: then it is the call that fails, not the endpoint."""
    return record.openings >= POISON_OPENINGS and record.suspects == [call]


def _failed(record: LaneRecord, lane: Lane, now: float, verdict: Verdict, probing: bool) -> LaneRecord:
    # a call that could not even be delivered speaks against the endpoint whatever the call was
    suspect = verdict.call if verdict.kind == "answered" else "*"
    suspects = list(dict.fromkeys([*record.suspects, suspect]))[:SUSPECTS_MOST]
    record = replace(record, failures=record.failures + 1, suspects=suspects, reason=verdict.reason)
    if record.breaker(now) == "open" or not (probing or record.failures >= lane.failures_to_open):
        return record
    seconds = min(lane.open_seconds * 2.0 ** min(record.openings, 20), lane.open_seconds_most)
    return replace(record, openings=record.openings + 1, open_until=now + seconds * (1 + 0.2 * verdict.spread))


def _left(record: LaneRecord, owner: str) -> LaneRecord:
    holders = dict(record.holders)
    holder = holders.pop(owner, None)
    if holder is not None and holder.calls > 1:
        holders[owner] = Holder(holder.calls - 1, holder.until)
    return replace(record, holders=holders)


def _refilled(record: LaneRecord, lane: Lane, now: float) -> LaneRecord:
    """The buckets filled up to now, and holders that are gone forgotten."""
    passed = max(now - record.at, 0.0)
    living = {owner: holder for owner, holder in record.holders.items() if holder.until > now}
    return replace(
        record,
        at=max(record.at, now),
        requests=_level(record.requests, passed, lane.requests_per_minute),
        tokens=_level(record.tokens, passed, lane.tokens_per_minute),
        holders=living,
    )


def _level(level: float, seconds: float, per_minute: float) -> float:
    """What a bucket holds after so many seconds. A first fill needs no case of its own: time began long ago."""
    if per_minute <= 0:
        return 0.0
    return min(level + seconds * per_minute * (1 - BURST) / 60.0, _room(per_minute))


def _room(per_minute: float) -> float:
    return max(per_minute * BURST, 1.0)


def _missing(level: float, wanted: float, per_minute: float) -> float:
    """Seconds until the bucket holds enough; more than fits in it is let through from a full one, on credit."""
    if per_minute <= 0:
        return 0.0
    lacking = min(wanted, _room(per_minute)) - level
    return lacking / (per_minute * (1 - BURST) / 60.0) if lacking > 1e-9 else 0.0
