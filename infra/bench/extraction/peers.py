"""The environment of the peers: made on demand from peers.lock, apart from the product's own.

Their versions are theirs to choose, and the product's lock stays clean of them.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from infra.bootstrap import STAMP, STATE
from infra.environment import SetupError, install, say

LOCK = Path(__file__).resolve().parent.parent / "peers.lock"


def peers_python(lock: Path = LOCK) -> Path | None:
    """The Python of the peers' environment of that lock; None, with a word about why, where it cannot be made."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    folder = STATE / f"peers-{digest[:12]}"
    if not (folder / STAMP).is_file():
        say("making the environment of the peers; this takes a while once ...")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            install(folder, lock)
        except (SetupError, OSError) as exc:
            say(f"no peers to compare with: {exc}")
            return None
        (folder / STAMP).write_text(digest)
    return folder / "bin" / "python"
