"""The ingestion bench: its text, its shape, and a search measured against exact search."""

from __future__ import annotations

from pathlib import Path

from infra.bench.ingestion.run import _measure, lines
from infra.bench.ingestion.searching import measure_search
from infra.bench.ingestion.texts import made_text
from shared.anchors import split_pages


def test_the_text_is_as_long_as_asked_and_the_same_every_time() -> None:
    text = made_text(0.05)
    assert 50_000 <= len(text) < 55_000
    assert text == made_text(0.05) != made_text(0.05, seed=2)
    assert len(split_pages(text)[1]) > 10


def test_our_chunkers_are_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "text.md").write_text(made_text(0.05))
    for chunker in ("windows", "structure"):
        found = _measure(chunker, tmp_path / "text.md", None)
        assert found["chunks"] > 50
        assert found["cpu_seconds"] > 0
    assert "error" in _measure("windows", tmp_path / "nowhere.md", None)


async def test_search_is_measured_against_exact_search(tmp_path: Path) -> None:
    found = await measure_search(tmp_path, 300)
    assert (found["rows"], found["recall"]) == (300, 1.0)
    assert 0 < found["vector_p50_ms"] <= found["vector_p99_ms"]
    assert 0 < found["answer_p50_ms"] <= found["answer_p99_ms"]
    assert (await measure_search(tmp_path, 200, "noise"))["recall"] == 1.0
    row = {"chunks": 3, "cpu_seconds": 1.0, "mb_per_cpu_second": 2.0, "grown_mb_on_5_mb": 4.0}
    shown = lines({"text_mb": 1.0, "chunking": {"windows": row, "chonkie": {"error": "no"}}, "search": [found]})
    assert any("windows" in line and "2.00" in line for line in shown)
    assert any("chonkie" in line and line.endswith("no") for line in shown)
