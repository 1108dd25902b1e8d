"""Storage in a folder. An object is written beside its place, made durable, and then renamed: it appears whole.

The folder holds what keys name; what is being written lies in its hidden subfolder, on the same file system, so that a
rename is atomic.
A folder cannot hold both an object `a` and an object `a/b`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from shared.adapters.storage_failure import found, read, told
from shared.adapters.storage_key import check_key
from shared.errors import RequestError, ShadowtwinError
from shared.job import Artefact

P = ParamSpec("P")
T = TypeVar("T")
PIECE = 1 << 20
INCOMING = ".incoming"
ABANDONED_SECONDS = 24 * 3600
"""Age at which an unfinished file belongs to a process that is gone."""
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class FolderStorage:
    """The Storage port on a local folder; any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder
        self._incoming = folder / INCOMING
        self._swept = False

    async def write(self, key: str, content: bytes | AsyncIterator[bytes]) -> Artefact:
        """Store atomically and durably, hashing on the way."""
        target = self._path(key)
        if isinstance(content, bytes):
            return await asyncio.to_thread(self._write_whole, key, target, content)
        unfinished = self._new_name()
        try:
            size, digest = await self._receive(unfinished, content)
            await _to_end(self._place, unfinished, target)
        finally:
            await _to_end(_discard, unfinished)
        return Artefact(key=key, sha256=digest, size=size)

    async def read(self, key: str) -> bytes:
        """The whole object."""
        with read(key):
            return await asyncio.to_thread(self._path(key).read_bytes)

    async def stream(self, key: str, chunk: int = PIECE) -> AsyncIterator[bytes]:
        """The object in pieces, as it was when the reading began."""
        with read(key):
            file = await _to_end(_open, self._path(key))
        try:
            while piece := await _to_end(_next_piece, key, file, chunk):
                yield piece
        finally:
            file.close()

    async def stat(self, key: str) -> int | None:
        """Its size, or None."""
        path = self._path(key)
        return await asyncio.to_thread(_size, path)

    async def copy(self, source: str, target: str) -> None:
        """A second name for the same bytes where the file system can do that, else a copy."""
        await asyncio.to_thread(self._copy, source, self._path(source), self._path(target))

    async def delete(self, key: str) -> None:
        """Remove one object."""
        path = self._path(key)
        with told(), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            await asyncio.to_thread(path.unlink)

    async def delete_prefix(self, prefix: str) -> int:
        """Remove the folder with everything in it."""
        with told():
            return await asyncio.to_thread(_remove_tree, self._path(prefix))

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key below, in order."""
        root = self._path(prefix)
        for path in await asyncio.to_thread(lambda: sorted(_files(root))):
            yield path.relative_to(self._objects).as_posix()

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """The names in the folder; one that holds nothing but empty folders may be among them."""
        root = self._path(prefix) if prefix else self._objects
        for name in await asyncio.to_thread(_names, root):
            yield name

    async def local_path(self, key: str, directory: str) -> str:
        """The file itself. It must only be read: a copy may share its bytes."""
        if await self.stat(key) is None:
            raise ShadowtwinError("artefact_missing")
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        if check_key(key).split("/", 1)[0] == INCOMING:
            raise RequestError("bad_request", "This storage key names the folder of unfinished files.")
        return self._objects / key

    # blocking parts, in threads

    def _write_whole(self, key: str, target: Path, content: bytes) -> Artefact:
        unfinished = self._new_name()
        try:
            with self._start(unfinished) as file, told():
                _write_all(file, content)
                _flush(file)
            self._place(unfinished, target)
        finally:
            _discard(unfinished)
        return Artefact(key=key, sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    async def _receive(self, unfinished: Path, content: AsyncIterator[bytes]) -> tuple[int, str]:
        digest, size, waiting = hashlib.sha256(), 0, bytearray()

        def store(piece: bytes, *, last: bool = False) -> None:
            digest.update(piece)
            with told():
                _write_all(file, piece)
                if last:
                    _flush(file)

        file = await _to_end(self._start, unfinished)
        try:
            async for piece in content:
                size += len(piece)
                waiting += piece
                if len(waiting) >= PIECE:
                    await _to_end(store, bytes(waiting))
                    waiting.clear()
            await _to_end(store, bytes(waiting), last=True)
        finally:
            file.close()
        return size, digest.hexdigest()

    def _new_name(self) -> Path:
        return self._incoming / uuid.uuid4().hex

    def _start(self, unfinished: Path) -> BinaryIO:
        with told():
            self._prepare()
            # Unbuffered: pieces are large, and a full disk is then met by `write`, never by `close`.
            return open(unfinished, "xb", buffering=0)

    def _prepare(self) -> None:
        _make_folders(self._incoming)
        if not self._swept:
            self._swept = True
            _remove_abandoned(self._incoming)

    def _place(self, file: Path, target: Path) -> None:
        with told():
            for left in (2, 1, 0):
                _make_folders(target.parent)
                try:
                    os.replace(file, target)
                    break
                except FileNotFoundError:
                    # Somebody removed the empty folder in between; a missing file itself would not come back.
                    if not left or not file.exists():
                        raise
            _sync_folder(target.parent)

    def _copy(self, key: str, source: Path, target: Path) -> None:
        unfinished = self._new_name()
        try:
            with told():
                self._prepare()
                with found(key):
                    if not _linked(source, unfinished):
                        _copy_bytes(source, unfinished)
            self._place(unfinished, target)
        finally:
            # Also after success: renaming one name of a file to another of its names does nothing.
            _discard(unfinished)


async def _to_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in a thread; a cancelled caller still waits for it, so that nobody closes the file under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _open(path: Path) -> BinaryIO:
    return open(path, "rb")


def _next_piece(key: str, file: BinaryIO, chunk: int) -> bytes:
    with read(key):
        return file.read(chunk)


def _write_all(file: BinaryIO, content: bytes) -> None:
    """An unbuffered write may store a part only and say so by its result alone: on a nearly full disk it does."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def _flush(file: BinaryIO) -> None:
    os.fsync(file.fileno())


def _discard(unfinished: Path) -> None:
    with contextlib.suppress(OSError):
        unfinished.unlink(missing_ok=True)


def _size(path: Path) -> int | None:
    try:
        entry = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return entry.st_size if stat.S_ISREG(entry.st_mode) else None


def _linked(source: Path, name: Path) -> bool:
    try:
        os.link(source, name)
        return True
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False


def _copy_bytes(source: Path, name: Path) -> None:
    with open(source, "rb") as origin, open(name, "xb") as copy:
        shutil.copyfileobj(origin, copy, PIECE)
        copy.flush()
        _flush(copy)


def _make_folders(folder: Path) -> None:
    """Make the folder and its parents, each durable in its own parent."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(root: Path) -> Iterator[Path]:
    return (Path(folder) / name for folder, _, names in os.walk(root) for name in names)


def _names(root: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(name for name in os.listdir(root) if name != INCOMING)
    return []


def _remove_tree(root: Path) -> int:
    count = 0
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (Path(folder) / name).unlink()
                count += 1
        # Not empty: somebody has just written there.
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return count


def _remove_abandoned(folder: Path) -> None:
    limit = time.time() - ABANDONED_SECONDS
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()
