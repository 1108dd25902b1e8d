"""The whole of `bench extraction`: rounds, scores and growth, as one JSON object."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.bench.extraction.engines import DEFAULT, PEERS, start_engines
from infra.bench.extraction.growth import measure_growth
from infra.bench.extraction.pages import count_pages, has_columns
from infra.bench.extraction.peers import peers_python
from infra.bench.extraction.references import Reference, corpus_files, read_references
from infra.bench.extraction.rounds import completed, measure, medians, rates, ratios
from infra.bench.extraction.scores import score
from infra.sample import write_sample

AGAINST = ("get_text", "liteparse")


@dataclass(frozen=True)
class Options:
    """What to measure; `seconds` is the limit of one engine for one file."""

    corpus: Path
    engines: tuple[str, ...] = DEFAULT
    repeat: int = 3
    seconds: float = 300.0
    growth: bool = True
    keep: Path | None = None


def run(options: Options, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All figures. Engines that are absent and files that an engine cannot read are named, not fatal."""
    files = corpus_files(options.corpus)
    wants_peers = any(name in PEERS for name in options.engines) or options.growth
    peers = peers_python() if wants_peers else None
    with tempfile.TemporaryDirectory(prefix="shadowtwin-bench-") as name:
        folder = Path(name)
        write_sample(folder / "sample.pdf")
        outputs = options.keep or folder / "outputs"
        workers, absent = start_engines(options.engines, peers, folder / "sample.pdf")
        try:
            tell(f"{len(files)} files, engines: {', '.join(worker.engine for worker in workers)}")
            readings = measure(workers, files, options.repeat, options.seconds, outputs, tell)
            imports = {worker.engine: worker.hello for worker in workers}
        finally:
            for worker in workers:
                worker.close()
        references, faults = read_references(options.corpus)
        pages = {file.name: count_pages(file) for file in files}
        in_columns = {file.name for file in files if file.name in references and has_columns(file)}
        found = _speed(list(imports), readings, pages)
        for engine, figures in found["engines"].items():
            figures |= {name: imports[engine][name] for name in ("import_seconds", "compiled")}
            figures["scores"] = _scores(outputs / engine, engine, references, found["files"], in_columns)
        tell("scores done")
        if options.growth:
            found["growth"] = measure_growth(folder, peers, Path(sys.executable))
    described = {"machine": machine(), "files_read": len(files), "repeat": options.repeat}
    return described | {"absent": absent, "reference_faults": faults} | found


def _speed(engines: list[str], readings: dict[str, Any], pages: dict[str, int]) -> dict[str, Any]:
    files: dict[str, dict[str, Any]] = {
        name: {engine: medians(one) for engine, one in by_engine.items()} for name, by_engine in readings.items()
    }
    figures: dict[str, dict[str, Any]] = {}
    for engine in engines:
        among = completed(files, engine)
        failed = {name: files[name][engine]["error"] for name in files if name not in among}
        counted = {"files": len(among), "pages": sum(pages[name] for name in among), "failed": failed}
        figures[engine] = counted | rates(files, pages, engine, among)
    shown = {name: {"pages": pages[name], "engines": by_engine} for name, by_engine in files.items()}
    compared = {against: ratios(files, pages, engines, against) for against in AGAINST if against in engines}
    return {"engines": figures, "ratios": compared, "files": shown}


def _scores(
    outputs: Path,
    engine: str,
    references: dict[str, Reference],
    files: dict[str, dict[str, Any]],
    in_columns: set[str],
) -> dict[str, Any]:
    """Means over the born-digital files and over the scans; each file's own scores go to its entry.

    A file that could not be read counts as an empty text.
    """
    by_kind: dict[str, dict[str, list[float]]] = {"digital": {}, "scans": {}}
    for name, reference in references.items():
        if name not in files:
            continue
        output = outputs / f"{Path(name).stem}.md"
        text = output.read_text(encoding="utf-8") if output.is_file() else ""
        scored = score(text, reference)
        files[name]["engines"][engine]["scores"] = scored
        for metric, value in scored.items():
            by_kind["scans" if reference.scan else "digital"].setdefault(metric, []).append(value)
        if name in in_columns and "bigrams_f1" in scored and not reference.scan:
            by_kind["digital"].setdefault("column_bigrams_f1", []).append(scored["bigrams_f1"])
    return {
        kind: {metric: {"mean": statistics.fmean(values), "files": len(values)} for metric, values in metrics.items()}
        for kind, metrics in by_kind.items()
        if metrics
    }


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {"python": platform.python_version(), "system": platform.machine(), "cores": os.cpu_count() or 1}
