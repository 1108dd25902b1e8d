"""Which indexes a LanceDB table of vectors has, and when they are made.

Scalar and full-text indexes are made with the table. The index of the vectors is only worth its training once exact
search takes longer than a search may; it is then made by the upkeep, beside reads and writes: it becomes visible in one
commit, and a process that dies before leaves nothing but files that a later compaction removes. Rows outside of it are
searched exactly, so it may be old but hides nothing.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from shared.adapters.lancedb_table import ATTEMPTS, LanceTable
from shared.errors import TransientError
from shared.ports import VectorFilter

LEAST_ROWS = 5_000
"""Rows from which on the vectors have an index; at 10,000 it halves the time of a search, and takes half a second."""
PARTITION_ROWS = 4_096
GROWTH = 4
"""The index is trained anew when the table has become so many times larger than its partitions are meant for."""
PROBES = 24
"""Partitions searched, if the filter is wide: all of 100,000 rows, a tenth of a million."""
REFINE = 3
"""So many times the wanted rows are compared by their own vectors: those of the index are rounded to a byte a number,
which mixes up neighbours that are nearly equally near."""
_NAME = "vector_"


async def make_indexes(table: LanceTable, *, full_text: bool) -> None:
    """Make what is missing; raises TransientError. Tells the upkeep how much is outside of the indexes."""
    index: Any = importlib.import_module("lancedb.index")
    wanted: dict[str, Any] = {"key": index.BTree()}
    if full_text:
        # ICU finds words in every script; stemming and stop words would suit one language only
        words = index.FTS(base_tokenizer="icu", stem=False, remove_stop_words=False)
        wanted |= {"text": words, "document_id": index.BTree(), "chapter": index.BTree()}
        # columns of few values: a filter becomes the intersection of sets, instead of reading every row
        wanted |= dict.fromkeys(("library_id", "kind", "scale"), index.Bitmap())
    for _ in range(ATTEMPTS):
        entries = await table.table.list_indices()
        missing = wanted.keys() - {column for entry in entries for column in entry.columns}
        if not missing:
            break
        for column in missing:
            # losing the race against another process that opens the new folder is no error
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                await table.table.create_index(column, config=wanted[column], replace=False)
    else:
        raise TransientError("unavailable", "The indexes of the vector store could not be made.")
    outside = max((entry.num_unindexed_rows or 0 for entry in entries), default=0)
    if full_text and not _partitions(entries):
        rows = await table.table.count_rows()
        outside = max(outside, rows if rows >= LEAST_ROWS else 0)
    table.note(outside)


async def tend_vector_index(table: LanceTable) -> None:
    """Train the index of the vectors if there is none for so many rows; takes seconds for 100,000. Raises
    TransientError when writers are always faster."""
    rows = await table.table.count_rows()
    wanted = max(rows // PARTITION_ROWS, 1)
    present = _partitions(await table.table.list_indices())
    best = max(present, default=0)
    if rows >= LEAST_ROWS and best * GROWTH <= wanted:
        index: Any = importlib.import_module("lancedb.index")
        config = index.IvfSq(distance_type="cosine", num_partitions=wanted)
        name = f"{_NAME}{wanted}"
        await table.commit(lambda: table.table.create_index("vector", config=config, name=name, replace=True))
        best = wanted
    for partitions in present - {best}:
        await table.commit(lambda former=f"{_NAME}{partitions}": table.table.drop_index(former))  # type: ignore[misc]


def nearest(table: LanceTable, vector: list[float], where: VectorFilter, *, thorough: bool) -> Any:
    """A query for the nearest rows by cosine, exact where that is quick. `thorough` looks into every partition."""
    query = table.table.query().nearest_to(vector).distance_type("cosine")
    if where.document_ids is not None:
        # one document's rows lie anywhere in the index, and are few
        return query.bypass_vector_index()
    # the minimum may at no moment be above the maximum, which is 20 at first; 0 is none
    query = query.maximum_nprobes(0).minimum_nprobes(PROBES).maximum_nprobes(0 if thorough else PROBES)
    return query.refine_factor(REFINE)


def is_narrow(where: VectorFilter) -> bool:
    """Whether few rows may pass, which then lie in partitions that are not the nearest."""
    return where.chapter is not None or where.pages is not None


def _partitions(entries: list[Any]) -> set[int]:
    """Of the indexes of the vectors, as their names say."""
    names = [entry.name for entry in entries if "vector" in entry.columns]
    return {int(name.removeprefix(_NAME)) for name in names if name.removeprefix(_NAME).isdigit()}
