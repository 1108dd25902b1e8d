"""The three series: extract-only jobs, whole jobs, jobs that do nothing."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from infra.bench.scale.clients import Clients, papers, policies
from infra.bench.scale.usage import take
from infra.stack import Stack
from infra.stack_files import WORKERS

LIBRARY = "scale"
WHOLE = policies(extract="force", metadata="force", ingest="force")
EXTRACT = policies(extract="force")
ONE_CHILD = {"SHADOWTWIN_CONCURRENCY": "1"}


class Sizes(NamedTuple):
    """How much is measured: documents and their pages, pairs, rounds, and the largest number of copies."""

    extract: tuple[int, int] = (12, 300)
    pairs: int = 5
    whole: tuple[int, int] = (36, 5)
    long: tuple[int, int] = (8, 60)
    noop: int = 400
    rounds: int = 3
    copies: int = 3
    gateways: int = 3


QUICK = Sizes(extract=(4, 40), pairs=1, whole=(6, 2), long=(4, 20), noop=24, rounds=1, copies=2, gateways=2)


async def _round(stack: Stack, clients: Clients, ids: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One run over the documents: seconds, jobs a second, CPU seconds a job by service, the share that others took."""
    before = await asyncio.to_thread(take, stack)
    seconds = await clients.jobs(ids, LIBRARY, parameters)
    used = (await asyncio.to_thread(take, stack)).since(before)
    return {
        "seconds": round(seconds, 3),
        "jobsPerSecond": round(len(ids) / seconds, 3),
        "cpuPerJob": {name: round(value / len(ids), 5) for name, value in used.services.items()},
        "clientCpuPerJob": round(used.own / len(ids), 5),
        "foreignShare": round(used.foreign / seconds / (os.cpu_count() or 1), 3),
    }


async def extraction(folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Pairs of one extractor and two, each with one child; which of them comes first alternates."""
    count, pages = sizes.extract
    pdfs = await asyncio.to_thread(papers, folder / "papers", count, pages)
    stack = Stack(folder / "data", overrides={"extractor": ONE_CHILD}, copies={"extractor": 2})
    pairs = []
    with stack:
        async with Clients(stack) as clients:
            await _extractors(stack, clients, 2)
            ids = await clients.upload(pdfs, LIBRARY)
            await clients.jobs(ids[:4], LIBRARY, EXTRACT)  # both have read something before it counts
            for number in range(sizes.pairs):
                pair = {}
                for workers in (1, 2) if number % 2 == 0 else (2, 1):
                    await _extractors(stack, clients, workers)
                    pair[workers] = await _round(stack, clients, ids, EXTRACT)
                ratio = pair[1]["seconds"] / pair[2]["seconds"]
                pairs.append({"one": pair[1], "two": pair[2], "ratio": round(ratio, 3)})
            swaps = await clients.revisions(ids[:4])
    ratio = round(statistics.median(pair["ratio"] for pair in pairs), 3)
    return {"documents": count, "pages": pages, "swapsPerJob": swaps, "pairs": pairs, "medianRatio": ratio}


async def _extractors(stack: Stack, clients: Clients, count: int) -> None:
    """Let so many extractors run: the second one is stopped in an orderly way, or started again."""
    second = list(stack.named("extractor").values())[1]
    second.held = count == 1
    if second.held:
        second.stop()
        await asyncio.to_thread(second.wait, 25.0)
    await clients.present(dict.fromkeys(WORKERS, 1) | {"extractor": count})


async def whole(folder: Path, shape: tuple[int, int], copies: int) -> dict[str, Any]:
    """Whole jobs for so many documents of so many pages; every copy of a worker works on one document at a time."""
    count, pages = shape
    pdfs = await asyncio.to_thread(papers, folder / "papers", count, pages)
    return await _fresh(folder, pdfs, WHOLE, dict.fromkeys(WORKERS, copies), dict.fromkeys(WORKERS, ONE_CHILD))


async def nothing(folder: Path, sizes: Sizes, gateways: int) -> dict[str, Any]:
    """Jobs of which every phase is ignored, with so many gateways."""
    pdfs = await asyncio.to_thread(papers, folder / "papers", sizes.noop, 1)
    return await _fresh(folder, pdfs, policies(), {"gateway": gateways}, {})


async def _fresh(
    folder: Path,
    pdfs: Sequence[bytes],
    parameters: Mapping[str, Any],
    copies: Mapping[str, int],
    overrides: dict[str, dict[str, str]],
) -> dict[str, Any]:
    """A round on a stack of its own, after a short one that does not count."""
    with Stack(folder / "data", overrides=overrides, copies=copies) as stack:
        async with Clients(stack) as clients:
            await clients.present({name: copies.get(name, 1) for name in WORKERS})
            ids = await clients.upload(pdfs, LIBRARY)
            await clients.jobs(ids[: max(4, len(ids) // 8)], LIBRARY, parameters)
            found = await _round(stack, clients, ids, parameters)
            return found | {"swapsPerJob": await clients.revisions(ids[:4])}
