"""What of two runs may differ by nature, and nothing else: the whole list (docs/export-and-replay.md shows it).

| where | what |
|---|---|
| job.json | ids of job and run, times, durations, revision, costs (kept answers cost nothing) |
| job.json of a job with policies, phases left out, a requeue, or work found done | all but how it ended |
| log.jsonl, settings.json | not compared; what was made otherwise is named beside the differences |
| document.json | ids of jobs, times, revision, history, aliases, hashes and fingerprints of files that hold a time |
| source.pdf, templates/, schemas/, ai/, answers/, record_edits.jsonl | inputs of the replay |
| *.md | the frontmatter's generated_at |
| manifests/*.json | keys of attempts, hashes, what they were made with: names and roles are compared |
| records.jsonl, image_analyses.jsonl, quality/ | times and the run that made a row; the run in the name of a file |
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from shared import bundle

INPUTS = (bundle.TWIN + "ai/", bundle.TWIN + "answers/", bundle.TWIN + "record_edits.jsonl")
"""Members that a replay is given."""
NOT_COMPARED = (bundle.LOG, bundle.SETTINGS, bundle.SOURCE, bundle.TEMPLATES, bundle.SCHEMAS, *INPUTS)
OF_A_RUN = frozenset({"madeAt", "refinedAt", "run", "at"})
"""Keys of rows that name when and in which run they were made."""
ROWS_OF_RUNS = re.compile(r"twin/(records|image_analyses)\.jsonl|twin/quality/.*\.jsonl")
_GENERATED = re.compile(r"^generated_at: .*$", re.MULTILINE)
_DURATION = re.compile(r"Ms\Z|Seconds\Z")
_FOUND_DONE = re.compile(r"exists\Z|\Akept_|frontmatter_complete|template_completed")
_ODD = (msgspec.MsgspecError, LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError)
"""What content that is not as expected raises, while it is taken apart."""
_QUALITY = re.compile(r"quality/[^/]+\.jsonl\Z")


def compared(name: str) -> bool:
    """Whether a member is a result."""
    return not name.startswith(NOT_COMPARED)


def place(name: str) -> str:
    """The name without what differs from run to run."""
    return _QUALITY.sub("quality/(run).jsonl", name)


def normal_jobs(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """Two jobs' outcomes, as much of them as can be compared."""
    try:
        was, now = outcome(msgspec.json.decode(before)), outcome(msgspec.json.decode(after))
    except _ODD:
        return before, after
    shared = was.keys() & now.keys()
    return tuple(_shown({key: each[key] for key in sorted(shared)}) for each in (was, now))  # type: ignore[return-value]


def normal(name: str, content: bytes) -> bytes:
    """The content without what may differ; content that is not as expected stays as it is."""
    try:
        if name == bundle.DOCUMENT:
            return _shown(record(msgspec.json.decode(content)))
        if name.startswith(bundle.TWIN + "manifests/"):
            files = msgspec.json.decode(content)["files"]
            return _shown(sorted([place(file["name"]), file["role"]] for file in files))
        if ROWS_OF_RUNS.fullmatch(name):
            return b"".join(msgspec.json.encode(_without(row)) + b"\n" for row in _rows(content))
        if name.endswith(".md"):
            return _without_time(content)
    except _ODD:
        pass
    return content


def outcome(job: dict[str, Any]) -> dict[str, Any]:
    """How a job ended: what is compared of its document."""
    ended = {
        "status": job["status"],
        "error": job["error"] and {key: job["error"].get(key) for key in ("code", "step", "message")},
    }
    if gated(job):
        return ended
    return {
        **ended,
        "steps": [{key: step[key] for key in ("name", "status", "skipped", "reason")} for step in job["steps"]],
        "counts": _counts(job["counts"]),
        "warnings": job["warnings"],
        "cumulativeMeta": {k: v for k, v in job["cumulativeMeta"].items() if k != "generated_at"},
        "saved": sorted(key.split("/", 2)[-1] for key in (job["result"] or {}).get("savedItems", [])),
    }


def gated(job: dict[str, Any]) -> bool:
    """Whether the job's gates or policies decided about its steps: then it did not make everything itself, or made it
    for another reason than a replay has, and only how it ended is compared of it."""
    policies = set(job["parameters"]["policies"].values())
    phases = set(job["parameters"]["phases"].values())
    skipped = any(step["skipped"] and _FOUND_DONE.search(step["reason"]) for step in job["steps"])
    return skipped or policies != {"do"} or phases != {True} or bool(job["runs"])


def record(document: dict[str, Any]) -> dict[str, Any]:
    """What is compared of a document's record: also the counters of its row in the index."""
    kept = ("documentId", "libraryId", "itemId", "sha256", "name", "size", "status", "error", "pages", "metadata")
    counted = ("generation", "chunkCount", "chaptersCount")
    return {
        **{key: document[key] for key in (*kept, *counted)},
        "metadata": {k: v for k, v in document["metadata"].items() if k != "generated_at"},
        "counts": _counts(document["counts"]),
        "artefacts": {role: place(at["key"].split("/", 2)[-1]) for role, at in sorted(document["artefacts"].items())},
    }


def _counts(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if not _DURATION.search(name)}


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if key not in OF_A_RUN}
    return [_without(inner) for inner in value] if isinstance(value, list) else value


def _without_time(content: bytes) -> bytes:
    text = content.decode()
    end = text.find("\n---", 4) if text.startswith("---\n") else -1
    return (_GENERATED.sub("generated_at: (time)", text[:end]) + text[end:]).encode() if end > 0 else content


def _rows(content: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in content.splitlines() if line]


def _shown(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
