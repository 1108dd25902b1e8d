"""Hostile PDFs through the real phase and real children: a result or a listed code in time, and nothing left behind.

The project's own bombs always; the PDFs of SHADOWTWIN_HOSTILE_CORPUS (or ../shared/corpus/hostile) where there are any,
held against the classes of their manifest.csv.
"""

from __future__ import annotations

import asyncio
import csv
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from infra.faults import bombs
from infra.faults.hostile import CORPUS
from infra.faults.pdfs import Shelf
from infra.soak.extraction import SETTINGS, Soak, mix
from infra.soak.footprint import Footprint, footprint, watched
from infra.soak.phase import Read, opened
from services.extractor.settings import ExtractorSettings
from shared.errors import CATALOGUE

pytestmark = [pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
ROOT = Path(__file__).parents[2]
LISTED = {code for code in CATALOGUE if code.startswith("pdf_")}
AT_ONCE = 2
SLACK_SECONDS = 25.0
"""On top of the document's own clock, for a machine that is busy with other tests."""
MOTIFS = (  # what a manifest's `expected` may say, in the order in which it is looked at, and what then may come out
    ("password required", {"pdf_encrypted"}),
    ("no pages", {"pdf_no_pages", "pdf_corrupt"}),
    ("page limit", {"pdf_too_many_pages", "pdf_corrupt", "ok"}),
    ("pixel limit", {"ok"}),
    ("timeout", {"pdf_page_timeout", "pdf_memory_limit", "pdf_timeout", "ok"}),
    ("reject", {"pdf_empty", "pdf_not_a_pdf", "pdf_corrupt"}),
    ("or reject", {"pdf_corrupt", "pdf_not_a_pdf", "ok"}),
    ("error", LISTED | {"ok"}),
    ("ok", {"ok"}),
    ("repair", {"ok", "pdf_no_pages"}),
)


class Ended(NamedTuple):
    """How one file and the good one beside it ended."""

    hostile: Read
    neighbour: Read


class Run(NamedTuple):
    """All files, and what was left of the processes and files at the end."""

    ended: dict[str, Ended]
    before: Footprint
    after: Footprint
    child_kib: int
    good: Read


async def _run(folder: Path, files: list[Path]) -> Run:
    (neighbour,) = Shelf(folder / "good").some(1, 1, pages=3)
    ended: dict[str, Ended] = {}
    waiting = iter(files)
    async with opened(folder / "work", ExtractorSettings(**SETTINGS)) as phase, watched() as peaks:
        good = await phase.read(neighbour)
        before = await asyncio.to_thread(footprint, folder / "work")

        async def take(files: Iterator[Path]) -> None:
            for pdf in files:
                ended[pdf.name] = Ended(*await asyncio.gather(phase.read(pdf), phase.read(neighbour)))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(take(waiting))
        after = await asyncio.to_thread(footprint, folder / "work")
    return Run(ended, before, after, peaks.child_kib, good)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    folder = tmp_path_factory.mktemp("bombs")
    written = await asyncio.to_thread(bombs.write, folder / "files")
    yield await _run(folder, list(written))
    shutil.rmtree(folder, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def given(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    folder = tmp_path_factory.mktemp("corpus")
    yield await _run(folder, sorted(_corpus().rglob("*.pdf")))
    shutil.rmtree(folder, ignore_errors=True)


def _corpus() -> Path:
    found = Path(os.environ.get(CORPUS) or ROOT.parent / "shared/corpus/hostile")
    if not found.is_dir():
        pytest.skip("no corpus of hostile files was given")
    return found


def _unharmed(run: Run) -> None:
    """Nobody beside was disturbed, no limit was passed, nothing was left."""
    settings = ExtractorSettings(**SETTINGS)
    words = _without_time(run.good.text)
    assert run.good.code == "ok"
    assert {name for name, ended in run.ended.items() if _without_time(ended.neighbour.text) != words} == set()
    late = {
        n: e.hostile.seconds for n, e in run.ended.items() if e.hostile.seconds > settings.child_seconds + SLACK_SECONDS
    }
    assert late == {}
    assert run.child_kib < settings.child_memory_bytes >> 10
    assert (run.after.descendants, run.after.temporary) == (run.before.descendants, run.before.temporary)
    assert run.after.descriptors <= run.before.descriptors + 2


def _without_time(text: str) -> str:
    return re.sub(r"generated_at: .*", "", text)


async def test_each_bomb_ends_as_it_should(own: Run) -> None:
    expected = {f"{name}.pdf": bomb for name, bomb in bombs.bombs().items()}
    wrong = {n: e.hostile for n, e in own.ended.items() if e.hostile.code not in expected[n].outcomes}
    assert wrong == {}
    assert len(own.ended) == len(expected)


async def test_a_bad_page_costs_no_good_one(own: Run) -> None:
    """Every good page of every bomb that has some is read, whatever became of the bad one."""
    for name, bomb in bombs.bombs().items():
        read = own.ended[f"{name}.pdf"].hostile
        if read.code == "ok":
            good = read.text.count(bombs.GOOD_TEXT)
            assert (name, read.pages, good >= bomb.pages - len(bomb.lost)) == (name, bomb.pages, True)


async def test_bombs_leave_nothing_and_harm_nobody(own: Run) -> None:
    _unharmed(own)


async def test_every_given_file_ends_with_a_result_or_a_listed_code(given: Run) -> None:
    assert {n: e.hostile for n, e in given.ended.items() if e.hostile.code not in LISTED | {"ok"}} == {}


async def test_every_given_file_ends_as_its_manifest_says_or_better(given: Run) -> None:
    manifest = _corpus() / "manifest.csv"
    if not manifest.exists():
        pytest.skip("the corpus has no manifest")
    rows = list(csv.DictReader(manifest.read_text(encoding="utf-8").splitlines()))
    wrong = {
        row["file"]: (row["expected"], given.ended[row["file"]].hostile)
        for row in rows
        if row["file"] in given.ended and given.ended[row["file"]].hostile.code not in _allowed(row["expected"])
    }
    assert wrong == {}


def _allowed(expected: str) -> set[str]:
    found: set[str] = set()
    for motif, outcomes in MOTIFS:
        if motif in expected:
            found |= outcomes
    return found or LISTED | {"ok"}


async def test_given_files_leave_nothing_and_harm_nobody(given: Run) -> None:
    _unharmed(given)


async def test_memory_descriptors_processes_and_files_stay_flat(tmp_path: Path) -> None:
    """The soak of `shadowtwin soak extraction`, for some seconds and without what runs into deadlines."""
    files = await asyncio.to_thread(lambda: mix(tmp_path / "input", slow=False))
    report = await Soak(tmp_path / "work", files, seed=7, method="fast").run(12.0)
    assert report["flat"], report
    assert report["documents"] > 20
