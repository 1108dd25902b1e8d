"""Checks the container file, compose, the broker's configuration and the manifests. Nothing is downloaded, no engine,
cluster or Kubernetes tool is needed; what a machine lacks is said in the finding, not passed over."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.deployment.manifests import manifest_findings
from infra.nats_binary import find_or_install
from infra.nats_users import FILE, OPERATOR, PASSWORDS, password_variable, rendered, users

INFRA = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent


def findings(infra: Path = INFRA) -> list[str]:
    """What is wrong with the files below `infra`, each with the file it is about; empty when all is well."""
    checks: Sequence[Callable[[Path], list[str]]] = (
        dockerfile_findings,
        compose_findings,
        broker_findings,
        lambda folder: manifest_findings(folder / "kubernetes"),
    )
    return [line for check in checks for line in check(infra)]


def dockerfile_findings(infra: Path) -> list[str]:
    """hadolint's, where its package has a program for this machine (Linux, macOS)."""
    linter = TOOLS / "hadolint"
    if not linter.exists():
        return [] if sys.platform == "win32" else [f"{infra / 'Dockerfile'}: hadolint is not installed"]
    return _told([str(linter), "--no-color", str(infra / "Dockerfile")])


def compose_findings(infra: Path) -> list[str]:
    """By the schema of compose files that check-jsonschema carries."""
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "--color", "never"]
    return _told([*command, str(infra / "compose.yaml")])


def broker_findings(infra: Path) -> list[str]:
    """By the server itself, with passwords of its own; and the users must be those of the route."""
    if (infra / FILE.name).read_text(encoding="utf-8") != rendered():
        return [f"{infra / FILE.name}: not what the route says; run `python -m infra.nats_users`"]
    with tempfile.TemporaryDirectory(prefix="shadowtwin-nats-") as folder:
        for name in ("nats.conf", FILE.name):
            shutil.copy(infra / name, folder)
        lines = [f'{password_variable(name)}: "a-password-that-is-only-tried"' for name in (OPERATOR, *users())]
        (Path(folder) / PASSWORDS).write_text("\n".join(lines), encoding="utf-8")
        return _told([str(find_or_install()), "-t", "-c", str(Path(folder) / "nats.conf")])


def _told(command: list[str]) -> list[str]:
    """What a checker says when it is not content."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 0:
        return []
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return said or [f"{Path(command[0]).name} ended with {done.returncode}"]
