"""What a failing file system means to storage: an object is missing, or reading or writing was refused."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

from shared.errors import ConfigurationError, ShadowtwinError, TransientError

_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_LASTING = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def found(key: str) -> Iterator[None]:
    """A missing object as artefact_missing."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ShadowtwinError("artefact_missing", f"There is no artefact {key!r} in storage.") from error


@contextlib.contextmanager
def read(key: str) -> Iterator[None]:
    """A missing object as artefact_missing, a disk that cannot be read as transient."""
    try:
        with found(key):
            yield
    except OSError as error:
        raise TransientError("unavailable", f"Storage cannot be read now ({error.strerror}).") from error


@contextlib.contextmanager
def told() -> Iterator[None]:
    """What the operating system refused, as storage_write_failed with the right category."""
    try:
        yield
    except OSError as error:
        message = f"The storage folder refused to write ({error.strerror})."
        kinds: dict[Any, type[ShadowtwinError]] = dict.fromkeys(_PASSING, TransientError)
        kinds |= dict.fromkeys(_LASTING, ConfigurationError)
        raise kinds.get(error.errno, ShadowtwinError)("storage_write_failed", message) from error
