"""The real `shadowtwin` script in a copy of the repository, with a fake `uv`: no network, no real packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCK = "nothing==1.0 \\\n    --hash=sha256:00\n"

FAKE_UV = """#!/bin/sh
# Notes every call; `fail` beside it makes installs fail, `hang` makes them hang.
here=$(dirname "$0")
echo "$*" >> "$here/calls"
case "$1 $2" in
    "--version "*) echo "uv 0.0.0 (fake)" ;;
    "venv "*)
        for place; do :; done
        mkdir -p "$place/bin"
        ln -s "$4" "$place/bin/python"
        echo "home = $(dirname "$4")" > "$place/pyvenv.cfg"
        printf '#!%s/bin/python\\nprint("tool")\\n' "$place" > "$place/bin/tool" ;;
    "pip install")
        if [ -e "$here/fail" ]; then echo "no such package: nothing" >&2; exit 7; fi
        if [ -e "$here/hang" ]; then echo started > "$here/hanging"; exec sleep 60; fi
        sleep 0.1 ;;
esac
"""

STAND_IN_CLI = """
import json, os, sys
import infra
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "infra": infra.__file__, "python": sys.executable}))
"""


class Copy:
    """A copy of what the bootstrap needs, in a folder with a space, and a PATH with little on it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "fresh clone"
        self.bin = folder / "bin"
        self.home = folder / "home"
        for place in (self.root / "infra" / "cli", self.bin, self.home):
            place.mkdir(parents=True)
        shutil.copy(ROOT / "shadowtwin", self.root)
        for name in ("__init__.py", "bootstrap.py", "environment.py", "installer.lock"):
            shutil.copy(ROOT / "infra" / name, self.root / "infra")
        (self.root / "requirements.lock").write_text(LOCK)
        (self.root / "infra" / "cli" / "__init__.py").touch()
        (self.root / "infra" / "cli" / "__main__.py").write_text(STAND_IN_CLI)
        base = Path(getattr(sys, "_base_executable", sys.executable))
        (self.bin / "python3.13").write_text(f'#!/bin/sh\nexec "{base}" "$@"\n')
        self.uv = self.bin / "uv"
        self.uv.write_text(FAKE_UV)
        for program in (self.bin / "python3.13", self.uv):
            program.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8", **more}

    def run(
        self, *words: str, program: Path | None = None, cwd: Path | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program or self.root / "shadowtwin", *words],
            cwd=cwd or self.root, env=self.environment(**more), capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.root / "shadowtwin"], cwd=self.root, env=self.environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def installs(self) -> int:
        calls = self.bin / "calls"
        return calls.read_text().count("pip install") if calls.exists() else 0


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def await_(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_the_first_run_makes_the_environment_and_hands_over(copy: Copy, tmp_path: Path) -> None:
    done = copy.run("process", "a b.pdf", "--json", "", cwd=tmp_path, program=copy.root / "shadowtwin")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)  # and nothing else is on stdout
    assert told["argv"] == ["process", "a b.pdf", "--json", ""]
    assert told["cwd"] == str(tmp_path)
    assert told["infra"] == str(copy.root / "infra" / "__init__.py")
    assert told["python"] == str(copy.root / ".venv" / "bin" / "python")
    assert "environment ready" in done.stderr


def test_the_second_run_installs_nothing_and_says_nothing(copy: Copy) -> None:
    copy.run()
    copy.uv.write_text("#!/bin/sh\nexit 9\n")
    done = copy.run("jobs")
    assert (done.returncode, done.stderr, json.loads(done.stdout)["argv"]) == (0, "", ["jobs"])


def test_a_changed_lock_makes_it_anew(copy: Copy) -> None:
    copy.run()
    (copy.root / "requirements.lock").write_text(LOCK.replace("1.0", "2.0"))
    assert copy.run().returncode == 0
    assert copy.installs() == 2


