"""A process that makes the index of the vectors of a LanceDB folder, to be killed: `python -m ... FOLDER`."""

from __future__ import annotations

import asyncio
import sys

from shared.adapters import lancedb_indexes
from shared.adapters.lancedb_vectors import LanceVectors


async def main() -> None:
    """Again and again, with ever more partitions."""
    store = LanceVectors(sys.argv[1], "e@16", 16, upkeep=False)
    lancedb_indexes.LEAST_ROWS = 1_000
    await store.open()
    print("ready", flush=True)
    for size in (400, 80, 16):
        lancedb_indexes.PARTITION_ROWS = size
        await store.optimize()


if __name__ == "__main__":
    asyncio.run(main())
