"""What the local stack keeps in its data folder beside the data: credentials, and who uses the stack."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

from infra.api_keys import make_own, write_private

WORKERS = ("extractor", "transformer", "ingestor")


def make_credentials(folder: Path) -> None:
    """A credential for each worker, made once, readable by this user only; the gateway gets the hashes."""
    hashes = {}
    for service in WORKERS:
        path = folder / f"{service}.token"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        hashes[service] = hashlib.sha256(path.read_text().strip().encode()).hexdigest()
    write_private(folder / "credentials.json", json.dumps(hashes))
    make_own(folder)


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
