"""Files of one JSON object a line, written in batches of which one bad record loses only itself (seed 001, 4B-4C)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from shared.gathering import BATCH

REPORTED_MOST = 20
"""Lost records that are named; the rest are counted."""


class Lost(NamedTuple):
    """A record that could not be written or read: its place (from 0) and, in a few words, why."""

    position: int
    reason: str


def encoded(
    records: Sequence[Any], lost: list[Lost], check: Callable[[Any], None] | None = None, size: int = BATCH
) -> Iterator[bytes]:
    """The lines of `records`, a batch at a time. A batch that fails is done again record by record, so that only what
    fails then is lost, and told in `lost`. `check` raises ValueError for a record that may not be written."""
    for start in range(0, len(records), size):
        batch = records[start : start + size]
        try:
            yield _lines(batch, check)
        except (ValueError, TypeError, RecursionError):
            kept = []
            for at, record in enumerate(batch):
                try:
                    kept.append(_lines([record], check))
                except (ValueError, TypeError, RecursionError) as error:
                    lost.append(Lost(start + at, str(error)[:200]))
            yield b"".join(kept)


def decoded(content: bytes, kind: type[Any], lost: list[Lost]) -> Iterator[Any]:
    """The records of a file; a line that is none of `kind` is left out, and told in `lost`."""
    decoder = msgspec.json.Decoder(kind)
    for at, line in enumerate(line for line in content.split(b"\n") if line.strip()):
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            lost.append(Lost(at, str(error)[:200]))


def warnings(name: str, lost: Sequence[Lost]) -> list[dict[str, str]]:
    """What a job says of lost records: one warning each, the last of very many for all the rest."""
    said = [f"{name}: record {each.position + 1} is lost: {each.reason}" for each in lost]
    said = shortened(said, f"{name}: {{}} further records are lost")
    return [{"code": "record_lost", "message": message} for message in said]


def shortened(said: Sequence[str], rest: str) -> list[str]:
    """At most REPORTED_MOST of the sentences; the last of very many is `rest`, with the number of the others for {}."""
    if len(said) <= REPORTED_MOST:
        return [*said]
    return [*said[: REPORTED_MOST - 1], rest.format(len(said) - REPORTED_MOST + 1)]


def _lines(records: Sequence[Any], check: Callable[[Any], None] | None) -> bytes:
    if check is not None:
        for record in records:
            check(record)
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)
