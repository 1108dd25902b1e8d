"""Temporary folders do not outlive their process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from services.extractor.workspace import Workspace

KILLED = """
import os, sys
from pathlib import Path
from services.extractor.workspace import Workspace
with Workspace(Path(sys.argv[1])).folder() as folder:
    Path(folder, "source.pdf").write_bytes(b"%PDF-")
    os.kill(os.getpid(), 9)
"""


def test_a_folder_is_removed_at_the_end(tmp_path: Path) -> None:
    with Workspace(tmp_path).folder() as folder:
        Path(folder, "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, cwd=Path(__file__).parents[3])
    assert len(list(tmp_path.glob("*/source.pdf"))) == 1
    with Workspace(tmp_path).folder() as used:
        assert Workspace(tmp_path).sweep() == 1
        assert [str(path) for path in tmp_path.iterdir()] == [used]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shadowtwin-extractor-a-file").write_text("x")
    (tmp_path / "other").mkdir()
    assert Workspace(tmp_path).sweep() == 0
    assert len(list(tmp_path.iterdir())) == 2
