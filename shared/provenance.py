"""What a step's files were made with: versions and settings that govern the result, noted in the step's manifest."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterable
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from shared.version import VERSION


def made_with(libraries: Iterable[str], settings: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """The note: version of the system, of the libraries that decide about the result ("" for one that is not
    installed), and settings. Nothing secret may be given."""
    versions = {"python": platform.python_version(), **{name: installed(name) for name in libraries}}
    return {"version": VERSION, "libraries": versions, "settings": settings, **facts}


@functools.cache
def installed(distribution: str) -> str:
    """The version of an installed distribution, "" if there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


@functools.cache
def source_digest(folder: Path) -> str:
    """A digest of the Python sources of a package: the same for compiled and interpreted modules."""
    digest = sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:32]
