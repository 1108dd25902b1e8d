"""The lock files: every package hashed, no address of any registry, everything that pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = [ROOT / "requirements.lock", ROOT / "infra" / "installer.lock", ROOT / "infra" / "bench" / "peers.lock"]


def entries(lock: Path) -> list[str]:
    """One logical line for each package, comments left out."""
    text = re.sub(r"^\s*#.*$", "", lock.read_text(), flags=re.MULTILINE)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_package_is_pinned_and_hashed(lock: Path) -> None:
    assert entries(lock)
    for entry in entries(lock):
        assert re.match(r"^[A-Za-z0-9._\[\],-]+==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_address_is_recorded(lock: Path) -> None:
    for word in ("://", "--index-url", "--extra-index-url", "--find-links", "--trusted-host", " @ ", "file:"):
        assert word not in lock.read_text(), word


def test_the_lock_holds_everything_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {re.split(r"[^A-Za-z0-9._-]", line)[0] for line in asked}
    locked = {re.split(r"==|\[", entry)[0] for entry in entries(LOCKS[0])}
    assert {normal(name) for name in names} - {normal(name) for name in locked} == set()


def normal(name: str) -> str:
    """Registry names compare without case and with one kind of dash."""
    return re.sub(r"[-_.]+", "-", name).lower()
