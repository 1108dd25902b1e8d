"""The compiled copy of the reader: the same words as the Python modules, and never in place of newer sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import machine_code as making
from infra.bootstrap import ROOT
from services.extractor.reader import machine_code
from tests.unit.extractor.papers import Paper, prose

_READ = """
import sys
import msgspec
from services.extractor.extract import open_pdf, read_pages
from services.extractor.reader import IS_COMPILED
from services.extractor.reader.rows import Row
assert IS_COMPILED == (sys.argv[1] == "compiled") == ("__mypyc_attrs__" in dir(Row)), IS_COMPILED
for path in sys.argv[2:]:
    print(msgspec.json.encode(list(read_pages(open_pdf(path)))).decode())
"""


def _papers(folder: Path) -> list[Path]:
    """What takes the reader through columns, lists, tables with and without rules, links, and letters beyond ASCII."""
    paper = Paper()
    paper.line(60, 60, "1 A heading of its own", size=18)
    for line, text in enumerate(prose(12)):
        paper.line(60, 100 + 14 * line, text)
    for line, text in enumerate(prose(12, seed=5, width=5)):
        paper.line(60, 300 + 14 * line, text)
        paper.line(320, 300 + 14 * line, text[::-1])
    paper.next_page()
    for row, cells in enumerate([["Größe", "Länge", "Maß"], ["ä 1", "1,234", "-4.3"], ["ß 2", "8,242", "45%"]]):
        for column, cell in enumerate(cells):
            paper.line(80 + 140 * column, 120 + 16 * row, cell)
    for number, text in enumerate(prose(3)):
        paper.line(60, 300 + 16 * number, f"{number + 1}. {text}")
        paper.line(60, 400 + 16 * number, f"• {text}")
    return [paper.saved(folder)]


def _read(kind: str, switch: str, paths: list[Path]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), machine_code.SWITCH: switch}
    command = [sys.executable, "-c", _READ, kind, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_the_copy_reads_what_the_modules_read(tmp_path: Path) -> None:
    from infra.sample import write_sample

    if making.compiler() is None and not machine_code.folder().is_dir():
        pytest.skip("there is no C compiler here")
    place = making.make()  # is there already, unless the sources have changed since the set-up
    write_sample(tmp_path / "sample.pdf")
    papers = [*_papers(tmp_path), tmp_path / "sample.pdf"]
    compiled = _read("compiled", str(place), papers)
    assert compiled == _read("python", "off", papers)
    assert "| ä 1 | 1,234 |" in compiled
    assert not list(place.parent.glob("building-*"))


def test_a_changed_source_is_another_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "reader"
    shutil.copytree(ROOT / "services/extractor/reader", package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "services/extractor/pages.py", tmp_path)
    before = machine_code.folder()
    monkeypatch.setattr(machine_code, "_HERE", package)
    assert machine_code.folder() == before
    with open(package / "links.py", "a") as file:
        file.write("# changed\n")
    assert machine_code.folder() != before


@pytest.mark.parametrize("switch", ["off", "/nowhere/at/all"])
def test_without_a_copy_the_modules_run_as_they_are(switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine_code.SWITCH, switch)
    path = ["here"]
    assert not machine_code.prefer(path)
    assert path == ["here"]


def test_without_a_compiler_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine_code, "folder", lambda: tmp_path / "none")
    monkeypatch.setattr(making, "compiler", lambda: None)
    with pytest.raises(making.CompileError, match="no C compiler"):
        making.make()
    assert making.main() == 1
    assert "apt install gcc" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_copy_that_reads_otherwise_is_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if making.compiler() is None:
        pytest.skip("there is no C compiler here")
    place = tmp_path / "machine-code" / "digest"
    monkeypatch.setattr(machine_code, "folder", lambda: place)
    monkeypatch.setattr(making, "_SETUP", "import pathlib; pathlib.Path('made').mkdir()")  # nothing in it
    with pytest.raises(making.CompileError, match="does not read the sample"):
        making.make()
    assert list(place.parent.iterdir()) == []
