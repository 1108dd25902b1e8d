"""An OTLP collector as a process of its own: an HTTP server that decodes what exporters send and keeps the spans."""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec


class Span(msgspec.Struct, frozen=True):
    """As it was exported; ids in hex, `parent` "" for a root."""

    name: str
    service: str
    trace: str
    span: str
    parent: str
    start: int
    end: int
    links: list[str]
    attributes: dict[str, Any]


class Collector:
    """Where it listens, and what it has been sent."""

    def __init__(self, url: str, kept: Path) -> None:
        self.url, self._kept = url, kept

    def spans(self) -> list[Span]:
        """All spans so far."""
        return [msgspec.json.decode(line, type=Span) for line in self._kept.read_bytes().splitlines()]

    def until(self, condition: Callable[[list[Span]], bool], seconds: float = 15) -> list[Span]:
        """The spans, once they are as wanted."""
        end = time.monotonic() + seconds
        while not condition(found := self.spans()):
            assert time.monotonic() < end, sorted((span.service, span.name, span.trace) for span in found)
            time.sleep(0.05)
        return found


@contextlib.contextmanager
def collector(folder: Path) -> Iterator[Collector]:
    """A collector until the block ends."""
    kept = folder / "spans.jsonl"
    kept.touch()
    command = [sys.executable, "-m", "tests.support.collector", str(kept)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Collector(f"http://127.0.0.1:{int(process.stdout.readline())}", kept)
        finally:
            process.terminate()


def _serve(kept: Path) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                content = gzip.decompress(content)
            lines = [json.dumps(span) for span in _decoded(ExportTraceServiceRequest.FromString(content))]
            with kept.open("a") as file:
                file.write("".join(line + "\n" for line in lines))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def _decoded(request: Any) -> Iterator[dict[str, Any]]:
    for resource in request.resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "name": span.name,
                    "service": service,
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "start": span.start_time_unix_nano,
                    "end": span.end_time_unix_nano,
                    "links": [link.trace_id.hex() for link in span.links],
                    "attributes": {a.key: a.value.string_value or a.value.int_value for a in span.attributes},
                }


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
