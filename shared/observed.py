"""Work as metrics and traces see it: an attempt of a worker, a call of a model (ADR 43)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from shared import metrics, tracing
from shared.ticket import Ticket


@contextlib.contextmanager
def attempt(ticket: Ticket) -> Iterator[metrics.Attempt]:
    """Around an attempt: a span of its run, counted by how it ends."""
    known: dict[str, str | int] = {"shadowtwin.job.id": ticket.job_id, "shadowtwin.attempt": ticket.attempt}
    with tracing.current().attempt(ticket.process_id, ticket.step, known), metrics.attempt(ticket.step) as seen:
        yield seen


class Call:
    """A call of a model: `outcome` is ok or the kind of its trouble."""

    outcome = "cancelled"


@contextlib.contextmanager
def model_call(model: str, purpose: str) -> Iterator[Call]:
    """Around one request to a model; nothing of what is asked or answered is noted."""
    call, started = Call(), time.monotonic()
    try:
        with tracing.current().span("model call", {"gen_ai.request.model": model, "shadowtwin.purpose": purpose}):
            yield call
    finally:
        metrics.model_called(model, purpose, call.outcome, time.monotonic() - started)
