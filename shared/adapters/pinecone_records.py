"""A vector row as Pinecone can hold it: ASCII ids, flat metadata under 40 KB, requests under 2 MB. Pure functions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from shared.errors import ConfigurationError
from shared.gathering import packed
from shared.ports import VectorFilter, VectorRow

MOST_VECTORS = 1_000
MOST_BYTES = 1_900_000
"""Of one request, with room for its envelope below the API's 2 MB."""
MOST_METADATA = 40_000
"""Bytes of JSON for one vector's metadata; the API's limit is 40 KB."""
CUT_MARK = " […]"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,119}")
_HASHED = re.compile(r"~[0-9a-f]{32}")
_DIGITS = 8
"""Decimals sent of each coordinate: beyond the precision that is stored, and half the bytes."""


def id_part(text: str) -> str:
    """A text as part of an id or as a namespace: itself where it is plain, else a hash."""
    if _PLAIN.fullmatch(text):
        return text
    return "~" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def listed_as(texts: Iterable[str]) -> set[str]:
    """What these texts are as parts of ids; one that was taken from an id stays as it is."""
    return {text if _HASHED.fullmatch(text) else id_part(text) for text in texts}


def prefix(document_id: str, generation: str | None = None, kind: str | None = None) -> str:
    """What the ids of a document, of one of its generations, or of a kind within that begin with."""
    parts = [part for part in (document_id, generation, kind) if part is not None]
    return "".join(id_part(part) + "#" for part in parts)


def vector_id(row: VectorRow) -> str:
    """Unique in the namespace; names the generation, so that a new one never overwrites the old one."""
    if row.kind == "doc":
        return prefix(row.document_id) + "doc"
    return prefix(row.document_id, row.generation, row.kind) + id_part(row.row_id)


def to_vector(row: VectorRow) -> tuple[dict[str, Any], bool]:
    """The vector to upsert, and whether its text had to be cut; raises ConfigurationError when nothing helps."""
    metadata: dict[str, Any] = {name: getattr(row, name) for name in row.__struct_fields__ if name != "vector"}
    metadata["pages"] = [str(page) for page in row.pages]
    metadata |= {"first_page": min(row.pages, default=0), "last_page": max(row.pages, default=-1)}
    metadata["chapters"] = chapter_paths(row.chapter)
    metadata["extra"] = msgspec.json.encode(row.extra).decode()
    cut = False
    while (size := len(msgspec.json.encode(metadata))) > MOST_METADATA:
        text = metadata["text"].removesuffix(CUT_MARK)
        if not text:
            raise ConfigurationError("misconfigured", f"Row {row.row_id[:80]!r}: its metadata needs {size} bytes.")
        cut = True
        kept = min(int(len(text) * MOST_METADATA / size * 0.98), len(text) - 1)
        metadata["text"] = text[:kept] + CUT_MARK if kept > 0 else ""
    values = [round(value, _DIGITS) for value in row.vector]
    return {"id": vector_id(row), "values": values, "metadata": metadata}, cut


def from_metadata(metadata: Mapping[str, Any], vector: list[float]) -> VectorRow:
    """The row of a stored vector; numbers come back as floats."""
    fields = {name: metadata[name] for name in VectorRow.__struct_fields__ if name in metadata}
    fields["position"] = int(metadata.get("position", 0))
    fields["pages"] = [int(page) for page in metadata.get("pages", [])]
    fields["extra"] = msgspec.json.decode(metadata.get("extra", "{}"))
    return VectorRow(**fields, vector=vector)


def batches(vectors: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The vectors in requests that keep both limits."""
    return packed(vectors, lambda vector: len(msgspec.json.encode(vector)) + 1, most=MOST_VECTORS, heaviest=MOST_BYTES)


def conditions(where: VectorFilter) -> dict[str, Any] | None:
    """The metadata filter; libraries are namespaces and not in it. None when nothing can match."""
    lists = {"document_id": where.document_ids, "kind": where.kinds}
    wanted: dict[str, Any] = {name: {"$in": values} for name, values in lists.items() if values is not None}
    if any(not condition["$in"] for condition in wanted.values()):
        return None
    if where.scale is not None:
        wanted["scale"] = {"$eq": where.scale}
    if where.chapter is not None:
        wanted["chapters"] = {"$in": [where.chapter]}
    if where.pages is not None:
        wanted |= {"first_page": {"$lte": where.pages[1]}, "last_page": {"$gte": where.pages[0]}}
    return wanted


def chapter_paths(chapter: str) -> list[str]:
    """The path and those of the chapters above it."""
    names = chapter.split(" / ")
    return [" / ".join(names[: depth + 1]) for depth in range(len(names))]
