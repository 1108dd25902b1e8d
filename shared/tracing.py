"""Traces, as the code that is traced sees them: nothing at all, until a process installs an adapter (ADR 43).

One run of a job is one trace. A run outlives processes, so nothing of its trace is remembered anywhere: trace id and
the ids of the run's and its steps' spans follow from the run's id by a hash. Whoever knows the run, be it by a message
that somebody has published by hand, knows where its spans belong.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

Attributes = Mapping[str, str | int]
"""Ids, counts and codes. Never a key, a token, a name, an address with a query, or text of a document."""


def trace_id_of(process_id: str) -> int:
    """The trace of a run: 128 bits, not 0."""
    return int.from_bytes(hashlib.sha256(f"run {process_id}".encode()).digest()[:16], "big") or 1


def span_id_of(process_id: str, step: str = "") -> int:
    """The span of a run, or of one of its steps: 64 bits, not 0."""
    return int.from_bytes(hashlib.sha256(f"span {process_id} {step}".encode()).digest()[:8], "big") or 1


class Tracing(Protocol):
    """What is traced. No call blocks, none raises."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[object]:
        """A span around the block, below the one around it."""

    def attempt(self, process_id: str, step: str, attributes: Attributes) -> AbstractContextManager[object]:
        """A worker's attempt at a step, below the message that asked for it, or else below the step."""

    def publishing(self, subject: str, process_id: str, step: str) -> AbstractContextManager[dict[str, str]]:
        """Around the publishing of an event; gives the headers that carry the trace."""

    def begun(self, process_id: str, attributes: Attributes, cause: str = "") -> None:
        """A run begins, in this request if there is one. `cause` is the run of which it is a repetition or a part."""

    def step_ended(
        self, process_id: str, step: str, owner: str, begun: datetime, ended: datetime, outcome: str, reason: str
    ) -> None:
        """A step has ended, or, with an `owner`, a stage of that step."""

    def run_ended(
        self,
        process_id: str,
        attributes: Attributes,
        begun: datetime,
        ended: datetime,
        outcome: str,
        code: str,
        former: str = "",
    ) -> None:
        """A run has ended; `former` is the run before it."""

    def quiet(self) -> AbstractContextManager[object]:
        """Nothing within the block is traced (heartbeats)."""

    def ids(self, process_id: str) -> dict[str, str]:
        """`trace_id` and `span_id` for a log line that is written here, on behalf of this run if one is named."""


class _Off:
    """No traces: every call is as good as none."""

    _nothing: AbstractContextManager[object] = contextlib.nullcontext()

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[object]:
        return self._nothing

    def attempt(self, process_id: str, step: str, attributes: Attributes) -> AbstractContextManager[object]:
        return self._nothing

    def publishing(self, subject: str, process_id: str, step: str) -> AbstractContextManager[dict[str, str]]:
        return contextlib.nullcontext({})

    def begun(self, process_id: str, attributes: Attributes, cause: str = "") -> None: ...

    def step_ended(
        self, process_id: str, step: str, owner: str, begun: datetime, ended: datetime, outcome: str, reason: str
    ) -> None: ...

    def run_ended(
        self,
        process_id: str,
        attributes: Attributes,
        begun: datetime,
        ended: datetime,
        outcome: str,
        code: str,
        former: str = "",
    ) -> None: ...

    def quiet(self) -> AbstractContextManager[object]:
        return self._nothing

    def ids(self, process_id: str) -> dict[str, str]:
        return {}


OFF: Tracing = _Off()
_current: Tracing = OFF


def current() -> Tracing:
    """What this process traces with."""
    return _current


def install(tracing: Tracing) -> None:
    """Trace with this from now on (a process's start, and tests)."""
    global _current
    _current = tracing
