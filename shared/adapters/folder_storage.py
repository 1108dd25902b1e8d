"""Storage in a folder. An object is written beside its place, made durable, and then renamed: it appears whole.

The folder holds what keys name; what is being written lies in its hidden subfolder, on the same file system, so that a
rename is atomic.
A folder cannot hold both an object `a` and an object `a/b`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, ParamSpec, TypeVar

from shared.adapters import folder_files as files
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


class FolderStorage:
    """The Storage port on a local folder; any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._objects = folder
        self._incoming = folder / INCOMING
        self._swept = False
        self._nameless: bool | None = None

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
            await _to_end(files.discard, unfinished)
        return Artefact(key=key, sha256=digest, size=size)

    async def read(self, key: str) -> bytes:
        """The whole object."""
        with read(key):
            return await asyncio.to_thread(self._path(key).read_bytes)

    async def stream(self, key: str, chunk: int = PIECE) -> AsyncIterator[bytes]:
        """The object in pieces, as it was when the reading began."""
        with read(key):
            file = await _opened(lambda: files.opened(self._path(key)), lambda opened: opened.close())
        try:
            while piece := await _to_end(files.next_piece, key, file, chunk):
                yield piece
        finally:
            file.close()

    async def stat(self, key: str) -> int | None:
        """Its size, or None."""
        path = self._path(key)
        return await asyncio.to_thread(files.size_of, path)

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
            return await asyncio.to_thread(files.remove_tree, self._path(prefix))

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key below, in order."""
        root = self._path(prefix)
        for path in await asyncio.to_thread(lambda: sorted(files.files_below(root))):
            yield path.relative_to(self._objects).as_posix()

    async def names(self, prefix: str) -> AsyncIterator[str]:
        """The names in the folder; one that holds nothing but empty folders may be among them."""
        root = self._path(prefix) if prefix else self._objects
        for name in await asyncio.to_thread(files.names_in, root):
            if name != INCOMING:
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
                files.write_all(file, content)
                files.flush(file)
            self._place(unfinished, target)
        finally:
            files.discard(unfinished)
        return Artefact(key=key, sha256=hashlib.sha256(content).hexdigest(), size=len(content))

    async def _receive(self, unfinished: Path, content: AsyncIterator[bytes]) -> tuple[int, str]:
        digest, size, waiting = hashlib.sha256(), 0, bytearray()

        def store(piece: bytes, *, last: bool = False) -> None:
            digest.update(piece)
            with told():
                files.write_all(file, piece)
                if last:
                    files.flush(file)

        file, nameless = await _opened(lambda: self._start_stream(unfinished), lambda started: started[0].close())
        try:
            async for piece in content:
                size += len(piece)
                waiting += piece
                if len(waiting) >= PIECE:
                    await _to_end(store, bytes(waiting))
                    waiting.clear()
            await _to_end(store, bytes(waiting), last=True)
            if nameless:
                with told():
                    await _to_end(files.give_name, file, unfinished)
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

    def _start_stream(self, unfinished: Path) -> tuple[BinaryIO, bool]:
        """A stream may end with its process: where the file system can do that, it has no name until it is whole."""
        with told():
            self._prepare()
            if self._nameless is None:
                self._nameless = files.can_be_nameless(self._incoming)
            file = files.anonymous(self._incoming) if self._nameless else None
        return (file, True) if file is not None else (self._start(unfinished), False)

    def _prepare(self) -> None:
        files.make_folders(self._incoming)
        if not self._swept:
            self._swept = True
            files.remove_older(self._incoming, ABANDONED_SECONDS)

    def _place(self, file: Path, target: Path) -> None:
        with told():
            for left in (2, 1, 0):
                files.make_folders(target.parent)
                try:
                    os.replace(file, target)
                    break
                except FileNotFoundError:
                    # Somebody removed the empty folder in between; a missing file itself would not come back.
                    if not left or not file.exists():
                        raise
            files.sync_folder(target.parent)

    def _copy(self, key: str, source: Path, target: Path) -> None:
        unfinished = self._new_name()
        try:
            with told():
                self._prepare()
                with found(key):
                    if not files.linked(source, unfinished):
                        files.copy_bytes(source, unfinished)
            self._place(unfinished, target)
        finally:
            # Also after success: renaming one name of a file to another of its names does nothing.
            files.discard(unfinished)


async def _opened(open_it: Callable[[], T], close: Callable[[T], None]) -> T:
    """As `_to_end`, for what has to be closed again: a cancelled caller never sees it, so it is closed here."""
    task = asyncio.ensure_future(asyncio.to_thread(open_it))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if task.exception() is None:
            close(task.result())
        raise


async def _to_end(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run in a thread; a cancelled caller still waits for it, so that nobody closes the file under its hands."""
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
