"""Records of a document: rows that a machine has found, under what people have said about them.

    records.jsonl          rows of the machine: extraction inserts, refinement updates, nothing is ever deleted
    record_edits.jsonl     what people said, newest last: new values, or that a record is none (checklist A2.36)

A person's word stands in a file of its own that no machine writes, and is laid over the rows whenever they are shown:
so it survives every run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

ROLE, EDITS, SCHEMA = "records", "recordEdits", "recordSchema"
"""Roles of the artefacts."""

_ID = re.compile(r"rec-([0-9a-f]{24})-[0-9a-f]{16}\Z")


class Citation(msgspec.Struct, frozen=True, rename="camel"):
    """Where a record comes from: the page, the words, and whether they stand there."""

    page: int = 0
    quote: str = ""
    verified: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of records.jsonl. `prompt_hash` names schema, instructions and analyzer that it was made with."""

    record_id: str
    values: dict[str, Any]
    citation: Citation = Citation()
    schema: str = ""
    prompt_hash: str = ""
    made_at: str = ""
    run: str = ""
    refined_at: str = ""
    before: dict[str, Any] | None = None


class Edit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of record_edits.jsonl: `values` replace fields, `deleted` says whether the record counts (None: as
    before)."""

    record_id: str
    at: str
    by: str = ""
    values: dict[str, Any] = {}
    deleted: bool | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A record as people see it."""

    record_id: str
    values: dict[str, Any]
    citation: Citation
    schema: str
    prompt_hash: str
    made_at: str
    refined_at: str
    edited: bool = False
    deleted: bool = False
    edited_at: str = ""
    edited_by: str = ""


def record_id(document_id: str, values: Mapping[str, Any], quote: str) -> str:
    """The id of a record: the same for the same find in the same document."""
    content = json.dumps([document_id, dict(values), quote], sort_keys=True, ensure_ascii=False, default=str)
    return f"rec-{document_id.removeprefix('doc-')}-{hashlib.sha256(content.encode(errors='replace')).hexdigest()[:16]}"


def document_of(record: str) -> str | None:
    """The document of a record's id; None for what is no record id."""
    match = _ID.match(record)
    return f"doc-{match.group(1)}" if match else None


def shown(records: Iterable[Record], edits: Sequence[Edit]) -> list[Shown]:
    """The records with everything that people said about them, in the order in which they were found."""
    said: dict[str, list[Edit]] = {}
    for edit in edits:
        said.setdefault(edit.record_id, []).append(edit)
    return [_overlaid(record, said.get(record.record_id, [])) for record in records]


def touched(edits: Iterable[Edit]) -> set[str]:
    """Ids of records that a person has edited or deleted: no machine changes them."""
    return {edit.record_id for edit in edits}


def read_rows(content: bytes) -> list[Record]:
    """The rows of records.jsonl."""
    return [msgspec.json.decode(line, type=Record) for line in content.splitlines() if line]


def read_edits(content: bytes) -> list[Edit]:
    """The rows of record_edits.jsonl."""
    return [msgspec.json.decode(line, type=Edit) for line in content.splitlines() if line]


def _overlaid(record: Record, edits: list[Edit]) -> Shown:
    values, deleted = dict(record.values), False
    for edit in edits:
        values |= edit.values
        deleted = deleted if edit.deleted is None else edit.deleted
    return Shown(
        record_id=record.record_id,
        values=values,
        citation=record.citation,
        schema=record.schema,
        prompt_hash=record.prompt_hash,
        made_at=record.made_at,
        refined_at=record.refined_at,
        edited=bool(edits),
        deleted=deleted,
        edited_at=edits[-1].at if edits else "",
        edited_by=edits[-1].by if edits else "",
    )
