"""Temporary folders that do not outlive their process: what a killed one left behind, the next one removes.

Each lies in the system's place for temporary files and is locked by its process as long as it is used; a folder whose
lock can be had belongs to nobody any more. Locks end with their process, so neither pids nor clocks are believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "shadowtwin-extractor-"


class Workspace:
    """A place for temporary folders below `parent` (default: the system's)."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent or Path(tempfile.gettempdir())

    @contextlib.contextmanager
    def folder(self) -> Iterator[str]:
        """A new empty folder, removed at the end."""
        folder, lock = self._locked()
        try:
            yield str(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def sweep(self) -> int:
        """Remove the folders of processes that are gone; how many there were."""
        removed = 0
        for found in self._parent.glob(f"{_PREFIX}*"):
            lock = _lock_of(found)
            if lock is not None:
                shutil.rmtree(found, ignore_errors=True)
                os.close(lock)
                removed += 1
        return removed

    def _locked(self) -> tuple[Path, int]:
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._parent))
            lock = _lock_of(folder)
            if lock is not None and folder.exists():  # else a sweep took it for an orphan just now
                return folder, lock
            if lock is not None:
                os.close(lock)


def _lock_of(folder: Path) -> int | None:
    """The lock of `folder` as a descriptor; None if another process holds it, or the folder is not this user's."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
    except OSError:
        pass
    os.close(lock)
    return None