def test_a_moved_folder_makes_it_anew_because_scripts_name_their_place(copy: Copy) -> None:
    copy.run()
    copy.root = copy.root.rename(copy.root.with_name("moved"))
    assert copy.run().returncode == 0
    assert copy.installs() == 2
    assert f"#!{copy.root}/.venv/bin/python" in (copy.root / ".venv" / "bin" / "tool").read_text()


def test_a_failed_install_is_told_and_leaves_the_old_environment_alone(copy: Copy) -> None:
    copy.run()
    (copy.root / "requirements.lock").write_text(LOCK.replace("1.0", "2.0"))
    (copy.bin / "fail").touch()
    failed = copy.run()
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "no such package: nothing" in failed.stderr
    assert (copy.root / ".venv" / "bin" / "python").exists()
    (copy.bin / "fail").unlink()
    assert copy.run().returncode == 0


def test_a_killed_install_is_repaired_by_the_next_run(copy: Copy) -> None:
    (copy.bin / "hang").touch()
    killed = copy.start()
    await_((copy.bin / "hanging").exists)
    os.killpg(killed.pid, 9)
    killed.communicate()
    assert not (copy.root / ".venv").exists()
    (copy.bin / "hang").unlink()
    done = copy.run()
    assert done.returncode == 0
    assert "unfinished" in done.stderr


def test_an_environment_without_a_stamp_is_replaced(copy: Copy) -> None:
    (copy.root / ".venv" / "bin").mkdir(parents=True)
    (copy.root / ".venv" / "bin" / "python").symlink_to("/nonexistent/python")
    assert copy.run().returncode == 0
    assert copy.run().stderr == ""


def test_two_at_once_install_once(copy: Copy) -> None:
    both = [copy.start(), copy.start()]
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert copy.installs() == 1
    assert sum("waiting for it" in stderr for _, stderr in told) <= 1


def test_it_works_through_symlinks_and_from_the_path(copy: Copy, tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("fresh clone/shadowtwin")
    (copy.bin / "twin").symlink_to("../one")
    done = copy.run("x", program=copy.bin / "twin", cwd=tmp_path)
    assert json.loads(done.stdout)["infra"] == str(copy.root / "infra" / "__init__.py")
    shell = subprocess.run(
        ["/bin/sh", "-c", "twin y"], cwd=tmp_path, env=copy.environment(), capture_output=True, text=True
    )
    assert json.loads(shell.stdout)["argv"] == ["y"]


def test_the_callers_folder_and_python_path_shadow_nothing(copy: Copy, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    (trap / "infra").mkdir(parents=True)
    (trap / "infra" / "__init__.py").write_text("raise SystemExit('the wrong infra')")
    (trap / "hashlib.py").write_text("raise SystemExit('the wrong hashlib')")
    done = copy.run(cwd=trap, PYTHONPATH=str(trap), PYTHONHOME="/nonexistent", VIRTUAL_ENV=str(trap))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cwd"] == str(trap)


def test_no_home_is_needed(copy: Copy) -> None:
    environment = copy.environment()
    del environment["HOME"]
    done = subprocess.run([copy.root / "shadowtwin"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(copy.home.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_said(copy: Copy) -> None:
    copy.root.chmod(0o555)
    done = copy.run()
    copy.root.chmod(0o755)
    assert done.returncode == 1
    assert "cannot write" in done.stderr


def test_too_old_a_python_gets_a_sentence(copy: Copy) -> None:
    tools = copy.bin.parent / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "head"):
        (tools / name).symlink_to(shutil.which(name) or "/bin/false")
    (tools / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.8.18\nexit 1\n')
    (tools / "python3").chmod(0o755)
    done = copy.run(PATH=str(tools))
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "3.8.18" in done.stderr


def test_it_is_a_posix_script() -> None:
    for shell in ("sh", "dash"):
        if shutil.which(shell):
            subprocess.run([shell, "-n", ROOT / "shadowtwin"], check=True)
