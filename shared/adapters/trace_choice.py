"""Whether this process is traced, and its ends of the libraries' middlewares. Nothing of OpenTelemetry is imported
while it is not: a process that is started without OTEL_EXPORTER_OTLP_ENDPOINT (or ..._TRACES_ENDPOINT) pays nothing."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared import tracing

if TYPE_CHECKING:
    from shared.adapters.otel_tracing import OtelTracing

CLOSE_SECONDS = 3.0
"""What is left to be sent may take so long at the end; a collector that is away holds nobody."""

_opened: OtelTracing | None = None


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    named = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environment.get(name, "").strip() for name in named)


def open_tracing(service: str) -> None:
    """Trace this process, if that is wanted; before its broker and its HTTP application are made."""
    global _opened
    if _opened is None and wanted(os.environ):
        from shared.adapters.otel_tracing import OtelTracing

        _opened = OtelTracing(service)
        tracing.install(_opened)


async def close_tracing() -> None:
    """Send what is left, for a bounded time, beside the event loop."""
    global _opened
    if _opened is not None:
        closing, _opened = _opened, None
        tracing.install(tracing.OFF)
        await asyncio.to_thread(closing.close, CLOSE_SECONDS)


def broker_middlewares() -> list[Any]:
    """What FastStream wraps around the messages of the route."""
    if _opened is None:
        return []
    from shared.adapters.otel_messages import middlewares

    return middlewares(_opened)


def client_traces() -> list[Any] | None:
    """What aiohttp's client wraps around a request."""
    return None if _opened is None else _opened.client_traces()


UNTRACED = re.compile(r"/live|/ready|/metrics|/|/console(/.*)?|.*/heartbeat", re.DOTALL)
"""Paths whose requests say nothing about work."""


def application_telemetry() -> Any:
    """What a FastAPI application is told about traces: it makes a span for each request by itself."""
    return {
        "tracing": _opened is not None,
        "tracer_provider": None if _opened is None else _opened.provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "exclude": lambda scope: UNTRACED.fullmatch(scope["path"]) is not None,
    }
