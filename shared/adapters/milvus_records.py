"""A vector row as a Milvus collection holds it, and its filters. Pure functions.

What a filter compares (`document`, `generation`, ...) is stored as a plain word: the id itself where it is letters,
digits and a few signs, else a hash. So nothing in a filter ever needs quoting. The row's own fields lie in `meta` as
JSON, its text in `text`, which the server's analyzer reads for BM25.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from shared.adapters.lancedb_table import key_of
from shared.adapters.pinecone_records import CUT_MARK, chapter_paths, id_part, listed_as
from shared.errors import ConfigurationError
from shared.gathering import packed
from shared.ports import VectorFilter, VectorRow

MOST_BYTES = 65_535
"""Of one VARCHAR, the server's limit."""
WORD_BYTES = 128
"""Longest plain word."""
ROWS_PER_UPSERT = 500
BYTES_PER_UPSERT = 8 << 20
"""Of one request; a server takes 64 MB at most by default."""
CHAPTERS_MOST = 20
CHAPTERS_BYTES = 26 * CHAPTERS_MOST
"""Of the marks of a row's chapter and those above it."""
ABOUT = "~about"
"""Kind of the one row that names the embedder; no row's kind is stored like this."""
_META = [name for name in VectorRow.__struct_fields__ if name not in ("vector", "text")]


def word(text: str) -> str:
    """The text as filters compare it; the empty text too has a word of its own."""
    return id_part(text)


def to_entity(row: VectorRow) -> tuple[dict[str, Any], bool]:
    """The entity to upsert, and whether its text had to be cut; raises ConfigurationError when nothing helps."""
    meta = msgspec.json.encode({name: getattr(row, name) for name in _META}).decode()
    if len(meta.encode()) > MOST_BYTES:
        raise ConfigurationError("misconfigured", f"Row {row.row_id[:80]!r}: its metadata needs {len(meta)} bytes.")
    text = row.text.encode("utf-8", "replace")
    cut = len(text) > MOST_BYTES
    if cut:
        text = text[: MOST_BYTES - len(CUT_MARK.encode())].decode(errors="ignore").encode() + CUT_MARK.encode()
    entity = {
        "key": hashlib.sha256(key_of(row).encode()).hexdigest(),
        "document": word(row.document_id),
        "generation": word(row.generation),
        "kind": word(row.kind),
        "library": word(row.library_id),
        "scale": word(row.scale),
        "first_page": min(row.pages, default=0),
        "last_page": max(row.pages, default=-1),
        "chapters": "".join(map(_chapter_mark, chapter_paths(row.chapter)[:CHAPTERS_MOST])),
        "text": text.decode(),
        "meta": meta,
        "vector": row.vector,
    }
    return entity, cut


def to_row(entity: Mapping[str, Any]) -> VectorRow:
    """The row of a stored entity; `vector` only where it was asked for."""
    vector = [float(value) for value in entity.get("vector", ())]
    return VectorRow(**msgspec.json.decode(entity["meta"]), text=entity["text"], vector=vector)


def batches(entities: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The entities in requests that keep both limits."""
    return packed(entities, _bytes, most=ROWS_PER_UPSERT, heaviest=BYTES_PER_UPSERT)


def _bytes(entity: Mapping[str, Any]) -> int:
    return len(entity["text"].encode()) + len(entity["meta"].encode()) + 4 * len(entity["vector"]) + 1_000


def generation_filter(document_id: str, generation: str, kind: str | None) -> str:
    """Rows of one generation of a document, of a kind if one is given; never the document's own row."""
    wanted = f'document == "{word(document_id)}" and generation == "{word(generation)}"'
    return f'{wanted} and kind == "{word(kind)}"' if kind is not None else f'{wanted} and kind != "doc"'


def generations_filter(document_id: str, generations: Sequence[str]) -> str:
    """Rows of these generations of a document, each named as it is or as it is stored."""
    return f'document == "{word(document_id)}" and generation in {_stored(generations)} and kind != "doc"'


def others_filter(document_id: str, generations: Sequence[str]) -> str:
    """Rows of a document's other generations."""
    return f'document == "{word(document_id)}" and generation not in {_stored(generations)} and kind != "doc"'


def _stored(generations: Sequence[str]) -> str:
    return msgspec.json.encode(sorted(listed_as(generations))).decode()


def document_filter(document_id: str, kind: str | None = None) -> str:
    """Rows of a document."""
    wanted = f'document == "{word(document_id)}"'
    return f'{wanted} and kind == "{word(kind)}"' if kind is not None else wanted


def search_filter(where: VectorFilter) -> str | None:
    """All given conditions; None when nothing can match."""
    lists = {"library": where.library_ids, "document": where.document_ids, "kind": where.kinds}
    given = {name: values for name, values in lists.items() if values is not None}
    if any(not values for values in given.values()):
        return None
    wanted = [f'kind != "{ABOUT}"']
    for name, values in given.items():
        words = ", ".join(f'"{word(value)}"' for value in dict.fromkeys(values))
        wanted.append(f"{name} in [{words}]")
    if where.scale is not None:
        wanted.append(f'scale == "{word(where.scale)}"')
    if where.chapter is not None:
        wanted.append(f'chapters like "%{_chapter_mark(where.chapter)}%"')
    if where.pages is not None:
        first, last = map(int, where.pages)
        wanted.append(f"first_page <= {last} and last_page >= {first}")
    return " and ".join(wanted)


def _chapter_mark(path: str) -> str:
    """A chapter's path as a word of letters and digits between bars."""
    return f"|{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}|"
