"""What the local stack keeps in its data folder beside the data: credentials, and who uses the stack."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

WORKERS = ("extractor", "transformer", "ingestor")


def make_credentials(folder: Path) -> None:
    """A credential for each worker, made once, readable by this user only; the gateway gets the hashes."""
    hashes = {}
    for service in WORKERS:
        path = folder / f"{service}.token"
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(32))
        hashes[service] = hashlib.sha256(path.read_text().strip().encode()).hexdigest()
    _write_private(folder / "credentials.json", json.dumps(hashes))


def _write_private(path: Path, content: str) -> None:
    partial = path.with_suffix(".new")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(content)
    partial.replace(path)


@contextlib.contextmanager
def guest(data_dir: Path) -> Iterator[None]:
    """While a command uses a stack that another command has started: that one waits for it before it stops."""
    with open(data_dir / "stack.guests", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def wait_for_guests(data_dir: Path) -> None:
    """Until no other command uses the stack any more."""
    with open(data_dir / "stack.guests", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def running_stack(data_dir: Path) -> str | None:
    """The API address of the stack that serves this folder, if one does."""
    try:
        with open(data_dir / "stack.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return None
    except OSError:
        pass
    try:
        url: str = json.loads((data_dir / "stack.json").read_text())["apiUrl"]
        return url
    except (OSError, ValueError, KeyError):
        return None
