"""What /proc says about processes: children, descendants, who is still there. Ends only what it is told by id."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    """A process, told from a later one with the same id by when it started."""

    pid: int
    started: str


def table() -> dict[int, tuple[int, str, str]]:
    """pid -> (parent, start time, state) of everything that runs."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(entry.name)] = (int(fields[1]), fields[19], fields[0])
    return found


def descendants(root: int) -> set[Seen]:
    """Everything below a process."""
    running = table()
    found: set[Seen] = set()
    level = {root}
    while level:
        level = {pid for pid, (parent, _, _) in running.items() if parent in level}
        found |= {Seen(pid, running[pid][1]) for pid in level}
    return found


def grandchildren(pid: int | None) -> list[int]:
    """Processes that work for a service: the children of its forkserver."""
    running = table()
    servers = {child for child, (parent, _, _) in running.items() if parent == pid}
    return [child for child, (parent, _, _) in running.items() if parent in servers]


def children(pid: int | None) -> list[int]:
    """The direct children."""
    return [child for child, (parent, _, _) in table().items() if parent == pid]


def alive(seen: set[Seen]) -> set[Seen]:
    """Those that still run (a zombie does not)."""
    running = table()
    return {
        one
        for one in seen
        if one.pid in running and running[one.pid][1] == one.started and running[one.pid][2] not in "ZX"
    }


def send(pid: int | None, number: signal.Signals) -> bool:
    """Send a signal; False if the process is gone."""
    if pid is None:
        return False
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def stands_still(pid: int, seconds: float = 1.0) -> bool:
    """Whether a process told to stop has stopped, rather than ended; blocks."""
    end = time.monotonic() + seconds
    while (state := table().get(pid, (0, "", "X"))[2]) not in "TZX" and time.monotonic() < end:
        time.sleep(0.002)
    return state == "T"


def left_over(seen: set[Seen], seconds: float = 8.0) -> set[Seen]:
    """Those that have not ended after a while; blocks."""
    end = time.monotonic() + seconds
    while (still := alive(seen)) and time.monotonic() < end:
        time.sleep(0.05)
    return still
