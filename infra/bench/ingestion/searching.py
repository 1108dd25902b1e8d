"""Search over generated vectors: latency of the embedded store, and its recall against exact search."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from shared.adapters.lancedb_vectors import LanceVectors
from shared.ports import VectorFilter, VectorRow

DIMENSION = 256
BATCH = 5_000
QUERIES = 60
TOP = 10


async def measure_search(folder: Path, rows: int, seed: int = 1) -> dict[str, Any]:
    """p50 and p99 in milliseconds of vector search and of hybrid search, and the share of the exact top 10 found."""
    chance = np.random.default_rng(seed)
    vectors = chance.standard_normal((rows, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = LanceVectors(folder / f"vectors-{rows}", "bench", DIMENSION, upkeep=False)
    await store.open()
    try:
        start = time.perf_counter()
        for first in range(0, rows, BATCH):
            await store.write([_row(n, vectors[n]) for n in range(first, min(first + BATCH, rows))])
        written = time.perf_counter() - start
        await store.optimize()
        where = VectorFilter(library_ids=["bench"], kinds=["chunk"], scale="small")
        found: dict[str, list[float]] = {"vector": [], "hybrid": []}
        recalls = []
        for _ in range(QUERIES):
            query = vectors[int(chance.integers(rows))] + chance.standard_normal(DIMENSION).astype(np.float32) * 0.05
            for kind, text in (("vector", ""), ("hybrid", f"word{int(chance.integers(500))} common")):
                start = time.perf_counter()
                hits = await store.search(query.tolist(), text, where, TOP)
                found[kind].append((time.perf_counter() - start) * 1_000)
                if kind == "vector":
                    exact = np.argsort(-(vectors @ query))[:TOP]
                    recalls.append(len({int(hit.row.row_id) for hit in hits} & set(exact.tolist())) / TOP)
    finally:
        await store.close()
    return {
        "rows": rows,
        "rows_per_second": rows / written,
        "recall": float(np.mean(recalls)),
        **{f"{kind}_p{p}_ms": float(np.percentile(took[3:], p)) for kind, took in found.items() for p in (50, 99)},
    }


def _row(number: int, vector: Any) -> VectorRow:
    return VectorRow(
        row_id=str(number),
        kind="chunk",
        library_id="bench",
        document_id=f"doc-{number // 100}",
        file_id="f",
        generation="g",
        vector=vector.tolist(),
        text=f"word{number % 500} word{number % 499} and number {number} " + ("common " if number % 50 == 0 else ""),
        scale="small",
        position=number % 100,
        pages=[number % 100 + 1],
    )
