"""What a report says, made safe for the job document: no control characters, no endless values, no forged fields."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from shared.costs import Charge
from shared.errors import RequestError
from shared.job import Artefact
from shared.ticket import Callback

MESSAGE_MOST = 2000
ENTRIES_MOST = 500
VALUE_MOST = 4000
"""Bytes of one further field of a log entry, as JSON."""

CHARGES_MOST = 5000
COUNTED_MOST = 1 << 31
_STAMPED = ("seq", "timestamp", "run")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]")


class Finished(msgspec.Struct, frozen=True):
    """`data` of our own workers' final report."""

    outputs: dict[str, Artefact] = {}
    skipped: bool = False
    reason: str = ""
    facts: dict[str, Any] = {}
    counts: dict[str, int] = {}
    warnings: list[dict[str, Any]] = []
    meta: dict[str, Any] | None = None


def read_callback(content: bytes) -> Callback:
    """The body; raises RequestError bad_request. Fields that are null count as absent, an error may be a text."""
    try:
        return msgspec.json.decode(content or b"{}", type=Callback)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        fields: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
        given = {name: value for name, value in fields.items() if value is not None}
        if isinstance(given.get("error"), str):
            given["error"] = {"message": given["error"]}
        return msgspec.convert(given, Callback)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bad_request", f"The body is not as described: {error}.") from error


def finished(data: dict[str, Any]) -> Finished:
    """The final report of one of our workers; raises RequestError bad_request."""
    try:
        return msgspec.convert(data, Finished)
    except msgspec.ValidationError as error:
        raise RequestError("bad_request", f"data is not as described: {error}.") from error


def text_of(value: object, most: int = MESSAGE_MOST) -> str:
    """A short text without control characters; "" for nothing."""
    return _CONTROL.sub(" ", str(value)[:most]).strip() if value else ""


def log_entries(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries as they may stand in the log; number, time and run are never the reporter's to say.

    `n`, by which our workers' repeated entries are told, stays only where it is a number.
    """
    return [_entry(entry) for entry in entries[:ENTRIES_MOST]]


def progress_entry(body: Callback) -> dict[str, Any]:
    """The log entry of a report without entries of its own, its progress between 0 and 100."""
    entry: dict[str, Any] = {"phase": text_of(body.phase, 64) or "running", "message": text_of(body.message)}
    if body.progress is not None:
        entry["progress"] = min(max(body.progress, 0.0), 100.0)
    return entry


def charges(costs: list[dict[str, Any]]) -> list[Charge]:
    """The paid model calls of a report; what is not one is left out, numbers are kept within reason."""
    found: list[Charge] = []
    for cost in costs[:CHARGES_MOST]:
        try:
            charge = msgspec.convert(cost, Charge)
        except msgspec.ValidationError:
            continue
        usd = charge.usd if charge.usd is not None and 0 <= charge.usd < COUNTED_MOST else None
        found.append(
            Charge(
                id=text_of(charge.id, 64),
                model=text_of(charge.model, 100),
                purpose=text_of(charge.purpose, 64),
                tokens_in=min(max(charge.tokens_in, 0), COUNTED_MOST),
                tokens_out=min(max(charge.tokens_out, 0), COUNTED_MOST),
                usd=usd,
            )
        )
    return found


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    fields = {
        name: value
        for name, value in entry.items()
        if name not in _STAMPED and len(name) <= 64 and len(msgspec.json.encode(value)) <= VALUE_MOST
    }
    n = fields.get("n")
    if n is not None and not (type(n) is int and 0 <= n < COUNTED_MOST):
        del fields["n"]
    return {**fields, "phase": text_of(entry.get("phase"), 64) or "running", "message": text_of(entry.get("message"))}
