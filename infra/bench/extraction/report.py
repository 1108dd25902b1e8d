"""The figures of `bench extraction` for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SCORES = {
    "similarity": "simil.",
    "words_f1": "words",
    "bigrams_f1": "bigrams",
    "column_bigrams_f1": "columns",
    "heading_found": "h.found",
    "heading_recall": "h.rec",
    "heading_precision": "h.prec",
    "heading_levels": "h.level",
    "cell_recall": "c.rec",
    "cell_precision": "c.prec",
}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Tables of speed, ratios, scores and growth, and every fault."""
    head = f"{'':22}{'pages/s':>9}{'pages/CPU s':>13}{'import s':>10}{'files':>7}{'failed':>8}"
    yield from (f"{found['files_read']} files, {found['repeat']} rounds; trust ratios, not rates", "", head)
    for engine, one in found["engines"].items():
        rates = f"{one['pages_per_second']:9.1f}{one['pages_per_cpu_second']:13.1f}{one['import_seconds']:10.2f}"
        note = "  machine code" if one["compiled"] else ""
        yield f"{engine:22}{rates}{one['files']:7}{len(one['failed']):8}{note}"
    for engine, why in found["absent"].items():
        yield f"{engine:22} absent: {why}"
    for against, by_engine in found["ratios"].items():
        yield from ("", f"pages/s (pages/CPU s) over {against}, on the files both read:")
        for engine, one in by_engine.items():
            yield f"{engine:22}{one['pages_per_second']:9.2f} ({one['pages_per_cpu_second']:.2f})"
    for kind, title in (("digital", "born-digital files"), ("scans", "scans")):
        yield from _scores(found["engines"], kind, title)
    yield from _growth(found.get("growth", {}))
    for engine, one in found["engines"].items():
        yield from (f"{engine} failed on {name}: {why}" for name, why in one["failed"].items())
    yield from (f"reference of {name} is unreadable: {why}" for name, why in found["reference_faults"].items())


def _scores(engines: dict[str, Any], kind: str, title: str) -> Iterator[str]:
    scored = {engine: one["scores"][kind] for engine, one in engines.items() if kind in one["scores"]}
    if not scored:
        return
    counts = {metric: mean["files"] for one in scored.values() for metric, mean in one.items()}
    yield from ("", f"mean scores of {title}", f"{'':22}" + "".join(f"{_SCORES[m]:>9}" for m in _SCORES if m in counts))
    yield f"{'(files)':22}" + "".join(f"{counts[m]:9}" for m in _SCORES if m in counts)
    for engine, one in scored.items():
        yield f"{engine:22}" + "".join(f"{one[m]['mean']:9.3f}" for m in _SCORES if m in counts and m in one)


def _growth(growth: dict[str, Any]) -> Iterator[str]:
    if growth:
        yield from (
            "",
            f"{'made documents':22}{'pages':>7}{'import s':>10}{'first page ms':>15}{'above import MB':>17}",
        )
    for engine, entries in growth.items():
        for one in entries:
            if "error" in one:
                yield f"{engine:22}{one['pages']:7} {one['error']}"
            else:
                first = f"{one['first_page_seconds'] * 1000:15.0f}"
                yield f"{engine:22}{one['pages']:7}{one['import_seconds']:10.2f}{first}{one['above_import_mb']:17.1f}"
