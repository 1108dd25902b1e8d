"""Two bundles held against each other: one verdict for each artefact."""

from __future__ import annotations

import array
import base64
import binascii
import contextlib
import difflib
import math
import re
import sys
from collections.abc import Iterator

import msgspec

from infra.replay.normal import compared, normal, normal_jobs, place
from infra.replay.reading import Bundle
from shared import bundle
from shared.bundle import IndexRow
from shared.errors import RequestError

IDENTICAL, DIFFERS, MISSING, ADDITIONAL = "identical", "differs", "missing", "additional"
DIFF_LINES, LINE_CHARS = 24, 240
TOLERANCE = 1e-4
"""Largest distance (1 - cosine) of two vectors that count as the same: other processors round otherwise."""
LARGE = 4 << 20
"""Texts from this size on are not compared line by line."""


_OF_GENERATION = re.compile(r"@[0-9a-f]{24}(?=\Z|[^0-9a-f])")
"""The generation in a row's id is compared as a field of document.json: it differs as soon as any row does."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """About one artefact: identical, differs, missing (only the bundle has it), additional (only the replay has it).
    `detail` says in what it differs; vectors that are the same within the tolerance only are counted there too."""

    name: str
    state: str
    detail: str = ""
    diff: list[str] = []


def verdicts(before: Bundle, after: Bundle) -> list[Verdict]:
    """Every artefact of both, in order of their names; index rows by their ids."""
    theirs = {place(name): name for name in before.names if compared(name)}
    ours = {place(name): name for name in after.names if compared(name)}
    found = []
    for name in sorted({*theirs, *ours}):
        if name not in ours:
            found.append(Verdict(name=name, state=MISSING))
        elif name not in theirs:
            found.append(Verdict(name=name, state=ADDITIONAL))
        elif name.startswith(bundle.INDEX):
            found.append(_rows(name, before.read(name), after.read(name)))
        elif before.digest(theirs[name]) == after.digest(ours[name]):
            found.append(Verdict(name=name, state=IDENTICAL))
        else:
            found.append(_content(name, before.read(theirs[name]), after.read(ours[name])))
    return found


def _content(name: str, before: bytes, after: bytes) -> Verdict:
    job = name == bundle.JOB
    was, now = normal_jobs(before, after) if job else (normal(name, before), normal(name, after))
    if was == now:
        return Verdict(name=name, state=IDENTICAL)
    detail = f"{len(before)} and {len(after)} bytes"
    if b"\0" in was or b"\0" in now or max(len(was), len(now)) > LARGE:
        return Verdict(name=name, state=DIFFERS, detail=detail)
    return Verdict(name=name, state=DIFFERS, detail=detail, diff=_diff(_lines(name, was), _lines(name, now)))


def _rows(name: str, before: bytes, after: bytes) -> Verdict:
    """Rows by id: everything but the vector must be equal, the vector by its bytes or within the tolerance."""
    was, now = _by_id(name, before), _by_id(name, after)
    gone, new = sorted(was.keys() - now.keys()), sorted(now.keys() - was.keys())
    changed: list[str] = []
    near = 0
    for row_id in sorted(was.keys() & now.keys()):
        one, other = was[row_id], now[row_id]
        if _told(one) != _told(other):
            changed += _diff(_told(one), _told(other))
        elif one.vector != other.vector:
            apart = distance(one, other)
            near += apart <= TOLERANCE
            if apart > TOLERANCE:
                changed.append(f"{row_id}: vectors are {apart:.6f} apart")
    detail = f"{near} vectors equal within {TOLERANCE} only" if near else ""
    if not (gone or new or changed):
        return Verdict(name=name, state=IDENTICAL, detail=detail)
    diff = [*(f"-{row_id}" for row_id in gone), *(f"+{row_id}" for row_id in new), *changed]
    detail = f"{len(gone)} rows missing, {len(new)} additional, of {len(was)}"
    return Verdict(name=name, state=DIFFERS, detail=detail, diff=diff[:DIFF_LINES])


def distance(one: IndexRow, other: IndexRow) -> float:
    """1 - cosine of two rows' vectors; 2 when they cannot be compared."""
    try:
        a, b = _numbers(one), _numbers(other)
    except (binascii.Error, ValueError):
        return 2.0
    lengths = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    if len(a) != len(b) or not math.isfinite(lengths) or lengths == 0:
        return 2.0
    return max(0.0, 1 - sum(x * y for x, y in zip(a, b, strict=True)) / lengths)


def _numbers(row: IndexRow) -> array.array[float]:
    numbers = array.array("f", base64.b64decode(row.vector, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _by_id(name: str, content: bytes) -> dict[str, IndexRow]:
    try:
        rows = [msgspec.json.decode(line, type=IndexRow) for line in content.splitlines() if line]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError("bundle_invalid", f"The bundle's {name} is not as described.") from error
    return {_OF_GENERATION.sub("", row.row_id): row for row in rows}


def _told(row: IndexRow) -> list[str]:
    shown = msgspec.to_builtins(msgspec.structs.replace(row, vector="", row_id=_OF_GENERATION.sub("", row.row_id)))
    return msgspec.json.format(msgspec.json.encode(shown, order="sorted"), indent=1).decode().splitlines()


def _lines(name: str, content: bytes) -> list[str]:
    """Lines to be compared: of rows each field has its own, so that a diff shows which one differs."""
    if name.endswith(".jsonl"):
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            content = b"\n".join(msgspec.json.format(row, indent=1) for row in content.splitlines() if row)
    return content.decode("utf-8", "replace").splitlines()


def _diff(was: list[str], now: list[str]) -> list[str]:
    """A short unified diff; long lines are cut around the first place where they differ."""
    lines = list(difflib.unified_diff(was, now, "bundle", "replay", lineterm="", n=1))
    shown = [_printable(line) for line in _cut(lines[:DIFF_LINES])]
    return [*shown, f"... and {len(lines) - DIFF_LINES} lines more"] if len(lines) > DIFF_LINES else shown


def _cut(lines: list[str]) -> Iterator[str]:
    for at, line in enumerate(lines):
        if len(line) <= LINE_CHARS:
            yield line
            continue
        pair = lines[at + 1] if line[0] == "-" and at + 1 < len(lines) else lines[at - 1]
        same = next((i for i in range(1, min(len(line), len(pair))) if line[i] != pair[i]), 1)
        start = max(1, same - LINE_CHARS // 2)
        yield f"{line[0]}{'...' if start > 1 else ''}{line[start : start + LINE_CHARS]}..."


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else "?" for c in line)
