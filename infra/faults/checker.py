"""The invariants, as pure functions over snapshots. Imports no product code, so that it cannot share its mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from infra.faults.snapshot import Json, Row, Snapshot

COMPLETED = frozenset({"completed"})
ANYHOW = frozenset({"completed", "*"})
"""Completed, or failed with any code."""
FAILED = frozenset({"*"})


class Accepted(NamedTuple):
    """A job that the gateway has accepted, and how it may end: `completed`, error codes, `*` for any code."""

    job_id: str
    document_id: str
    allowed: frozenset[str] = COMPLETED


class Undisturbed(NamedTuple):
    """What the same document gave where nothing was broken."""

    chunks: list[str]
    rows: frozenset[tuple[str, str]]


class Case(NamedTuple):
    """Everything that is checked together."""

    accepted: Sequence[Accepted]
    seen: Snapshot
    undisturbed: Mapping[str, Undisturbed]

    def finished(self) -> Iterator[tuple[str, Json]]:
        """Documents whose jobs have all ended and whose newest ended well."""
        last: dict[str, Json] = {}
        for one in self.accepted:
            job = self.seen.jobs.get(one.job_id)
            if job is not None and (before := last.get(one.document_id, job)) is not None:
                last[one.document_id] = max(before, job, key=lambda each: _moment(each["updatedAt"]))
        for document_id, job in last.items():
            if job["status"] == "completed" and document_id in self.seen.documents:
                yield document_id, self.seen.documents[document_id]


def violations(case: Case) -> list[str]:
    """Everything that is wrong, in words; empty when all invariants hold."""
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in check(case)]


def ended(case: Case) -> Iterator[str]:
    """No accepted job is lost or stuck; a failed one says why."""
    for one in case.accepted:
        job = case.seen.jobs.get(one.job_id)
        if job is None:
            yield f"job {one.job_id} is lost"
            continue
        status, error = job["status"], job.get("error") or {}
        if status not in ("completed", "failed"):
            yield f"job {one.job_id} is stuck: {status}, {_steps(job)}"
        elif status == "failed" and not (error.get("code") and error.get("message")):
            yield f"job {one.job_id} failed without a code"
        elif not one.allowed & {status if status == "completed" else error["code"], "*" if error else status}:
            yield f"job {one.job_id} ended {status} {error.get('code', '')} ({error.get('message', '')})"
        if job.get("outbox") and status in ("completed", "failed"):
            yield f"job {one.job_id} has ended, but {[e['subject'] for e in job['outbox']]} was not told"


def logs(case: Case) -> Iterator[str]:
    """Every log is numbered without a gap and never goes back in time."""
    for job_id, entries in case.seen.logs.items():
        if [entry["seq"] for entry in entries] != list(range(1, len(entries) + 1)):
            yield f"the log of {job_id} is not numbered 1 to {len(entries)}"
        stamps = [_moment(entry["timestamp"]) for entry in entries]
        if stamps != sorted(stamps):
            yield f"the log of {job_id} goes back in time"
        if case.seen.jobs[job_id].get("logCount") != len(entries):
            yield f"job {job_id} counts {case.seen.jobs[job_id].get('logCount')} log entries, {len(entries)} are there"


def steps(case: Case) -> Iterator[str]:
    """A completed job has completed all its steps, and reports its end once a run."""
    for job_id, job in case.seen.jobs.items():
        if job["status"] == "completed" and any(step["status"] != "completed" for step in job["steps"]):
            yield f"job {job_id} is completed with {_steps(job)}"
        runs = Counter(entry["run"] for entry in case.seen.logs.get(job_id, ()) if entry["phase"] == "completed")
        if any(count > 1 for count in runs.values()):
            yield f"job {job_id} has completed a run twice"


def chunks(case: Case) -> Iterator[str]:
    """Chunks and vectors are exactly those of an undisturbed run: none missing, none twice, none changed."""
    by_document: dict[str, list[Row]] = {}
    for row in case.seen.rows:
        by_document.setdefault(row.document_id, []).append(row)
    for document_id, document in case.finished():
        made = [str(chunk["chunk_id"]) for chunk in case.seen.chunks.get(document_id, ())]
        rows = by_document.get(document_id, [])
        yield from _counted(document_id, document, made, rows)
        wanted = case.undisturbed.get(document_id)
        if wanted is None:
            continue
        if made != wanted.chunks:
            yield f"{document_id}: chunks differ, {_difference(wanted.chunks, made)}"
        stored = [(row.key, row.digest) for row in rows]
        if set(stored) != wanted.rows or len(stored) != len(wanted.rows):
            yield f"{document_id}: vector rows differ, {_difference(sorted(wanted.rows), stored)}"


def _counted(document_id: str, document: Json, made: list[str], rows: list[Row]) -> Iterator[str]:
    stored = [row.chunk_id for row in rows if row.kind == "chunk"]
    if len(set(made)) != len(made):
        yield f"{document_id}: a chunk stands twice in chunks.jsonl"
    if len(set(stored)) != len(stored):
        yield f"{document_id}: a chunk has two vector rows"
    if len(stored) != document["chunkCount"] or not set(stored) <= set(made):
        yield f"{document_id}: {document['chunkCount']} chunks recorded, {len(stored)} stored, {len(made)} made"
    if [row.kind for row in rows].count("doc") != 1:
        yield f"{document_id}: not exactly one doc-meta row"


def generations(case: Case) -> Iterator[str]:
    """Exactly one generation of a finished document is there to be found."""
    found: dict[str, set[str]] = {}
    for row in case.seen.rows:
        if row.kind == "chunk":
            found.setdefault(row.document_id, set()).add(row.generation)
    for document_id, document in case.finished():
        wanted = {document["generation"]} if document["chunkCount"] else set()
        if found.get(document_id, set()) != wanted:
            yield f"{document_id}: generations {sorted(found.get(document_id, ()))}, current {document['generation']}"


def storage(case: Case) -> Iterator[str]:
    """The twin's files are there and unchanged; nothing else is."""
    for document_id, document in case.finished():
        for role, artefact in document["artefacts"].items():
            if case.seen.files.get(artefact["key"]) != artefact["sha256"]:
                yield f"{document_id}: the {role} is missing or changed"
    done = {document_id for document_id, _ in case.finished()}
    for key in case.seen.files:
        if fault := _out_of_place(case.seen, key, done):
            yield fault


