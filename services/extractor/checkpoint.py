"""The extract phase's checkpoint: finished pages in part files, so that a crash costs only the pages in flight.

A part holds what the child had sent up to a page. Everything that is reported as done lies in a part before it is
reported; the next attempt, which starts behind the last part, reads them instead of the PDF.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from shared.errors import ShadowtwinError
from shared.job import Artefact
from shared.manifest import File
from shared.ports import Storage


class Part(msgspec.Struct, frozen=True):
    """Messages of whole pages, without image bytes: those are files of the attempt, listed here."""

    messages: list[dict[str, Any]]
    files: list[File]


class Checkpoint(msgspec.Struct, frozen=True):
    """What is stored so far: parts in order, the last finished page, and what the parts were made from.

    `lost` are places that no later attempt of the run touches again, with the error code of each; a requeue is a new
    run and tries them again.
    """

    made_from: str = ""
    last_page: int = 0
    parts: list[Artefact] = []
    lost: dict[str, str] = {}


def read_checkpoint(stored: dict[str, Any], made_from: str) -> Checkpoint:
    """The checkpoint of an earlier attempt; an empty one if there is none or its input was another."""
    try:
        found = msgspec.convert(stored, Checkpoint)
    except msgspec.ValidationError:
        return Checkpoint(made_from)
    return found if found.made_from == made_from else Checkpoint(made_from)


async def read_parts(storage: Storage, checkpoint: Checkpoint) -> list[Part] | None:
    """The parts, each checked against its hash; None when any is missing or changed: then all is read again."""
    parts = []
    for artefact in checkpoint.parts:
        try:
            content = await storage.read(artefact.key)
        except ShadowtwinError:
            return None
        if hashlib.sha256(content).hexdigest() != artefact.sha256:
            return None
        parts.append(msgspec.msgpack.decode(content, type=Part))
    return parts


def encode_part(messages: Iterable[dict[str, Any]], files: Iterable[File]) -> bytes:
    """The bytes of a part file."""
    return msgspec.msgpack.encode(Part(list(messages), list(files)))
