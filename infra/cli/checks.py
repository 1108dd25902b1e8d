"""`test`: format, lint, types, import contracts and all tests; exactly what CI runs. Writes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PYTHON_FOLDERS = ["shared", "services", "infra", "tests"]

HALVES = (["contract", "e2e", "faults"], ["conformance", "unit", "wiring"])
"""Folders of tests that run beside each other: the first half mostly waits for processes, the second computes."""

CHECKS: list[tuple[str, list[str]]] = [
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy", *PYTHON_FOLDERS]),
    ("imports", ["lint-imports"]),
    ("deployment", ["python", "-m", "infra.deployment"]),
]


def test(arguments: list[str]) -> int:
    """Run every check, then pytest with the arguments; with arguments given only pytest runs."""
    tools = Path(sys.executable).parent
    failed = []
    if not arguments:
        for name, command in CHECKS:
            started = time.monotonic()
            done = subprocess.run([tools / command[0], *command[1:]], cwd=REPO, capture_output=True, text=True)
            verdict, seconds = "ok" if done.returncode == 0 else "FAILED", time.monotonic() - started
            print(f"{name}: {verdict} ({seconds:.1f} s)", flush=True)
            if done.returncode != 0:
                failed.append(name)
                print(done.stdout[-8000:], done.stderr[-4000:], flush=True)
    from infra.nats_binary import find_or_install

    environment = {**os.environ, "SHADOWTWIN_NATS_SERVER": str(find_or_install())}
    tested = _pytest(arguments, environment) if arguments else _halves(environment)
    if failed:
        print(f"checks failed: {', '.join(failed)}", file=sys.stderr)
    return tested or (1 if failed else 0)


def _pytest(arguments: list[str], environment: dict[str, str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=REPO, env=environment).returncode


def _halves(environment: dict[str, str]) -> int:
    """All tests; what the second half says is shown when the first one has ended."""
    shown, hidden = ([str(Path("tests", name)) for name in half] for half in HALVES)
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "pytest", *hidden]
        beside = subprocess.Popen(command, cwd=REPO, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            first = _pytest(shown, environment)
            second = beside.wait()
        except BaseException:
            beside.terminate()
            beside.wait()
            raise
        said.seek(0)
        print(said.read().decode(errors="replace"), flush=True)
    return first or second
