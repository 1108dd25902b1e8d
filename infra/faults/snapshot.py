"""What can be seen from outside: the HTTP API, the storage folder, the vectors. Knows nothing of the product's code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx

Json = dict[str, Any]


class Row(NamedTuple):
    """A vector row: its identity, and a digest of everything else in it."""

    key: str
    document_id: str
    kind: str
    generation: str
    chunk_id: str
    digest: str


@dataclass
class Snapshot:
    """One look at a data folder and its gateway. `files` maps a storage path to its SHA-256; `leaks` names places
    where a secret stands."""

    jobs: dict[str, Json] = field(default_factory=dict)
    logs: dict[str, list[Json]] = field(default_factory=dict)
    documents: dict[str, Json] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, list[str]] = field(default_factory=dict)
    chunks: dict[str, list[Json]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)


def take(http: httpx.Client, data_dir: Path, job_ids: Iterable[str], secrets: set[str], rows: list[Row]) -> Snapshot:
    """Look at everything once; blocks."""
    seen = Snapshot(rows=rows)
    for job_id in job_ids:
        answer = http.get(f"/api/jobs/{job_id}")
        if answer.status_code == 200:
            seen.jobs[job_id] = answer.json()
            seen.logs[job_id] = whole_log(http, job_id)
    seen.documents = {str(document["documentId"]): document for document in _documents(http)}
    read_storage(seen, data_dir / "twins")
    seen.leaks = [*_told_secrets(seen, secrets), *secrets_on_disk(data_dir, secrets)]
    return seen


def whole_log(http: httpx.Client, job_id: str) -> list[Json]:
    """The job's log from its first entry to its last."""
    entries: list[Json] = []
    while True:
        after = int(entries[-1]["seq"]) if entries else 0
        answer = http.get(f"/api/jobs/{job_id}/logs", params={"after": after, "limit": 5000})
        answer.raise_for_status()
        page: list[Json] = answer.json()["logs"]
        entries += page
        if len(page) < 5000:
            return entries


def _documents(http: httpx.Client) -> Iterator[Json]:
    cursor = None
    while True:
        answer = http.get("/api/documents", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
        answer.raise_for_status()
        page = answer.json()
        yield from page["documents"]
        cursor = page["cursor"]
        if not cursor:
            return


def read_storage(seen: Snapshot, twins: Path) -> None:
    """Hashes of all files, and what manifests and chunk lists say."""
    for path in sorted(twins.rglob("*")):
        if not path.is_file():
            continue
        key = path.relative_to(twins).as_posix()
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue
        seen.files[key] = hashlib.sha256(content).hexdigest()
        if key.split("/")[2:3] == ["manifests"]:
            seen.manifests[key] = [str(file["name"]) for file in json.loads(content)["files"]]
        if key.endswith("/chunks.jsonl") and "/runs/" not in key:
            seen.chunks[key.split("/")[1]] = [json.loads(line) for line in content.splitlines()]


def lance_rows(folder: Path) -> list[Row]:
    """Every row of all tables in a LanceDB folder, opened for reading; blocks."""
    import lancedb

    if not folder.exists():
        return []
    database = lancedb.connect(str(folder))
    tables = [database.open_table(path.stem) for path in sorted(folder.glob("*.lance"))]
    return [row_of(entry, entry["key"]) for table in tables for entry in table.to_arrow().to_pylist()]


def row_of(entry: Json, key: str) -> Row:
    """A stored row as the checker compares it. Times and vectors' last bits do not count."""
    extra = entry.get("extra") or {}
    extra = json.loads(extra) if isinstance(extra, str) else extra
    vector = [round(float(value), 4) + 0.0 for value in entry.get("vector", ())]
    rest = [entry.get(name) for name in ("text", "scale", "position", "chapter", "library_id", "file_id")]
    content = [*rest, list(entry.get("pages") or ()), sorted(extra.items(), key=str), vector]
    return Row(
        key=key,
        document_id=str(entry["document_id"]),
        kind=str(entry["kind"]),
        generation=str(entry["generation"]),
        chunk_id=str(extra.get("chunkId", "")),
        digest=hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest(),
    )


def _told_secrets(seen: Snapshot, secrets: set[str]) -> Iterator[str]:
    for kind, told in (("job", seen.jobs), ("log", seen.logs), ("document", seen.documents)):
        for name, content in told.items():
            text = json.dumps(content)
            if any(secret in text for secret in secrets):
                yield f"API, {kind} {name}"


def secrets_on_disk(data_dir: Path, secrets: set[str]) -> Iterator[str]:
    """Files outside the folder of secrets that hold one: logs, events of the broker, stores, twins."""
    wanted = [secret.encode() for secret in secrets]
    for path in data_dir.rglob("*"):
        inside = path.relative_to(data_dir)
        if inside.parts[0] in ("secrets", "vectors") or not path.is_file():
            continue
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if any(secret in content for secret in wanted):
            yield str(inside)
