"""What may be asked of a job: one class for each row of `shared.transitions.TRANSITIONS`.

Every command names the run it means (`process_id`); those told by a worker also name the attempt, so that
nothing of an older run or attempt has an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from shared.costs import Charge
from shared.job import Artefact, Ingestion, JobError, Payload, Policies, StepName
from shared.stages import StageReport


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Base: the run and attempt that are meant, and the step (where the command is about one).

    `callback_ids`, if given, replaces the job's list of signed callbacks in the same write.
    """

    process_id: str
    attempt: int | None = None
    step: StepName = StepName.EXTRACT
    callback_ids: list[str] | None = None


class Admit(Command, frozen=True, kw_only=True):
    """The gateway lets a waiting job start: the event of its first unfinished step is told."""


class Claim(Command, frozen=True, kw_only=True):
    """A worker takes the step: this is also its start report."""

    owner: str
    secret_hash: str
    deadline_at: datetime


class Report(Command, frozen=True, kw_only=True):
    """Progress of the running step, 0-100 within the step, with log entries and paid model calls.

    `coalesced` entries are page progress: one that follows another within a second is shown but not logged.
    """

    entries: list[dict[str, Any]] = []
    coalesced: bool = False
    percent: float = 0.0
    pages_done: int = 0
    pages_total: int = 0
    message: str = ""
    checkpoint: dict[str, Any] | None = None
    stages: list[StageReport] = []
    costs: list[Charge] = []


MARKS = frozenset({5, 10, 30, 60, 75, 85, 90, 95, 100})
"""Values of `progress` that the source logs at fixed points of a phase."""


def is_mark(entry: Mapping[str, Any]) -> bool:
    """Whether a log entry is one of the source's marks (checklist A3.16-A3.20); else it is page progress."""
    return entry.get("phase") != "running" or entry.get("progress") in MARKS


class Settle(Command, frozen=True, kw_only=True):
    """The worker's final report: done, or skipped by its gate. `facts` are handed to the delivery."""

    entries: list[dict[str, Any]] = []
    skipped: bool = False
    reason: str = ""
    outputs: dict[str, Artefact] = {}
    facts: dict[str, Any] = {}
    counts: dict[str, int] = {}
    warnings: list[dict[str, Any]] = []
    meta: dict[str, Any] | None = None
    payload: Payload | None = None
    stages: list[StageReport] = []
    costs: list[Charge] = []


class Delivered(Command, frozen=True, kw_only=True):
    """The gateway has published what a settled step left in the outbox."""

    event_id: str
    entries: list[dict[str, Any]] = []
    saved: list[str] | None = None
    counts: dict[str, int] = {}
    ingestion: Ingestion | None = None


class Advance(Command, frozen=True, kw_only=True):
    """The orchestrator has heard `after` and asks for the next step."""

    after: str


class Note(Command, frozen=True, kw_only=True):
    """Something about the job is worth a log entry."""

    entries: list[dict[str, Any]]


class Told(Command, frozen=True, kw_only=True):
    """These outbox events are acknowledged by the broker."""

    event_ids: frozenset[str]


class Restart(Command, frozen=True, kw_only=True):
    """The running attempt is lost: start the step again with the next attempt."""

    reason: str


class Release(Command, frozen=True, kw_only=True):
    """The worker gives the step back (shut-down, a resting endpoint, or a passing failure): start it again with the
    next attempt, not earlier than `delay` seconds from now. `lost` says whether it counts as a lost attempt: a
    shut-down and a resting endpoint do not."""

    reason: str
    delay: float = 0.0
    lost: bool = True
    entries: list[dict[str, Any]] = []
    stages: list[StageReport] = []
    costs: list[Charge] = []


class Fail(Command, frozen=True, kw_only=True):
    """The run has failed in this step."""

    error: JobError
    entries: list[dict[str, Any]] = []
    stages: list[StageReport] = []
    costs: list[Charge] = []


class Cancel(Command, frozen=True, kw_only=True):
    """Somebody wants the run to end; stored as failed with the code `cancelled`."""

    reason: str


class Requeue(Command, frozen=True, kw_only=True):
    """A new run (`new_process_id`) from `step` on; finished earlier steps are kept and shown as skipped.

    Refused while a worker has been heard of within `quiet_seconds` unless `anyway` is set (checklist A3.34).
    """

    new_process_id: str
    policies: Policies | None = None
    quiet_seconds: float = 600.0
    anyway: bool = False
    reason: str = ""
