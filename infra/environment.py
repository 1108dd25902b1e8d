"""Builds `.venv` from the hashed lock, aside, and moves it into place only when it is whole.

Installers in order: `uv` on the PATH, a private `uv` that pip puts into .shadowtwin/tools, pip itself.
Standard library only; it speaks on stderr.
"""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.bootstrap import LOCK, ROOT, STAMP, STATE, VENV, expected_stamp, is_ready

# Not one fixed name: an installer that has outlived its killed parent may still write there.
BUILDING = STATE / f"venv-building-{os.getpid()}"
TOOLS = STATE / "tools"
CACHE = STATE / "cache"
INSTALLER_LOCK = ROOT / "infra" / "installer.lock"
_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__", "PIP_TARGET")
_TAIL_CHARS = 3000


class SetupError(Exception):
    """The environment cannot be made; the text says why and what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"shadowtwin: {text}", file=sys.stderr, flush=True)


def prepare() -> None:
    """Make `.venv`; waits for another process that is at it, and then has nothing to do."""
    try:
        STATE.mkdir(exist_ok=True)
        with _alone():
            if not is_ready():
                _build()
    except OSError as exc:
        raise SetupError(f"cannot write in {ROOT}: {exc.strerror or exc}. Make it writable for this user.") from exc


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with open(STATE / "setup.lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running in this folder; waiting for it.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build() -> None:
    started = time.monotonic()
    packages = sum("==" in line for line in LOCK.read_text().splitlines())
    unfinished = list(STATE.glob("venv-building-*"))
    if unfinished or VENV.exists():
        say("the environment is unfinished or out of date; making it anew.")
    for folder in unfinished:
        shutil.rmtree(folder, ignore_errors=True)
    say(f"installing {packages} locked packages into .venv; this takes a while once ...")
    install(BUILDING, LOCK)
    _name_final_place()
    (BUILDING / STAMP).write_text(expected_stamp())
    _move_into_place()
    _compile()
    say(f"environment ready after {time.monotonic() - started:.1f} s.")


def _compile() -> None:
    """The reader's busiest modules as machine code, where there is a compiler; without it everything works as well."""
    say("compiling the reader; this takes half a minute once ...")
    python = str(VENV / "bin" / "python")
    # Its words go to the terminal: they say what to install.
    subprocess.run(
        [python, "-m", "infra.machine_code"],
        env={**_environment(), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=False,
    )


def install(folder: Path, lock: Path) -> None:
    """Make a virtual environment at `folder` with what `lock` pins, every package checked by its hash; SetupError."""
    uv = _find_uv()
    if uv is None:
        _install_with_pip(_venv_maker(), folder, lock)
    else:
        _install_with_uv(uv, folder, lock)


def _install_with_uv(uv: str, folder: Path, lock: Path) -> None:
    _run([uv, "venv", "--quiet", "--python", _base_python(), str(folder)], "uv could not make a virtual environment")
    command = [uv, "pip", "install", "--python", str(folder / "bin" / "python"), "--require-hashes", "-r", str(lock)]
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    _run([*command, *quiet], "The packages could not be installed", shown=not quiet)


def _install_with_pip(maker: list[str], folder: Path, lock: Path) -> None:
    _run([*maker, str(folder)], "Python could not make a virtual environment")
    python = str(folder / "bin" / "python")
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    _run([*command, "-r", str(lock)], "The packages could not be installed")


def _find_uv() -> str | None:
    for candidate in (shutil.which("uv"), str(TOOLS / "bin" / "uv")):
        if candidate and _works([candidate, "--version"]):
            return candidate
    return _fetch_uv()


def _fetch_uv() -> str | None:
    """A private copy of the wheel `uv`, by whatever pip there is; None if there is none or it has no such wheel."""
    if _works([_base_python(), "-m", "pip", "--version"]):
        pip = [_base_python(), "-m", "pip"]
    elif importlib.util.find_spec("ensurepip") is not None:
        seed = STATE / "pip"
        _remove(seed)
        _run([_base_python(), "-m", "venv", str(seed)], "Python could not make a virtual environment")
        pip = [str(seed / "bin" / "python"), "-m", "pip"]
    else:
        return None
    say("no uv on the PATH; fetching a private copy into .shadowtwin/tools ...")
    fresh = STATE / "tools-building"
    _remove(fresh)
    command = [*pip, "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    fetched = _works([*command, "--require-hashes", "-r", str(INSTALLER_LOCK), "--target", str(fresh)], seconds=300)
    _remove(STATE / "pip")
    if not fetched or not _works([str(fresh / "bin" / "uv"), "--version"]):
        say("that did not work; using pip alone, which is slower.")
        _remove(fresh)
        return None
    _remove(TOOLS)
    fresh.rename(TOOLS)
    return str(TOOLS / "bin" / "uv")


def _base_python() -> str:
    """The Python behind a virtual environment: the old `.venv` is about to go."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def _venv_maker() -> list[str]:
    """The command that makes an environment with pip in it; SetupError says what to install if there is none."""
    if importlib.util.find_spec("ensurepip") is not None:
        return [_base_python(), "-m", "venv"]
    if program := shutil.which("virtualenv"):
        return [program, "--quiet", "--python", _base_python()]
    if _works([_base_python(), "-m", "virtualenv", "--version"]):
        return [_base_python(), "-m", "virtualenv", "--quiet"]
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise SetupError(
        f"this Python {version} ({_base_python()}) has neither pip nor the module ensurepip.\n"
        f"  Debian, Ubuntu: sudo apt install python{version}-venv\n"
        "  or install uv, which needs neither of them, and run this again."
    )


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    environment |= {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "UV_PYTHON_DOWNLOADS": "never"}
    # Everything stays beside the project; whoever has chosen a cache keeps it.
    environment.setdefault("UV_CACHE_DIR", str(CACHE / "uv"))
    environment.setdefault("PIP_CACHE_DIR", str(CACHE / "pip"))
    return environment


def _run(command: Sequence[str], problem: str, shown: bool = False) -> None:
    output = sys.stderr if shown else subprocess.PIPE
    try:
        done = subprocess.run(
            command, env=_environment(), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    except OSError as exc:
        raise SetupError(f"{problem}: {exc}") from exc
    if done.returncode != 0:
        told = (done.stdout or b"").decode(errors="replace").strip()[-_TAIL_CHARS:]
        raise SetupError(f"{problem} (exit code {done.returncode}).\n{told}".rstrip())


def _works(command: Sequence[str], seconds: float = 30) -> bool:
    try:
        done = subprocess.run(command, env=_environment(), capture_output=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _name_final_place() -> None:
    """Scripts name the folder they were installed to: let them name the one they are moved to."""
    before, after = os.fsencode(BUILDING), os.fsencode(VENV)
    for path in [*(BUILDING / "bin").iterdir(), BUILDING / "pyvenv.cfg"]:
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes()
        if before in text and b"\0" not in text:
            path.write_bytes(text.replace(before, after))


def _move_into_place() -> None:
    old = STATE / "venv-old"
    _remove(old)
    if VENV.exists() or VENV.is_symlink():
        VENV.rename(old)
    BUILDING.rename(VENV)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
