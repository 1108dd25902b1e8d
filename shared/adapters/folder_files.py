"""What a folder storage does with files: everything here blocks and belongs into a thread."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from shared.adapters.storage_failure import read

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def opened(path: Path) -> BinaryIO:
    """The file for reading."""
    return open(path, "rb")


def next_piece(key: str, file: BinaryIO, chunk: int) -> bytes:
    """The next bytes of an object; a failure is told as one of `key`."""
    with read(key):
        return file.read(chunk)


def write_all(file: BinaryIO, content: bytes) -> None:
    """An unbuffered write may store a part only and say so by its result alone: on a nearly full disk it does."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def flush(file: BinaryIO) -> None:
    """Make the content durable."""
    os.fsync(file.fileno())


def anonymous(folder: Path) -> BinaryIO | None:
    """A file without a name, which is gone when its process is killed; None where there are none."""
    try:
        fd = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):
        return None
    return open(fd, "wb", buffering=0)


def give_name(file: BinaryIO, name: Path) -> None:
    """Make the name of an `anonymous` file; raises OSError where that cannot be done."""
    # With a directory's descriptor, which an absolute path does not use, Python follows the link that /proc shows.
    os.link(f"/proc/self/fd/{file.fileno()}", name, src_dir_fd=file.fileno(), follow_symlinks=True)


def can_be_nameless(folder: Path) -> bool:
    """Whether files in this folder can be written without a name and get one afterwards."""
    file, name = anonymous(folder), folder / f"probe-{uuid.uuid4().hex}"
    if file is None:
        return False
    with file:
        try:
            give_name(file, name)
        except OSError:
            return False
        finally:
            discard(name)
    return True


def discard(unfinished: Path) -> None:
    """Remove what was not finished, if it is there."""
    with contextlib.suppress(OSError):
        unfinished.unlink(missing_ok=True)


def size_of(path: Path) -> int | None:
    """The size of a file, or None when there is none."""
    try:
        entry = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return entry.st_size if stat.S_ISREG(entry.st_mode) else None


def linked(source: Path, name: Path) -> bool:
    """Whether `name` could be made a second name of the same bytes."""
    try:
        os.link(source, name)
        return True
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False


def copy_bytes(source: Path, name: Path) -> None:
    """A durable copy."""
    with open(source, "rb") as origin, open(name, "xb") as copy:
        shutil.copyfileobj(origin, copy, 1 << 20)
        copy.flush()
        flush(copy)


def make_folders(folder: Path) -> None:
    """Make the folder and its parents, each durable in its own parent."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files_below(root: Path) -> Iterator[Path]:
    """Every file below."""
    return (Path(folder) / name for folder, _, names in os.walk(root) for name in names)


def names_in(root: Path) -> list[str]:
    """What the folder holds, by name; nothing when there is no folder."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return sorted(name for name in os.listdir(root))
    return []


def remove_tree(root: Path) -> int:
    """Remove everything below; how many files that were."""
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


def remove_older(folder: Path, seconds: float) -> None:
    """Remove the files that nobody has written to for so long."""
    limit = time.time() - seconds
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()
