"""`Tracing` by OpenTelemetry's SDK: OTLP over HTTP, in batches, from a thread of its own; OTEL_* variables govern."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
)

from shared.tracing import Attributes, span_id_of, trace_id_of
from shared.version import VERSION

_given: ContextVar[tuple[int, int] | None] = ContextVar("given_ids", default=None)


class _Blanking(SpanProcessor):
    """Takes query strings out of what libraries note: addresses of uploads carry their signature there."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for name, value in dict(span.attributes or {}).items():
            if name == "url.query":
                span.set_attribute(name, "")
            elif name in ("url.full", "http.url", "http.target") and "?" in str(value):
                span.set_attribute(name, str(value).partition("?")[0])


class _Ids(RandomIdGenerator):
    """Random ids, but for spans whose ids follow from their run."""

    def generate_trace_id(self) -> int:
        given = _given.get()
        return given[0] if given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        given = _given.get()
        return given[1] if given else super().generate_span_id()


class OtelTracing:
    """One for each process."""

    def __init__(self, service: str) -> None:
        named = {"service.name": f"shadowtwin-{service}", "service.version": VERSION}
        resource = Resource.create()
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource(named))
        self.provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
        self.provider.add_span_processor(_Blanking())
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self.provider.get_tracer("shadowtwin", VERSION)
        for name in _CHATTY:
            logging.getLogger(name).addFilter(_Seldom())

    def close(self, seconds: float) -> None:
        """Send what is left; blocks for so long at most. The SDK's own ways to end take as long as the exporter tries,
        whatever they are told, hence a thread that nobody has to wait for."""
        sending = threading.Thread(target=self.provider.shutdown, name="traces.close", daemon=True)
        sending.start()
        sending.join(seconds)

    @contextlib.contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[object]:
        """See Tracing; what was raised is named by its type alone, because messages may quote a document."""
        with self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    @contextlib.contextmanager
    def attempt(self, process_id: str, step: str, attributes: Attributes) -> Iterator[object]:
        """See Tracing."""
        around = trace.get_current_span().get_span_context()
        inside = around.is_valid and around.trace_id == trace_id_of(process_id)
        context = None if inside else self.context_of(process_id, step)
        with self._tracer.start_as_current_span(
            f"{step} attempt", context, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    @contextlib.contextmanager
    def publishing(self, subject: str, process_id: str, step: str) -> Iterator[dict[str, str]]:
        """See Tracing."""
        known = {"messaging.system": "nats", "messaging.destination.name": subject}
        with self._tracer.start_as_current_span(
            f"{subject} publish",
            self.context_of(process_id, step),
            SpanKind.PRODUCER,
            attributes=known,
            record_exception=False,
        ) as span:
            yield {"traceparent": traceparent(span.get_span_context())}

    def begun(self, process_id: str, attributes: Attributes, cause: str = "") -> None:
        """See Tracing: request and run are linked both ways, the run to its cause one way."""
        asked = trace.get_current_span()
        links = [Link(self.place_of(cause), {"link": "cause"})] if cause else []
        if asked.get_span_context().is_valid:
            links.append(Link(asked.get_span_context(), {"link": "request"}))
            asked.add_link(self.place_of(process_id), {"link": "run"})
        self._tracer.start_span("accepted", self.context_of(process_id), attributes=attributes, links=links).end()

    def step_ended(
        self, process_id: str, step: str, owner: str, begun: datetime, ended: datetime, outcome: str, reason: str
    ) -> None:
        """See Tracing."""
        known: dict[str, str] = {"shadowtwin.step": step, "shadowtwin.outcome": outcome}
        if reason:
            known["shadowtwin.reason"] = reason
        self._told(process_id, step, self.context_of(process_id, owner), begun, ended, known, outcome, [])

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
        """See Tracing."""
        known = {**attributes, "shadowtwin.outcome": outcome, **({"error.type": code} if code else {})}
        links = [Link(self.place_of(former), {"link": "former run"})] if former else []
        self._told(process_id, "", Context(), begun, ended, known, outcome, links)

    def _told(
        self,
        process_id: str,
        step: str,
        parent: Context,
        begun: datetime,
        ended: datetime,
        attributes: Attributes,
        outcome: str,
        links: list[Link],
    ) -> None:
        """A span that is known once it is over, under the id that follows from its run."""
        token = _given.set((trace_id_of(process_id), span_id_of(process_id, step)))
        try:
            span = self._tracer.start_span(
                step or "run", parent, attributes=attributes, links=links, start_time=_nanoseconds(begun)
            )
        finally:
            _given.reset(token)
        if outcome == "failed":
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(ended))

    def place_of(self, process_id: str, step: str = "") -> SpanContext:
        """Where the span of a run or a step is, or will be; sampled if the sampler would take its trace."""
        trace_id = trace_id_of(process_id)
        taken = self.provider.sampler.should_sample(None, trace_id, "run").decision.is_sampled()  # type: ignore[no-untyped-call]
        flags = TraceFlags(TraceFlags.SAMPLED if taken else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id_of(process_id, step), is_remote=True, trace_flags=flags)

    def context_of(self, process_id: str, step: str = "") -> Context:
        """A context whose spans are children of that one."""
        return trace.set_span_in_context(NonRecordingSpan(self.place_of(process_id, step)), Context())

    def quiet(self) -> AbstractContextManager[object]:
        """See Tracing."""
        return suppress_instrumentation()

    def ids(self, process_id: str) -> dict[str, str]:
        """See Tracing."""
        around = trace.get_current_span().get_span_context()
        if around.is_valid and (not process_id or around.trace_id == trace_id_of(process_id)):
            return {"trace_id": format_trace_id(around.trace_id), "span_id": format_span_id(around.span_id)}
        if not process_id:
            return {}
        where = self.place_of(process_id)
        return {"trace_id": format_trace_id(where.trace_id), "span_id": format_span_id(where.span_id)}

    def client_traces(self) -> list[Any]:
        """For a session of aiohttp's client: a span a request, and its headers."""
        return [create_trace_config(tracer_provider=self.provider, url_filter=lambda url: str(url.with_query(None)))]


def traceparent(place: SpanContext) -> str:
    """The W3C header."""
    return f"00-{format_trace_id(place.trace_id)}-{format_span_id(place.span_id)}-{int(place.trace_flags):02x}"


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) * 1_000_000


class _Seldom(logging.Filter):
    """A collector that is away is told of once in a minute, not with every batch."""

    said = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or time.monotonic() - self.said < 60:
            return False
        self.said = time.monotonic()
        return True


_CHATTY = ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry.sdk._shared_internal")
