"""A process that writes to a LanceDB folder and says what was acknowledged: `lance_writer FOLDER NAME WRITES SHARED`.

Each write has three rows: two of its own and one that every writer writes (`SHARED` different ids, taken in turn).
"""

from __future__ import annotations

import asyncio
import sys

from shared.adapters.lancedb_vectors import LanceVectors
from shared.ports import VectorRow

UNIT = [0.5, 0.5, 0.5, 0.5]


def row(row_id: str, document_id: str, text: str) -> VectorRow:
    return VectorRow(
        row_id=row_id, kind="chunk", library_id="lib", document_id=document_id, file_id="f", generation="g1",
        vector=UNIT, text=text,
    )  # fmt: skip


async def main(folder: str, name: str, writes: int, shared: int) -> None:
    store = LanceVectors(folder, "e@4", 4, idle_seconds=0.05)
    await store.open()
    for number in range(writes):
        own = [row(f"{name}-{number}-{part}", f"doc-{name}", f"text {number}") for part in "ab"]
        await store.write([*own, row(f"shared-{number % shared}", "doc-shared", name)])
        print(number, flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
