"""The bundle of a job: one ZIP file with all that its run used and made, to be run again elsewhere (ADR 46).

job.json  log.jsonl  document.json  settings.json      what was asked for, what happened, what governed the result
templates/{name}.md  schemas/{name}.json                texts that the run was told to use
source.pdf                                              the document, unless it was left out
twin/...                                                the document's folder: artefacts, answers, kept vectors
index/{kind}.jsonl                                      rows of the index with their vectors, one a line
manifest.json                                           last: format, version, SHA-256 and size of all others
"""

from __future__ import annotations

import msgspec

FORMAT = "shadowtwin-bundle"
FORMAT_VERSION = 1
"""Raise it when a reader of this version could not understand the members any more."""

MANIFEST = "manifest.json"
JOB, LOG, DOCUMENT, SETTINGS, SOURCE = "job.json", "log.jsonl", "document.json", "settings.json", "source.pdf"
TEMPLATES, SCHEMAS, TWIN, INDEX = "templates/", "schemas/", "twin/", "index/"


class Member(msgspec.Struct, frozen=True):
    """One file of the bundle: SHA-256 (hex) and size in bytes of its content."""

    name: str
    sha256: str
    size: int


class BundleManifest(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the bundle says of itself; `made_by` is the version of the system that wrote it."""

    format: str
    version: int
    made_by: str
    job_id: str
    document_id: str
    library_id: str
    source_sha256: str
    members: list[Member]


class IndexRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the index in a bundle: `vector` are its numbers as 32-bit floats, little endian, in base64."""

    row_id: str
    scale: str
    position: int
    chapter: str
    pages: list[int]
    text: str
    extra: dict[str, object]
    dimension: int
    vector: str
