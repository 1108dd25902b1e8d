"""API keys: who may call the API. A file that an operator or the local stack has made holds their hashes, never a key.

`{"keys": [{"id", "hash", "scopes": ["read", "write", "operate"], "libraries": ["*"] or names}]}`; a key is
`stw_{id}_{secret}`, its hash the SHA-256 of the whole of it. The file is looked at again every few seconds, so that a
key that was taken out of it opens nothing any more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from hmac import compare_digest
from pathlib import Path
from typing import Literal

import msgspec

from services.gateway.secrets import hash_of
from shared.errors import ConfigurationError

logger = logging.getLogger("access")

Scope = Literal["read", "write", "operate"]
ALL = "*"
LOOK_SECONDS = 2.0
_NOBODY = "0" * 64


class Key(msgspec.Struct, frozen=True):
    """One key, without its secret. `libraries` is ["*"] for all."""

    id: str
    hash: str
    scopes: tuple[Scope, ...]
    libraries: tuple[str, ...]
    note: str = ""

    def reaches(self, library: str) -> bool:
        """Whether the key is bound to the library, or to none in particular."""
        return ALL in self.libraries or library in self.libraries


class _File(msgspec.Struct, frozen=True):
    keys: list[Key]


class KeyRing:
    """The keys of one file. Raises ConfigurationError when it cannot be read at the start; later they stay."""

    def __init__(self, path: Path | None) -> None:
        if path is None:
            raise ConfigurationError(
                "misconfigured",
                "SHADOWTWIN_API_KEYS_FILE is not set: it names the API keys' hashes.",
                hint="Make one with `./shadowtwin keys make`.",
            )
        self._path, self._read_at, self._looked = path, 0, time.monotonic()
        self._keys: dict[str, Key] = {}
        self._load()

    async def find(self, token: str) -> Key | None:
        """The key that this is, or None. The time it takes does not tell how much of it was right."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            await asyncio.to_thread(self._look)
        parts = token.split("_", 2)
        key = self._keys.get(parts[1]) if len(parts) == 3 else None
        same = compare_digest(hash_of(token), key.hash if key else _NOBODY)
        return key if same else None

    def _look(self) -> None:
        try:
            self._load()
        except ConfigurationError as error:
            logger.error("the API keys stay as they were", extra={"reason": error.message})

    def _load(self) -> None:
        try:
            changed = self._path.stat().st_mtime_ns
            if changed == self._read_at:
                return
            self._keys = {key.id: key for key in msgspec.json.decode(self._path.read_bytes(), type=_File).keys}
        except (OSError, msgspec.MsgspecError) as error:
            raise ConfigurationError(
                "misconfigured", f"SHADOWTWIN_API_KEYS_FILE: {self._path} cannot be read as keys ({error})."
            ) from error
        self._read_at = changed
