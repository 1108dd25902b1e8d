"""Takes one guard at a time out of a copy of the tree and asks a named test whether it notices."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
COPIED = ("infra", "services", "shared", "tests", "docs", "pyproject.toml", "README.md", "ARCHITECTURE.md")
LIMIT = 300.0
SMOKE = "tests/faults/test_smoke.py"


class Lines(NamedTuple):
    """A piece of a source file, first and last line counted from 1, and what to put there."""

    first: int
    last: int
    instead: str


class Mutation(NamedTuple):
    """What is taken away, where, and which test must turn red."""

    name: str
    file: str
    function: str
    find: Callable[[ast.AST], bool]
    instead: str
    test: str


def _is_guard(*names: str) -> Callable[[ast.AST], bool]:
    """An `if` that raises and compares one of these attributes."""

    def matches(node: ast.AST) -> bool:
        if not isinstance(node, ast.If) or not isinstance(node.body[0], ast.Raise):
            return False
        return any(isinstance(part, ast.Attribute) and part.attr in names for part in ast.walk(node.test))

    return matches


def _calls(*names: str) -> Callable[[ast.AST], bool]:
    """An expression statement that calls a method of one of these names."""

    def matches(node: ast.AST) -> bool:
        call = node.value if isinstance(node, ast.Expr) else None
        return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in names

    return matches


def _whole(node: ast.AST) -> bool:
    """The first statement behind the docstring: everything, if it returns."""
    return isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Expr)


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "the fence (run and attempt)",
        "shared/transitions.py",
        "admitted",
        _is_guard("process_id", "attempt"),
        "pass",
        "tests/unit/test_transitions.py",
    ),
    Mutation(
        "the sweeper",
        "services/gateway/sweeper.py",
        "sweep",
        _whole,
        "return",
        f"{SMOKE}::test_a_worker_killed_with_the_ticket_in_its_hand",
    ),
    Mutation(
        "telling waiting events again",
        "services/gateway/sweeper.py",
        "sweep",
        _calls("look_again", "wake"),
        "pass",
        f"{SMOKE}::test_a_gateway_killed_before_it_told",
    ),
    Mutation(
        "the check of the secret",
        "services/gateway/secrets.py",
        "check",
        lambda node: isinstance(node, ast.If),
        "pass",
        "tests/wiring/test_callbacks.py",
    ),
    Mutation(
        "the attempt in the message id",
        "shared/events.py",
        "event_id",
        lambda node: isinstance(node, ast.Return),
        'return f"{job_id}:{process_id}:{step}:{subject}"',
        f"{SMOKE}::test_a_worker_killed_with_the_ticket_in_its_hand",
    ),
)


def run(*, as_json: bool = False) -> int:
    """Try all of them; 0 only if each was noticed, and nothing is red without one."""
    results = []
    with tempfile.TemporaryDirectory(prefix="shadowtwin-mutations-") as folder:
        tree = Path(folder)
        _copy(tree)
        sound = {test: _red(tree, test) is None for test in dict.fromkeys(each.test for each in MUTATIONS)}
        for mutation in MUTATIONS:
            results.append(_try(tree, mutation, sound=sound[mutation.test]))
            print(f"{'caught' if results[-1]['caught'] else 'MISSED'}  {results[-1]['note']}", file=sys.stderr)
    caught = sum(bool(result["caught"]) for result in results)
    print(json.dumps({"mutations": results, "caught": caught}) if as_json else f"{caught} of {len(results)} caught")
    return 0 if caught == len(results) else 1


def _copy(tree: Path) -> None:
    for name in COPIED:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
        else:
            shutil.copy(source, tree / name)


def _try(tree: Path, mutation: Mutation, *, sound: bool) -> dict[str, object]:
    path = tree / mutation.file
    before = path.read_text(encoding="utf-8")
    started = time.monotonic()
    try:
        path.write_text(mutated(before, mutation), encoding="utf-8")
        red = _red(tree, mutation.test)
    except LookupError as error:
        return {"name": mutation.name, "caught": False, "note": f"{mutation.name}: {error}"}
    finally:
        path.write_text(before, encoding="utf-8")
    seconds = time.monotonic() - started
    verdict = f"by {red}" if red else f"not by {mutation.test}"
    if not sound:
        verdict = f"{mutation.test} is red without it, too"
    note = f"{mutation.name}: {verdict} ({seconds:.0f} s)"
    return {"name": mutation.name, "caught": sound and red is not None, "note": note}


def mutated(source: str, mutation: Mutation) -> str:
    """The source without what the mutation takes away; LookupError if it is not there."""
    found = list(_pieces(source, mutation))
    if not found:
        raise LookupError(f"{mutation.function} in {mutation.file} has nothing of this kind")
    lines = source.splitlines()
    for piece in reversed(found):
        indent = lines[piece.first - 1][: len(lines[piece.first - 1]) - len(lines[piece.first - 1].lstrip())]
        lines[piece.first - 1 : piece.last] = [indent + piece.instead]
    return "\n".join(lines) + "\n"


def _pieces(source: str, mutation: Mutation) -> Iterator[Lines]:
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name == mutation.function:
            for node in ast.walk(function):
                if node is not function and isinstance(node, ast.stmt) and mutation.find(node):
                    yield Lines(node.lineno, node.end_lineno or node.lineno, mutation.instead)
                    if mutation.instead == "return":
                        return


def _red(tree: Path, test: str) -> str | None:
    """The first test that failed, None if all passed. A run that takes too long has failed."""
    environment = {**os.environ, "SHADOWTWIN_NATS_SERVER": _nats_server(), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--no-header", "-rfE", test]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"{test} (no end within {LIMIT:.0f} s)"
    if done.returncode == 0:
        return None
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else f"{test} (exit code {done.returncode}: {done.stdout[-300:]})"


def _nats_server() -> str:
    from infra.nats_binary import find_or_install

    return str(find_or_install())
