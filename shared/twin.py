"""Where the files of a shadow twin lie in storage, and what they are called (checklist A3.44, DESIGN 4).

{libraryId}/{documentId}/source.pdf                     the upload
{libraryId}/{documentId}/{stem}.{lang}.md               transcript
{libraryId}/{documentId}/{stem}.{template}.{lang}.md    transformation
{libraryId}/{documentId}/images/{page}_{index}.{ext}    embedded images
{libraryId}/{documentId}/pages.jsonl ...                derived facts
{libraryId}/{documentId}/runs/{processId}/{step}-{attempt}/...   what an attempt wrote, until it is accepted
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import NamedTuple

from shared.errors import RequestError
from shared.job import StepName

_LIBRARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c/\\:*?\"<>|%\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]")
_EXTENSION = re.compile(r"(?<=.)\.[a-z0-9]{1,10}\Z")
STEM_BYTES = 150
"""Longest stem in UTF-8 bytes: leaves room for template, language and extension within a file system's 255."""


def library_id(text: str) -> str:
    """The library id, checked; raises RequestError bad_request when it could not be a folder's name."""
    if not _LIBRARY.match(text):
        raise RequestError("bad_request", "libraryId may hold letters, digits, dot, dash and underscore only.")
    return text


def display_name(name: str) -> str:
    """The upload's name as shown: last path segment, NFC, no control or direction characters; never empty."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    shown = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in _UNSAFE.sub("_", last)).strip()
    return shown[:255] or "document.pdf"


def content_name(sha256: str, name: str) -> str:
    """The binary's content address, `{sha256}.{ext}` with the shown name's extension in lower case, where it has one
    (checklist A4.9). In its twin's folder the same binary is called source.pdf."""
    extension = _EXTENSION.search(display_name(name).lower())
    return sha256 + (extension.group() if extension else "")


def stem(name: str) -> str:
    """The part of a name that artefacts carry: without .pdf, safe in every file system."""
    shown = display_name(name)
    base = shown[:-4] if shown.lower().endswith(".pdf") else shown
    cut = base.encode()[:STEM_BYTES].decode(errors="ignore").strip(" .")
    return cut or "document"


def artefact_name(source: str, kind: str, language: str, template: str | None = None) -> str:
    """`{stem}.{lang}.md` for a transcript, `{stem}.{template}.{lang}.md` for a transformation."""
    if kind == "transcript":
        return f"{stem(source)}.{language}.md"
    if kind != "transformation":
        raise RequestError("bad_request", f"There is no artefact kind {kind!r}.")
    if not template:
        raise RequestError("bad_request", "A transformation's name needs its template.")
    return f"{stem(source)}.{template}.{language}.md"


class ArtefactName(NamedTuple):
    """What a name was made from."""

    kind: str
    language: str
    template: str | None


def parse_artefact_name(name: str, source: str) -> ArtefactName | None:
    """What `artefact_name` was made from, given the source's name; None for any other file."""
    prefix = stem(source) + "."
    if not (name.startswith(prefix) and name.endswith(".md")):
        return None
    parts = name[len(prefix) : -3].rsplit(".", 1)
    if len(parts) == 1 and parts[0]:
        return ArtefactName("transcript", parts[0], None)
    if len(parts) == 2 and all(parts):
        return ArtefactName("transformation", parts[1], parts[0])
    return None


CORE_FIELDS = ("type", "source_file", "template", "language", "generated_by", "generated_at")


def missing_core_fields(kind: str, frontmatter: dict[str, object]) -> list[str]:
    """Core frontmatter fields that a twin of this kind lacks; a transcript needs neither template nor language."""
    needed = [f for f in CORE_FIELDS if kind != "transcript" or f not in ("template", "language")]
    return [field for field in needed if frontmatter.get(field) in (None, "")]


def folder(library: str, document_id: str) -> str:
    """The document's folder."""
    return str(PurePosixPath(library) / document_id)


def run_folder(library: str, document_id: str, process_id: str, step: str, attempt: int) -> str:
    """Where one attempt of one step writes."""
    return f"{runs_folder(library, document_id, step)}/{process_id}/{step}-{attempt}"


def runs_folder(library: str, document_id: str, step: str) -> str:
    """Where the attempts lie: those of a quality pass apart, since it may run beside another job of the document, whose
    end removes its attempts."""
    return f"{folder(library, document_id)}/{'passes' if step == StepName.QUALITY else 'runs'}"
