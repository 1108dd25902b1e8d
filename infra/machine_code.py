"""`compile`: the reader's busiest modules as machine code, by mypyc and the C compiler of this machine.

The copy lies in the environment, under the digest of its sources (services.extractor.reader.machine_code). It is used
only after it has read a sample exactly as the Python modules do; without a compiler everything runs as Python.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from infra.bootstrap import ROOT
from services.extractor.reader import machine_code

_KEPT = 3
_SECONDS = 600
HINT = "On Debian and Ubuntu: sudo apt install gcc python3-dev; then run ./shadowtwin compile."
_SETUP = """
import sys
from mypyc.build import mypycify
from setuptools import setup
files, group = sys.argv[2:], sys.argv[1]
setup(
    name=group,
    packages=[],
    ext_modules=mypycify(["--ignore-missing-imports", *files], opt_level="1", debug_level="0", group_name=group),
    script_args=["--quiet", "build_ext", "--build-lib", "made", "--parallel", "2"],
)
"""
_CHECK = """
import hashlib, sys
from services.extractor.reader import IS_COMPILED
from services.extractor.extract import pdf_to_markdown
print(IS_COMPILED, hashlib.sha256(pdf_to_markdown(sys.argv[1]).encode()).hexdigest())
"""


class CompileError(Exception):
    """The copy could not be made or does not read as it should; the text says why."""


def compiler() -> str | None:
    """The C compiler to call, or None when there is none, or no headers of this Python."""
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return None
    named = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return next((name for name in (os.environ.get("CC", ""), named, "cc", "gcc", "clang") if shutil.which(name)), None)


def make() -> Path:
    """Compile unless it is done, check the copy and put it into its place; CompileError, and nothing is left over."""
    place = machine_code.folder()
    if place.is_dir():
        return place
    program = compiler()
    if program is None:
        raise CompileError("there is no C compiler with the headers of this Python")
    place.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="building-", dir=place.parent) as temporary:
        work = Path(temporary)
        _copy_sources(work)
        files = [str(Path(*machine_code.PACKAGE.split("."), f"{name}.py")) for name in machine_code.COMPILED]
        # setuptools puts CC into the place of the compiler that this Python was built with, which may not be here.
        _run(["-c", _SETUP, machine_code.GROUP, *files], work, {"CC": program, "LDSHARED": f"{program} -shared"})
        made = work / "made"
        _check(made, work)
        try:
            made.rename(place)
        except OSError:
            if not place.is_dir():  # otherwise another process was faster
                raise
    _forget_old(place)
    return place


def _copy_sources(work: Path) -> None:
    for path in [ROOT / "services/__init__.py", *(ROOT / "services/extractor").glob("*.py"), *machine_code.sources()]:
        target = work / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (work / Path(*machine_code.PACKAGE.split("."), "__init__.py")).touch()


def _check(made: Path, work: Path) -> None:
    """Read the sample with and without the copy; CompileError when it differs or the copy was not taken."""
    from infra.sample import write_sample

    sample = work / "sample.pdf"
    write_sample(sample)
    path = {"PYTHONPATH": str(ROOT)}
    plain = _run(["-c", _CHECK, str(sample)], work, {**path, machine_code.SWITCH: "off"}).split()
    compiled = _run(["-c", _CHECK, str(sample)], work, {**path, machine_code.SWITCH: str(made)}).split()
    if plain[0] != "False" or compiled[0] != "True" or plain[1] != compiled[1]:
        raise CompileError(f"the compiled reader does not read the sample as it should: {plain}, {compiled}")


def _run(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CFLAGS", "LDFLAGS")}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**inherited, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise CompileError(f"it took more than {_SECONDS} s") from exc
    if done.returncode:
        raise CompileError((done.stderr or done.stdout).strip()[-2000:])
    return done.stdout


def _forget_old(place: Path) -> None:
    """Leave the newest copies: a process that runs on one may not have imported all of it yet."""
    others = sorted((path for path in place.parent.iterdir() if path != place), key=lambda path: path.stat().st_mtime)
    unfinished = [path for path in others if path.name.startswith("building-")]
    finished = [path for path in others if path not in unfinished]
    killed = [path for path in unfinished if time.time() - path.stat().st_mtime > 2 * _SECONDS]
    for path in [*killed, *finished[: -(_KEPT - 1)]]:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    """Exit code 0 when the reader runs as machine code from now on; what stands in the way goes to stderr."""
    try:
        make()
    except (CompileError, OSError) as exc:
        print(f"shadowtwin: the reader runs as Python, a fifth slower, because {exc}. {HINT}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
