"""FastStream's telemetry middleware for the messages of the route, each put into the trace of its run beforehand: also
one that came without headers (published by hand), or with those of another trace."""

from __future__ import annotations

from typing import Any

import msgspec
from faststream import BaseMiddleware
from faststream.nats.opentelemetry.provider import telemetry_attributes_provider_factory
from faststream.opentelemetry.middleware import TelemetryMiddleware

from shared import route
from shared.adapters.otel_tracing import OtelTracing, traceparent
from shared.events import decode
from shared.tracing import trace_id_of

_STEPS = {leg.subject: leg.step or "" for leg in route.ROUTE if leg.consumer}


def middlewares(tracing: OtelTracing) -> list[Any]:
    """Outermost first. Questions of the gateway (gates, roll calls) are left out."""

    class InTrace(BaseMiddleware[Any, Any]):
        """Sets the header that the next middleware reads."""

        async def consume_scope(self, call_next: Any, msg: Any) -> Any:
            subject = getattr(msg.raw_message, "subject", "")
            if subject in _STEPS:
                _place(tracing, msg, _STEPS[subject])
            return await call_next(msg)

    telemetry: TelemetryMiddleware = TelemetryMiddleware(
        settings_provider_factory=_of_the_route, tracer_provider=tracing.provider
    )
    return [InTrace, telemetry]


def _of_the_route(message: Any) -> Any:
    if getattr(message, "subject", "") not in _STEPS:
        return None
    return telemetry_attributes_provider_factory(message)


def _place(tracing: OtelTracing, message: Any, step: str) -> None:
    try:
        run = decode(message.body).process_id
    except msgspec.MsgspecError:
        return
    if run and f"{trace_id_of(run):032x}" not in message.headers.get("traceparent", ""):
        message.headers["traceparent"] = traceparent(tracing.place_of(run, step))
