"""What a child process of the extractor is asked for. Imports no PDF library: the parent uses it too."""

from __future__ import annotations

import msgspec

from services.extractor.caps import Caps
from services.extractor.reading import Reading

READER = "fast-7"
"""Name and version of the reader; part of every transcript's fingerprint, so that a better one makes it stale."""

PICTURES = "pictures-2"
"""Version of how pictures are taken out and referred to; part of the fingerprint as well."""


class Task(msgspec.Struct, frozen=True):
    """What the child is asked for: a local file, its expected SHA-256 ("" to skip the check), and limits.

    When pages up to `first` - 1 are known from an earlier attempt, `seen` and `hashes` hold the images found on them:
    name by fingerprint, SHA-256 by name. `lost` names places where earlier children died, with the error code of each:
    they are not touched again (`services.extractor.places`).
    """

    path: str
    sha256: str = ""
    images: bool = True
    figures: bool = False
    previews: bool = False
    first: int = 1
    seen: dict[str, str] = {}
    hashes: dict[str, str] = {}
    lost: dict[str, str] = {}
    caps: Caps = Caps()
    reading: Reading = Reading()
    max_pages: int = 5000
    password: str = ""
    respect_permissions: bool = False
