"""What this gateway process has done, as counters and histograms. With several gateways, sum them."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from shared import route
from shared.errors import CATALOGUE
from shared.metrics import SECONDS

_PHASES = Histogram(
    "shadowtwin_phase_seconds",
    "From a step's first claim to its end, attempts and waits between them included.",
    ["step", "outcome"],
    buckets=SECONDS,
)
_RUNS = Histogram(
    "shadowtwin_run_seconds",
    "From a run's first claim to its end; the wait in the queue is not in it.",
    ["outcome"],
    buckets=SECONDS,
)
_ENDED = Counter("shadowtwin_runs_ended", "Runs that have ended, by outcome and error code.", ["outcome", "code"])
_STARTED = Counter("shadowtwin_runs_started", "Runs that were started: new jobs, or requeued ones.", ["kind"])
_ADMITTED = Counter("shadowtwin_admissions", "Jobs that were let out of the queue.", [])
_LOST = Counter("shadowtwin_attempts_lost", "Attempts that a step was started again after, by why.", ["step", "kind"])
_TOLD = Counter("shadowtwin_events_told", "Events that the broker has taken.", ["subject", "again"])
_SWEEPS = Counter("shadowtwin_sweeper_actions", "What the sweeper had to do.", ["kind"])
_DEAD = Counter("shadowtwin_dead_letters", "Messages that the broker gave up.", ["subject"])
_UPLOADS = Counter("shadowtwin_uploads", "Uploads, by what became of them.", ["outcome", "code"])
_WEBHOOKS = Counter("shadowtwin_webhook_attempts", "Attempts to deliver a webhook, by what follows.", ["outcome"])

_SUBJECTS = frozenset(leg.subject for leg in route.ROUTE)


def code_label(code: str) -> str:
    """A code of our own list; a foreign worker may send any text, which would be a time series each."""
    return code if code in CATALOGUE or code == "cancelled" else "foreign"


def phase_ended(step: str, outcome: str, seconds: float) -> None:
    """A step has come to its end: completed, skipped or failed."""
    _PHASES.labels(step, outcome).observe(seconds)


def run_ended(outcome: str, code: str, seconds: float | None) -> None:
    """A run has come to its end; `seconds` is None when no step had begun."""
    _ENDED.labels(outcome, code_label(code) if code else "").inc()
    if seconds is not None:
        _RUNS.labels(outcome).observe(seconds)


def run_started(kind: str) -> None:
    """job | requeue | quality."""
    _STARTED.labels(kind).inc()


def admitted() -> None:
    """A job was let out of the queue."""
    _ADMITTED.inc()


def attempt_lost(step: str, kind: str) -> None:
    """lost (a worker died, was silent or failed in passing) | released (given back, which counts for nothing)."""
    _LOST.labels(step, kind).inc()


def told(subject: str, again: bool) -> None:
    """An event was taken by the broker; `again` when it had been told before."""
    _TOLD.labels(subject, "yes" if again else "no").inc()


def swept(kind: str) -> None:
    """told_again | restarted | failed."""
    _SWEEPS.labels(kind).inc()


def dead_letter(subject: str) -> None:
    """A message was given up."""
    _DEAD.labels(subject if subject in _SUBJECTS else "other").inc()


def uploaded(outcome: str, code: str = "") -> None:
    """accepted | skipped | existing | failed, with its code."""
    _UPLOADS.labels(outcome, code_label(code) if code else "").inc()


def webhook_sent(state: str, good: bool) -> None:
    """delivered, failed (given up) or later (it is tried again)."""
    _WEBHOOKS.labels(state if good or state == "failed" else "later").inc()


for _outcome in ("completed", "failed", "cancelled"):
    _RUNS.labels(_outcome)
for _kind in ("told_again", "restarted", "failed"):
    _SWEEPS.labels(_kind)
for _subject in sorted(_SUBJECTS):
    _DEAD.labels(_subject)
"""Series that alert rules look at are there from the start: a first increase that nobody has seen is no increase."""
