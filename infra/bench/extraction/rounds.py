"""Speed in one interleaved run: every engine reads every file once a round, in an order that turns.

Interleaving lets a noisy neighbour hit all engines alike, so ratios within a run can be trusted where rates cannot.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.bench.extraction.worker import Worker

ENOUGH = 20.0
"""Seconds of one file after which an engine reads it no second time: the noise is small against that."""

Readings = dict[str, dict[str, list[dict[str, Any]]]]
"""Answers of the children by file name and engine, one a round; the last may hold an `error`."""


def measure(
    workers: list[Worker], files: list[Path], rounds: int, seconds: float, outputs: Path, tell: Callable[[str], None]
) -> Readings:
    """All readings; the Markdown of the first round lies in `outputs` as ENGINE/FILE.md."""
    found: Readings = {file.name: {worker.engine: [] for worker in workers} for file in files}
    for worker in workers:
        (outputs / worker.engine).mkdir(parents=True, exist_ok=True)
    for number in range(rounds):
        for place, file in enumerate(files):
            turn = (number + place) % len(workers)
            for worker in [*workers[turn:], *workers[:turn]]:
                readings = found[file.name][worker.engine]
                if readings and ("error" in readings[-1] or readings[-1]["seconds"] > ENOUGH):
                    continue
                target = str(outputs / worker.engine / f"{file.stem}.md") if number == 0 else None
                readings.append(worker.ask({"file": str(file), "output": target}, seconds))
        tell(f"round {number + 1} of {rounds} done")
    return found


def medians(readings: list[dict[str, Any]]) -> dict[str, Any]:
    """The medians of an engine's readings of one file, or its error."""
    if not readings or "error" in readings[-1]:
        return {"error": readings[-1]["error"] if readings else "not read"}
    return {
        "seconds": statistics.median(reading["seconds"] for reading in readings),
        "cpu": statistics.median(reading["cpu"] for reading in readings),
        "chars": readings[0]["chars"],
        "rounds": len(readings),
    }


def rates(files: dict[str, dict[str, Any]], pages: dict[str, int], engine: str, among: set[str]) -> dict[str, float]:
    """Pages per second and per second of processor time of `engine` over the files of `among`."""
    read = [(pages[name], files[name][engine]) for name in sorted(among)]
    total = sum(count for count, _ in read)
    wall, cpu = sum(one["seconds"] for _, one in read), sum(one["cpu"] for _, one in read)
    return {"pages_per_second": total / wall if wall else 0.0, "pages_per_cpu_second": total / cpu if cpu else 0.0}


def completed(files: dict[str, dict[str, Any]], engine: str) -> set[str]:
    """The files that `engine` could read."""
    return {name for name, engines in files.items() if "error" not in engines[engine]}


def ratios(
    files: dict[str, dict[str, Any]], pages: dict[str, int], engines: list[str], against: str
) -> dict[str, dict[str, Any]]:
    """Each engine's rates over those of `against`, on the files that both could read."""
    found = {}
    for engine in engines:
        common = completed(files, engine) & completed(files, against)
        if not common:
            continue
        mine, theirs = rates(files, pages, engine, common), rates(files, pages, against, common)
        found[engine] = {
            "pages_per_second": mine["pages_per_second"] / theirs["pages_per_second"],
            "pages_per_cpu_second": mine["pages_per_cpu_second"] / (theirs["pages_per_cpu_second"] or 1e-9),
            "files": len(common),
        }
    return found
