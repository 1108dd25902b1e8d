"""Structured logs: one JSON object a line on stderr, carrying job, run and phase wherever code runs for a job, and the
ids of its trace where there is one."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from shared import tracing

_NOTHING: dict[str, str] = {}
_context: contextvars.ContextVar[dict[str, str]] = contextvars.ContextVar("log_context", default=_NOTHING)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@contextlib.contextmanager
def context(**fields: str) -> Iterator[None]:
    """Within the block every log line carries these fields."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


class JsonLines(logging.Formatter):
    """A log record as one line of JSON; `extra` fields become members."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line, without newline."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self.service,
            "action": record.name,
            "message": record.getMessage(),
            **_context.get(),
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD})
        if tracing.current() is not tracing.OFF:
            line.update(tracing.current().ids(str(line.get("run", ""))))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def configure(service: str, level: str = "INFO") -> None:
    """Send this process's logs to stderr as JSON lines; chatty libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("httpx", "httpcore", "nats", "faststream", "uvicorn.access", "aiohttp.access", "openai", "lance"):
        logging.getLogger(name).setLevel(logging.WARNING)