def _out_of_place(seen: Snapshot, key: str, done: set[str]) -> str:
    parts = key.split("/")
    if parts[0] in ("uploads", ".incoming"):
        return f"temporary object {key} is left"
    if parts[0] == "_progress":  # of rebuilds and repairs, for a week
        return ""
    document = seen.documents.get(parts[1]) if len(parts) > 2 else None
    if document is None:
        return f"{key} belongs to no document"
    if parts[1] not in done:
        return ""
    if parts[2] == "runs":
        return f"attempt file {key} is left"
    home = "/".join(parts[:2])
    named = {f"{home}/{name}" for at, names in seen.manifests.items() if at.startswith(home) for name in names}
    known = (
        named
        | {artefact["key"] for artefact in document["artefacts"].values()}
        | {f"{home}/source.pdf", f"{home}/document-record.json"}
    )
    return "" if key in known or parts[2] in ("manifests", "ai") else f"{key} is in no manifest"


def secrets(case: Case) -> Iterator[str]:
    """No credential and no token stands anywhere it could be read."""
    for place in case.seen.leaks:
        yield f"a secret stands in {place}"


CHECKS: tuple[Callable[[Case], Iterator[str]], ...] = (ended, logs, steps, chunks, generations, storage, secrets)


class History:
    """Looks at jobs again and again: logs only grow, what is finished stays finished. `faults` says what was not so."""

    _RANK = {"pending": 0, "running": 1, "completed": 2, "failed": 2}

    def __init__(self) -> None:
        self._logs: dict[str, list[Json]] = {}
        self._jobs: dict[str, Json] = {}
        self.faults: list[str] = []

    def look(self, job: Json, log: list[Json]) -> None:
        """Compare with the last look."""
        job_id = str(job["jobId"])
        before = self._logs.get(job_id, [])
        if log[: len(before)] != before:
            self._note(f"the log of {job_id} was shortened or changed")
        self._logs[job_id] = log
        earlier, self._jobs[job_id] = self._jobs.get(job_id), job
        if earlier is not None and earlier["processId"] == job["processId"]:
            self._compare(job_id, earlier, job)

    def _compare(self, job_id: str, earlier: Json, job: Json) -> None:
        if earlier["status"] in ("completed", "failed") and job["status"] != earlier["status"]:
            self._note(f"job {job_id} was {earlier['status']} and is {job['status']} in the same run")
        now = {step["name"]: step for step in job["steps"]}
        for old in earlier["steps"]:
            new = now.get(old["name"])
            if new is None:
                self._note(f"job {job_id}: {old['name']} is gone")
                continue
            again = old["status"] == "running" and new["status"] == "pending" and job["attempt"] > earlier["attempt"]
            if self._RANK[new["status"]] < self._RANK[old["status"]] and not again:
                self._note(f"job {job_id}: {old['name']} went from {old['status']} to {new['status']}")
        shown = [(each["progress"] or {"percent": 0})["percent"] for each in (earlier, job)]
        if shown[1] < shown[0]:
            self._note(f"job {job_id}: shown progress went back from {shown[0]} to {shown[1]}")
        if job["revision"] < earlier["revision"]:
            self._note(f"job {job_id}: revision went back")

    def _note(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp)


def _steps(job: Json) -> str:
    told = " ".join(f"{step['name']}={step['status']}" for step in job["steps"])
    return f"{told}, attempt {job['attempt']}, outbox {[entry['subject'] for entry in job['outbox']]}"


def _difference(wanted: Sequence[object], found: Sequence[object]) -> str:
    missing, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    example = next(iter([*missing, *more]), "another order")
    return f"{missing.total()} missing, {more.total()} more, e.g. {example}"
