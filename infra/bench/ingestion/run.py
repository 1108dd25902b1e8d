"""All figures of `bench ingestion`, and their lines."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from infra.bench.extraction.peers import peers_python
from infra.bench.ingestion.peer import EXACT, PEERS
from infra.bench.ingestion.searching import SPREADS, measure_search
from infra.bench.ingestion.texts import made_text

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent.parent
LOCK = HERE.parent / "chunkers.lock"
OURS = ("windows", "structure")
LARGE_TEXT = 5.0
"""Megabytes of the text whose memory is measured."""
TIMEOUT = 600.0


def run(text: Path | None, repeat: int, sizes: list[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Chunking of `text` (made, 1 MB, if none is given), memory on 5 MB of made text, search at each size."""
    with tempfile.TemporaryDirectory(prefix="shadowtwin-bench-") as name:
        folder = Path(name)
        large = folder / "large.md"
        large.write_text(made_text(LARGE_TEXT), encoding="utf-8")
        if text is None:
            text = folder / "text.md"
            text.write_text(made_text(1.0, seed=2), encoding="utf-8")
        python = peers_python(LOCK)
        engines = [*OURS, *(PEERS if python else ())]
        size = text.stat().st_size / 1e6
        chunking = {}
        for engine in engines:
            say(f"chunking: {engine}")
            rounds = [_measure(engine, text, python) for _ in range(repeat)]
            rates = [size / found["cpu_seconds"] for found in rounds if "cpu_seconds" in found]
            chunking[engine] = rounds[0] | {"mb_per_cpu_second": median(rates) if rates else None}
            chunking[engine]["grown_mb_on_5_mb"] = _measure(engine, large, python).get("grown_mb")
        search = []
        for rows in sizes:
            for spread in SPREADS:
                say(f"search: {rows:,} chunks, {spread}")
                search.append(asyncio.run(measure_search(folder, rows, spread)))
    return {"text_mb": size, "chunking": chunking, "search": search}


def lines(found: dict[str, Any]) -> list[str]:
    """The figures as text."""
    out = [f"chunking {found['text_mb']:.2f} MB   MB/CPU s   chunks   MB above start on 5 MB"]
    for engine, row in found["chunking"].items():
        if row.get("mb_per_cpu_second") is None:
            out.append(f"{engine:24}   {row.get('error', 'failed')}")
            continue
        exact = "" if engine in (*OURS, *EXACT) else "  (no windows)"
        memory = row["grown_mb_on_5_mb"]
        shown = f"{memory:8.0f}" if memory is not None else "  failed"
        out.append(f"{engine:24} {row['mb_per_cpu_second']:9.2f} {row['chunks']:8} {shown}{exact}")
    out.append(
        "search             rows/s in  index s   vector p50/p99 ms   hybrid p50/p99 ms   answer p50/p99 ms  recall@10"
    )
    for row in found["search"]:
        times = "  ".join(
            f"{row[f'{k}_p50_ms']:9.1f} {row[f'{k}_p99_ms']:8.1f}" for k in ("vector", "hybrid", "answer")
        )
        said = f"{row['rows']:>9} {row['vectors']:8} {row['rows_per_second']:9.0f} {row['index_seconds']:8.1f}"
        out.append(f"{said}  {times} {row['recall']:9.3f}")
    return out


def _measure(engine: str, text: Path, python: Path | None) -> dict[str, Any]:
    """One process, one text; an engine that fails is named with its last line."""
    if engine in OURS:
        command = [sys.executable, "-m", "infra.bench.ingestion.ours", engine, str(text)]
    else:
        command = [str(python), str(HERE / "peer.py"), engine, str(text)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"more than {TIMEOUT:.0f} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["failed"])[-1][:200]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
