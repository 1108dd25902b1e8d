"""What travels over the broker: ids only, never text and never a secret."""

from __future__ import annotations

from typing import Annotated

import msgspec

from shared.alert import AlertEvent

Id = Annotated[str, msgspec.Meta(max_length=100)]
"""An id that came over the broker: anything longer is none of ours, and would become part of a request's path."""


class JobEvent(msgspec.Struct, frozen=True, rename="camel"):
    """A message of the route. Without `process_id` it was published by hand and asks for a requeue from its phase."""

    job_id: Id
    process_id: Id = ""
    attempt: int = 0
    document_id: str = ""
    library_id: str = ""


Event = JobEvent | AlertEvent


def encode(event: Event) -> bytes:
    """JSON bytes of the event."""
    return msgspec.json.encode(event)


def decode(body: bytes) -> JobEvent:
    """The event of a message body; raises msgspec.DecodeError or ValidationError on anything else."""
    return msgspec.json.decode(body, type=JobEvent)


def event_id(job_id: str, process_id: str, step: str, attempt: int, subject: str) -> str:
    """The deduplication id: new for every run and attempt, so that a requeue is never swallowed as a duplicate."""
    return f"{job_id}:{process_id}:{step}:{attempt}:{subject}"
