"""The checker must see every violation: a sound data folder, and one thing broken at a time."""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.faults import checker, snapshot
from infra.faults.checker import Accepted, Case, History, Undisturbed, violations
from infra.faults.snapshot import Snapshot

FOLDER = Path(checker.__file__).parent
HOME = "lib/doc-1"
STEPS = ("extract_pdf", "store_shadow_twin", "transform_template", "ingest_rag")
TOKEN = "token-of-a-worker-that-nobody-may-see"


class Data:
    """A finished document on disk, in an API, and as vector rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.twin = folder / "twins" / HOME
        lines = [json.dumps({"chunk_id": f"c{n}", "scale": "small"}) for n in range(3)]
        files = {"source.pdf": "%PDF-", "a.en.md": "text", "chunks.jsonl": "\n".join(lines) + "\n"}
        for name, content in files.items():
            self.write(f"twins/{HOME}/{name}", content)
        self.write(f"twins/{HOME}/manifests/ingest_rag.json", json.dumps({"files": [{"name": "chunks.jsonl"}]}))
        self.write("logs/gateway.log", '{"message": "told"}\n')
        roles = {"source": "source.pdf", "transcript": "a.en.md", "chunks": "chunks.jsonl"}
        artefacts = {role: self.artefact(name) for role, name in roles.items()}
        self.document = {"documentId": "doc-1", "generation": "g1", "chunkCount": 3, "artefacts": artefacts}
        self.job: dict[str, Any] = {
            "jobId": "j1", "processId": "r1", "attempt": 1, "revision": 9, "status": "completed", "error": None,
            "outbox": [], "logCount": 3, "progress": {"percent": 100}, "updatedAt": "2026-03-01T12:00:03Z",
            "steps": [{"name": name, "status": "completed"} for name in STEPS],
        }  # fmt: skip
        self.log: list[dict[str, Any]] = [
            {"seq": seq, "timestamp": f"2026-03-01T12:00:0{seq}Z", "run": "r1", "phase": phase, "message": ""}
            for seq, phase in enumerate(("request_sent", "stored_path", "completed"), 1)
        ]
        chunk = {"document_id": "doc-1", "kind": "chunk", "generation": "g1", "vector": [1.0, 0.0]}
        self.rows = [
            snapshot.row_of({**chunk, "text": f"text {n}", "extra": {"chunkId": f"c{n}"}}, f"chunk-g1-c{n}")
            for n in range(3)
        ]
        self.rows.append(snapshot.row_of({**chunk, "kind": "doc", "generation": "g1"}, "doc-doc-1"))
        self.undisturbed = {
            "doc-1": Undisturbed(["c0", "c1", "c2"], frozenset((row.key, row.digest) for row in self.rows))
        }

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def artefact(self, name: str) -> dict[str, str]:
        return {"key": f"{HOME}/{name}", "sha256": hashlib.sha256((self.twin / name).read_bytes()).hexdigest()}

    def answer(self, request: httpx.Request) -> httpx.Response:
        content: dict[str, Any] = {
            "/api/jobs/j1": self.job,
            "/api/jobs/j1/logs": {"logs": [e for e in self.log if e["seq"] > int(request.url.params.get("after", 0))]},
            "/api/documents": {"documents": [self.document] if self.document else [], "cursor": None},
        }
        found = content.get(request.url.path)
        return httpx.Response(404) if not found else httpx.Response(200, json=found)

    def check(self) -> list[str]:
        with httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://api") as http:
            seen: Snapshot = snapshot.take(http, self.folder, ["j1"], {TOKEN}, self.rows)
        return violations(Case([Accepted("j1", "doc-1")], seen, self.undisturbed))


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(tmp_path)


def test_a_sound_run_has_no_violation(data: Data):
    assert data.check() == []


def _stuck(data: Data) -> None:
    data.job |= {"status": "running"}
    data.job["steps"][3]["status"] = "pending"


def _missing_chunk(data: Data) -> None:
    path = data.twin / "chunks.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    data.document["artefacts"]["chunks"] = data.artefact("chunks.jsonl")  # type: ignore[index]


def _doubled_chunk(data: Data) -> None:
    path = data.twin / "chunks.jsonl"
    path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
    data.document["artefacts"]["chunks"] = data.artefact("chunks.jsonl")  # type: ignore[index]


def _reordered_chunks(data: Data) -> None:
    path = data.twin / "chunks.jsonl"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    data.document["artefacts"]["chunks"] = data.artefact("chunks.jsonl")  # type: ignore[index]


ERROR = {"code": "internal", "message": "oh"}

BROKEN: dict[str, tuple[str, Callable[[Data], Any]]] = {
    "job lost": ("ended", lambda data: data.job.clear()),
    "job stuck": ("ended", _stuck),
    "failed without a code": ("ended", lambda data: data.job.update(status="failed", error={"message": "oh"})),
    "failed though it should not": ("ended", lambda data: data.job.update(status="failed", error=ERROR)),
    "an event was never told": ("ended", lambda data: data.job.update(outbox=[{"subject": "job.completed"}])),
    "a step is not completed": ("steps", lambda data: data.job["steps"][1].update(status="running")),
    "a run completed twice": ("steps", lambda data: data.log[1].update(phase="completed")),
    "a log entry is missing": ("logs", lambda data: data.log.pop(1)),
    "the log is shorter than counted": ("logs", lambda data: data.log.pop()),
    "the log goes back in time": ("logs", lambda data: data.log[2].update(timestamp="2026-03-01T11:00:00Z")),
    "a chunk is missing": ("chunks", _missing_chunk),
    "a chunk stands twice": ("chunks", _doubled_chunk),
    "chunks in another order": ("chunks", _reordered_chunks),
    "a vector row is missing": ("chunks", lambda data: data.rows.pop(0)),
    "a vector row stands twice": ("chunks", lambda data: data.rows.append(data.rows[0])),
    "a vector row was changed": ("chunks", lambda d: d.rows.__setitem__(0, d.rows[0]._replace(digest="0"))),
    "no doc-meta row": ("chunks", lambda data: data.rows.pop()),
    "two doc-meta rows": ("chunks", lambda data: data.rows.append(data.rows[-1]._replace(key="other"))),
    "two generations": ("generations", lambda d: d.rows.append(d.rows[0]._replace(generation="g0", chunk_id="c9"))),
    "the wrong generation": ("generations", lambda data: data.document.update(generation="g2")),
    "the twin was changed": ("storage", lambda data: data.write(f"twins/{HOME}/a.en.md", "other text")),
    "the twin is gone": ("storage", lambda data: (data.twin / "a.en.md").unlink()),
    "an orphan object": ("storage", lambda data: data.write(f"twins/{HOME}/stray.txt", "?")),
    "a folder of no document": ("storage", lambda data: data.write("twins/lib/doc-9/source.pdf", "%PDF-")),
    "an attempt folder is left": ("storage", lambda d: d.write(f"twins/{HOME}/runs/r0/extract_pdf-1/a.en.md", "text")),
    "an upload is left": ("storage", lambda data: data.write("twins/uploads/abc", "%PDF-")),
    "an unfinished object is left": ("storage", lambda data: data.write("twins/.incoming/abc", "%PDF-")),
    "a secret in a log file": ("secrets", lambda data: data.write("logs/extractor.log", f'{{"token": "{TOKEN}"}}')),
    "a secret in the job": ("secrets", lambda data: data.job.update(checkpoint={"seen": TOKEN})),
    "a secret in the job's log": ("secrets", lambda data: data.log[0].update(message=f"Bearer {TOKEN}")),
    "a secret in an event": ("secrets", lambda data: data.write("nats/jetstream/1.blk", f"...{TOKEN}...")),
    "a secret in the document": ("secrets", lambda data: data.document.update(metadata={"title": TOKEN})),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_violation_is_seen_by_the_right_check(data: Data, name: str):
    check, damage = BROKEN[name]
    damage(data)
    assert check in {fault.split(":")[0] for fault in data.check()}


def _later(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(job), **changes}


LATER: dict[str, Callable[[Data], tuple[dict[str, Any], list[dict[str, Any]]]]] = {
    "an entry was changed": lambda d: (d.job, [{**d.log[0], "message": "x"}, *d.log[1:]]),
    "the log was shortened": lambda d: (d.job, d.log[:-1]),
    "an end that was none": lambda d: (_later(d.job, status="running"), d.log),
    "a step went back": lambda d: (
        _later(d.job, steps=[*d.job["steps"][:3], {"name": "x", "status": "running"}]),
        d.log,
    ),
    "progress went back": lambda d: (_later(d.job, progress={"percent": 40}), d.log),
    "an older revision": lambda d: (_later(d.job, revision=3), d.log),
}


@pytest.mark.parametrize("name", LATER)
def test_history_sees_what_must_not_happen(data: Data, name: str):
    history = History()
    history.look(copy.deepcopy(data.job), copy.deepcopy(data.log))
    history.look(*LATER[name](data))
    assert len(history.faults) == 1


def test_history_allows_a_new_attempt_and_a_new_run(data: Data):
    history = History()
    running = [{"name": "extract_pdf", "status": "running"}]
    pending = [{"name": "extract_pdf", "status": "pending"}]
    history.look(_later(data.job, status="running", steps=running), data.log)
    history.look(_later(data.job, status="running", steps=pending, attempt=2), data.log)
    history.look(data.job | {"steps": [{"name": "extract_pdf", "status": "completed"}]}, data.log)
    history.look(_later(data.job, processId="r2", status="queued", steps=pending, progress=None), data.log)
    assert history.faults == []


@pytest.mark.parametrize("module", ["checker.py", "snapshot.py"])
def test_the_checker_imports_no_product_code(module: str):
    names = set()
    for node in ast.walk(ast.parse((FOLDER / module).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    foreign = {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= {"httpx", "lancedb", "infra.faults.snapshot"}
