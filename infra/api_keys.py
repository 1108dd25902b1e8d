"""API keys on this machine: made, listed and revoked in a file of hashes, and found again by the command line.

The local stack makes one key for its own user. Where a stack runs is noted in `.shadowtwin/stacks`, so that a command
that is given an address only finds the key that belongs to it. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

STACKS = Path(__file__).resolve().parents[1] / ".shadowtwin" / "stacks"
KEYS, OWN = "api-keys.json", "client.token"
SCOPES = ("read", "write", "operate")
ALL = "*"


def make(folder: Path, scopes: list[str], libraries: list[str], note: str) -> str:
    """A new key, noted by its hash in the folder's file; this is the only time that it is seen."""
    key_id = secrets.token_hex(4)
    token = f"stw_{key_id}_{secrets.token_urlsafe(32)}"
    with _changed(folder) as keys:
        hashed = hashlib.sha256(token.encode()).hexdigest()
        keys.append({"id": key_id, "hash": hashed, "scopes": scopes, "libraries": libraries, "note": note})
    return token


def revoke(folder: Path, key_id: str) -> bool:
    """Whether there was such a key; gateways notice within seconds."""
    with _changed(folder) as keys:
        left = [key for key in keys if key["id"] != key_id]
        found = len(left) < len(keys)
        keys[:] = left
    return found


def listed(folder: Path) -> list[dict[str, Any]]:
    """The keys without their hashes."""
    return [{name: value for name, value in key.items() if name != "hash"} for key in _read(folder / KEYS)]


def make_own(folder: Path) -> None:
    """The key of the stack's own user, made once, and again when it was revoked or lost its file."""
    known = {key["hash"] for key in _read(folder / KEYS)}
    token = own(folder)
    if not token or hashlib.sha256(token.encode()).hexdigest() not in known:
        write_private(folder / OWN, make(folder, list(SCOPES), [ALL], "the local stack's own"))


def own(folder: Path) -> str:
    """That key, "" when there is none."""
    try:
        return (folder / OWN).read_text().strip()
    except OSError:
        return ""


def place_of_own(data_dir: Path) -> Path:
    """Where the stack's own user finds that key; the key itself is printed nowhere."""
    return data_dir / "secrets" / OWN


def note_stack(url: str, data_dir: Path) -> None:
    """Remember which data folder the stack at this address has; without a place for it, nothing is remembered."""
    with contextlib.suppress(OSError):
        STACKS.mkdir(parents=True, exist_ok=True)
        write_private(STACKS / f"{urlsplit(url).port}.json", json.dumps({"url": url, "dataDir": str(data_dir)}))


def forget_stack(url: str) -> None:
    """The stack at this address ends."""
    with contextlib.suppress(OSError):
        (STACKS / f"{urlsplit(url).port}.json").unlink(missing_ok=True)


def key_for(url: str) -> str:
    """The key to show to the gateway at this address: SHADOWTWIN_API_KEY, or that of the local stack there; "" if there
    is none. A key is never shown to another address than its stack's."""
    if given := os.environ.get("SHADOWTWIN_API_KEY", ""):
        return given
    try:
        noted = json.loads((STACKS / f"{urlsplit(url).port}.json").read_text())
        return own(Path(noted["dataDir"]) / "secrets") if noted["url"] == url.rstrip("/") else ""
    except (OSError, ValueError, KeyError):
        return ""


def headers(token: str) -> dict[str, str]:
    """How a client shows it."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def write_private(path: Path, content: str) -> None:
    """Whole or not at all, readable by this user only."""
    partial = path.with_suffix(".new")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(content)
    partial.replace(path)


@contextlib.contextmanager
def _changed(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """The keys, written back afterwards; one at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "api-keys.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = _read(folder / KEYS)
        yield keys
        write_private(folder / KEYS, json.dumps({"keys": keys}, indent=1))


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        keys: list[dict[str, Any]] = json.loads(path.read_text())["keys"]
        return keys
    except FileNotFoundError:
        return []
