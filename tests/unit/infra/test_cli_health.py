"""The commands of diagnosis and repair: their words, their output, and what they ask of an API."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infra.cli.doctor import SHOWN, Groups
from infra.cli.parser import build, main


class Recorded(ThreadingHTTPServer):
    """Answers from a table; remembers paths and keys."""

    answers: dict[str, Any]
    asked: list[tuple[str, str]]


class _Handler(BaseHTTPRequestHandler):
    server: Recorded

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers.get("Authorization", "")))
        content = self.server.answers[path].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


ROW = {
    "documentId": "doc-1", "libraryId": "lib", "name": "a.pdf", "status": "error", "error": "NoSuchKey", "state":
    "null_pointer", "findings": [], "advice": "Mark it: repair --mark-deleted --document-id doc-1.", "objectKey": "",
    "objectInStore": False, "chunkCount": 0,
}  # fmt: skip
END = {
    "summary": {"null_pointer": 1}, "checked": 1, "objects": {"found": 0, "notFound": 1, "fixable": 0}, "patterns": []
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "documentId": "doc-1", "libraryId": "lib", "name": "a\x1b[2J.pdf", "aliases": [], "status": "error", "error": "x",
    "createdAt": "2026-01-01T00:00:00Z", "lastIngestedAt": None, "size": 3, "pages": 0, "chunkCount": 0, "counts": {},
    "metadata": {}, "artefacts": {}, "history": [], "lastJobId": "",
}  # fmt: skip


@pytest.fixture
def api() -> Iterator[Recorded]:
    server = Recorded(("127.0.0.1", 0), _Handler)
    server.answers = {
        "/api/diagnosis": json.dumps(ROW) + "\n" + json.dumps(END) + "\n",
        "/api/documents/doc-1": json.dumps(DOCUMENT),
    }
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url(api: Recorded) -> str:
    return f"http://127.0.0.1:{api.server_address[1]}"


def test_debug_sends_the_key_and_asks_the_public_api_only(
    api: Recorded, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("the-key\n"))
    call = ["debug", "doc-1", "--api-url", url(api), "--dataset-slug", "faa-a%26p-8", "--api-key-file", "-"]
    assert main([*call, "--json"]) == 0
    card = json.loads(capsys.readouterr().out)
    assert (card["state"], card["job"], card["stuck"]) == ("null_pointer", None, False)
    assert {key for _, key in api.asked} == {"Bearer the-key"}
    assert all(path.startswith("/api/") for path, _ in api.asked)


def test_a_card_cannot_change_the_terminal(api: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "doc-1", "--api-url", url(api)]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "state: null_pointer" in told


def test_the_diagnosis_is_one_object_of_summary_documents_and_patterns(
    api: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--api-url", url(api), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"documents": [ROW], **END}
    assert main(["doctor", "--api-url", url(api)]) == 0
    told = capsys.readouterr().out
    assert "null_pointer: 1\n  doc-1  lib/a.pdf  NoSuchKey\n  -> Mark it: repair --mark-deleted." in told
    assert "Found 1 documents with status 'failed'" in told


def test_a_run_that_ended_early_is_a_failure(api: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    fault = {"error": {"code": "unavailable", "message": "The index is away.", "hint": "Wait."}}
    api.answers["/api/diagnosis"] = json.dumps(fault) + "\n"
    assert main(["doctor", "--api-url", url(api)]) == 1
    assert "The index is away." in capsys.readouterr().err


def test_many_documents_of_a_state_are_counted_not_listed() -> None:
    groups = Groups()
    for number in range(SHOWN + 7):
        groups.take({**ROW, "documentId": f"doc-{number}"})
    lines = groups.lines()
    assert len(lines) == SHOWN + 3
    assert "... and 7 more" in lines[-2]


@pytest.mark.parametrize(
    "call",
    [
        "doctor --status failed --error-filter NoSuchKey --limit 20 --check-other-buckets",
        "repair --status failed --fix --dry-run",
        "repair --status failed --mark-deleted",
        "trigger-stuck --limit 10 --dry-run --document-id doc-1",
        "images backfill --dry-run --document-id doc-1 --limit 10",
        "check doc-1",
        "debug doc-1 --dataset-slug x --api-url http://example",
    ],
)
def test_the_sources_options_are_understood(call: str) -> None:
    assert build().parse_args(call.split()).module


@pytest.mark.parametrize("call", ["doctor --limit 0", "doctor --limit x", "doctor --status sad", "images mend"])
def test_wrong_options_are_refused(call: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(call.split()) == 2
