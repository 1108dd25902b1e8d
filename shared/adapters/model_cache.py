"""Paid answers as artefacts: `{library}/{document}/ai/{hash}.json`, written before the answer is used.

The hash covers prompt, schema, data, images and model: a file never changes its meaning, so workers may write it at
once, outside of their attempt's folder.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import msgspec

from shared.costs import Charge
from shared.errors import ShadowtwinError
from shared.job import utc_now
from shared.ports import Storage

logger = logging.getLogger("models")


class StoredAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`error` instead of a value is an answer that cannot be used: the run that paid for it does not ask again."""

    key: str
    run: str
    purpose: str
    model: str
    prompt_hash: str
    input_hash: str
    charges: list[Charge]
    at: datetime
    value: Any = None
    error: str = ""
    message: str = ""


class AnswerCache:
    """Over the twin's storage; without a folder nothing is kept."""

    def __init__(self, storage: Storage | None) -> None:
        self._storage = storage

    async def read(self, folder: str, key: str) -> StoredAnswer | None:
        """The answer to this question; None if there is none that can be read."""
        if self._storage is None or not folder:
            return None
        try:
            if await self._storage.stat(_path(folder, key)) is None:
                return None
            stored = msgspec.json.decode(await self._storage.read(_path(folder, key)), type=StoredAnswer)
        except (ShadowtwinError, msgspec.MsgspecError) as error:
            logger.warning("a stored answer cannot be read", extra={"key": key, "reason": type(error).__name__})
            return None
        return stored if stored.key == key else None

    async def write(self, folder: str, answer: StoredAnswer) -> None:
        """Store atomically; on return a crash costs nothing any more."""
        if self._storage is not None and folder:
            await self._storage.write(_path(folder, answer.key), msgspec.json.format(msgspec.json.encode(answer)))


def now() -> datetime:
    """When an answer was paid."""
    return utc_now()


def _path(folder: str, key: str) -> str:
    return f"{folder}/{key}.json"
