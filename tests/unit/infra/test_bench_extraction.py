"""The extraction bench: its shape on two documents made here, and scores that can fail."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest

from infra.bench.extraction.engines import start_engines
from infra.bench.extraction.growth import measure_growth, write_document
from infra.bench.extraction.parts import Heading, cell, cells, headings
from infra.bench.extraction.plot import draw, write_plot
from infra.bench.extraction.references import Reference, read_references
from infra.bench.extraction.report import lines
from infra.bench.extraction.rounds import medians, ratios
from infra.bench.extraction.run import Options, run
from infra.bench.extraction.scores import score, score_headings
from infra.bench.extraction.worker import Worker
from infra.sample import SECTIONS, TABLE, write_sample

TEXT = (
    "# Tides\n\nThe harbour office keeps the ledgers.\n\n## Lamps\n\n"
    "| Tower | Built |\n|---|---|\n| Grey Skerry | 1803 |\n"
)
REFERENCE = Reference(
    TEXT, [Heading("tides", 1), Heading("lamps", 2)], ["tower", "built", cell("Grey Skerry"), cell("1803")]
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two documents, one of them with references, and a file that is no PDF at all."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    write_sample(folder / "sample.pdf")
    write_document(folder / "report.pdf", 2)
    (folder / "broken.pdf").write_bytes(b"no PDF")
    (folder / "sample.txt").write_text(" ".join(text for _, texts in SECTIONS for text in texts))
    (folder / "sample.headings.json").write_text(json.dumps([heading for heading, _ in SECTIONS]))
    (folder / "sample.tables.json").write_text(json.dumps({"tables": [{"rows": TABLE}]}))
    with open(folder / "manifest.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "ref", "headings", "tables", "has_text"])
        table.writerow(["sample.pdf", "sample.txt", "sample.headings.json", "sample.tables.json", "yes"])
        table.writerow(["report.pdf", "missing.txt", "", "", "yes"])
    return folder


def test_a_run_over_our_engine_tells_speed_scores_and_faults(corpus: Path) -> None:
    found = run(Options(corpus, ("fast", "get_text"), repeat=2, growth=False))
    assert json.loads(json.dumps(found)) == found
    assert found["files_read"] == 3
    assert found["files"]["sample.pdf"]["pages"] == 5
    fast = found["engines"]["fast"]
    assert (fast["files"], fast["pages"]) == (2, 7)
    assert set(fast["failed"]) == {"broken.pdf"}
    assert fast["pages_per_second"] > 0
    assert found["ratios"]["get_text"]["get_text"]["pages_per_second"] == 1.0
    assert found["ratios"]["get_text"]["fast"]["files"] == 2
    means = {metric: one["mean"] for metric, one in fast["scores"]["digital"].items()}
    assert means["words_f1"] > 0.75
    assert means["heading_recall"] == 1.0
    assert means["cell_recall"] == 1.0
    assert "report.pdf" in found["reference_faults"]
    assert any("broken.pdf" in line for line in lines(found))


def test_absent_engines_are_named_and_do_not_stop_the_rest(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.pdf")
    workers, absent = start_engines(("fast", "liteparse", "no-such-engine"), None, tmp_path / "sample.pdf")
    for worker in workers:
        worker.close()
    assert [worker.engine for worker in workers] == ["fast"]
    assert set(absent) == {"liteparse", "no-such-engine"}


def test_an_engine_that_takes_too_long_is_killed_and_started_again(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.pdf")
    os.mkfifo(tmp_path / "endless.pdf")
    with Worker("fast", Path(sys.executable), own=True) as worker:
        assert "no answer" in worker.ask({"file": str(tmp_path / "endless.pdf")}, 0.2)["error"]
        assert worker.ask({"file": str(tmp_path / "sample.pdf")}, 60)["chars"] > 100


def test_the_reference_itself_scores_one_everywhere() -> None:
    assert set(score(TEXT, REFERENCE).values()) == {1.0}


def test_a_wrong_output_scores_low() -> None:
    found = score("Entirely unrelated sentences about something else.", REFERENCE)
    assert found["similarity"] < 0.5
    assert {found[m] for m in ("words_f1", "heading_recall", "heading_precision", "cell_recall")} == {0.0}
    assert set(score("", REFERENCE).values()) == {0.0}


def test_mixed_columns_keep_the_words_and_lose_the_bigrams() -> None:
    words = " ".join(text for _, texts in SECTIONS for text in texts).split()
    found = score(" ".join(words[::2] + words[1::2]), Reference(" ".join(words)))
    assert found["words_f1"] == pytest.approx(1.0)
    assert found["bigrams_f1"] < 0.1


def test_spurious_and_repeated_headings_cost_precision_and_not_recall() -> None:
    ours = [Heading("tides", 1), Heading("tides", 1), Heading("lamps", 2), Heading("page 7", 2)]
    found = score_headings(ours, REFERENCE.headings)
    assert (found["heading_found"], found["heading_recall"], found["heading_precision"]) == (1.0, 1.0, 0.5)


def test_one_found_heading_answers_for_one_reference_heading_only() -> None:
    theirs = [Heading("notes", 1), Heading("notes", 1)]
    found = score_headings([Heading("notes", 1)], theirs)
    assert (found["heading_found"], found["heading_recall"], found["heading_precision"]) == (1.0, 0.5, 1.0)


def test_levels_may_be_shifted_as_a_whole_but_not_one_by_one() -> None:
    theirs = [Heading("tides", 1), Heading("lamps", 2), Heading("keepers", 2)]
    shifted = [heading._replace(level=heading.level + 1) for heading in theirs]
    assert score_headings(shifted, theirs)["heading_levels"] == 1.0
    mixed = [shifted[0], shifted[1], theirs[2]]
    assert score_headings(mixed, theirs)["heading_levels"] == pytest.approx(2 / 3)
    assert "heading_levels" not in score_headings(theirs, [Heading("tides", 0)])


def test_comments_in_code_are_no_headings_and_rules_no_cells() -> None:
    assert headings("```\n# no heading\n```\n# 2.1 One *heading*\n") == [Heading("one heading", 1)]
    assert cells("| a | |\n|:--|--|\n| b | c |\n<td>d</td>") == ["d", "a", "b", "c"]


def test_invented_cells_cost_precision() -> None:
    found = score(TEXT + "\n| x | y |\n|---|---|\n| z | w |\n", REFERENCE)
    assert (found["cell_recall"], found["cell_precision"]) == (1.0, 0.5)


def test_medians_forgive_one_slow_round_and_ratios_use_common_files_only() -> None:
    slow = [{"seconds": s, "cpu": s, "chars": 1} for s in (1.0, 9.0, 1.0)]
    assert medians(slow)["seconds"] == 1.0
    assert medians([*slow, {"error": "gone"}]) == {"error": "gone"}
    quick = {"seconds": 0.5, "cpu": 0.5}
    files = {"a": {"x": quick, "y": medians(slow)}, "b": {"x": {"error": "no"}, "y": medians(slow)}}
    assert ratios(files, {"a": 3, "b": 5}, ["x"], "y") == {
        "x": {"pages_per_second": 2.0, "pages_per_cpu_second": 2.0, "files": 1}
    }


def test_growth_is_measured_and_drawn(tmp_path: Path) -> None:
    found = measure_growth(tmp_path, None, Path(sys.executable), sizes=(2, 4))
    assert [entry["pages"] for entry in found["fast"]] == [2, 4]
    assert all(entry["peak_mb"] > entry["above_import_mb"] > 0 for entry in found["fast"])
    assert all(entry["page_by_page"] for entry in found["fast"])
    assert draw(found).count("<polyline") == 4
    write_plot(tmp_path / "plot.png", found)
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_a_manifest_names_levels_where_the_reference_is_markdown(corpus: Path) -> None:
    (corpus / "sample.md").write_text("# Tides\n## Lamps\n")
    (corpus / "sample.headings.json").write_text('["1. Tides", "Lamps", "Elsewhere"]')
    (corpus / "manifest.csv").write_text(
        "file,ref,headings,tables,has_text\nsample.pdf,sample.md,sample.headings.json,,no\n"
    )
    found, faults = read_references(corpus)
    assert found["sample.pdf"].headings == [Heading("tides", 1), Heading("lamps", 2), Heading("elsewhere", 0)]
    assert found["sample.pdf"].scan
    assert not faults
