"""How an attempt that has not succeeded is told: it has failed, or its step is given back until an endpoint is well."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import Paused, ShadowtwinError, describe

logger = logging.getLogger("phase")


def ended_badly(error: Exception, mark: Callable[..., None]) -> dict[str, Any]:
    """The final report's body; `mark` appends to the job's log."""
    cause = cause_of(error)
    return _released(cause, mark) if isinstance(cause, Paused) else _failure(cause)


def cause_of(error: Exception) -> Exception:
    """What to tell of a failure: of several at once the one that no waiting can mend, before one that asks to wait."""
    if not isinstance(error, ExceptionGroup):
        return error
    causes = [cause_of(each) for each in error.exceptions]
    return min(causes, key=lambda cause: (describe(cause).retryable, not isinstance(cause, Paused)))


def _released(pause: Paused, mark: Callable[..., None]) -> dict[str, Any]:
    """The step is given back until the endpoint may be tried again; the job says why it waits."""
    seconds = max(pause.retry_after or 0.0, 1.0)
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    fields = {"endpoint": pause.endpoint, "reason": pause.reason, "until": until.isoformat(timespec="seconds")}
    mark("model_paused", pause.message, **fields)
    logger.warning("step given back", extra=fields)
    return {"phase": "released", "message": pause.message, "retry_after": seconds}


def _failure(error: Exception) -> dict[str, Any]:
    said = describe(error)
    level = logging.WARNING if isinstance(error, ShadowtwinError) else logging.ERROR
    logger.log(level, "work failed", extra={"code": said.code}, exc_info=error if level == logging.ERROR else None)
    fields = {"code": said.code, "category": said.category, "message": said.message, "hint": said.hint}
    return {"phase": "failed", "message": said.message, "error": {**fields, "retryable": said.retryable}}
