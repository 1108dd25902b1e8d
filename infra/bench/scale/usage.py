"""CPU time by service, and how much of the machine others took meanwhile, as /proc tells it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from infra.stack import Stack

TICKS = os.sysconf("SC_CLK_TCK")
SERVICES = ("gateway", "extractor", "transformer", "ingestor", "nats")


class Usage(NamedTuple):
    """CPU seconds up to now: of each service with all its copies and children, of this process, of the machine."""

    services: dict[str, float]
    own: float
    machine: float

    def since(self, before: Usage) -> Usage:
        """What was used in between."""
        services = {name: value - before.services[name] for name, value in self.services.items()}
        return Usage(services, self.own - before.own, self.machine - before.machine)

    @property
    def foreign(self) -> float:
        """CPU seconds that neither the stack nor this process has used."""
        return max(0.0, self.machine - self.own - sum(self.services.values()))


def take(stack: Stack) -> Usage:
    """Now; a copy that is stopped in between is missing from the second reading."""
    running = _table()
    services = {name: sum(_tree(running, process.pid) for process in stack.named(name).values()) for name in SERVICES}
    busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    user, nice, system = (int(ticks) for ticks in busy[1:4])
    return Usage(services, sum(os.times()[:2]), (user + nice + system) / TICKS)


def _table() -> dict[int, tuple[int, float]]:
    """pid -> (parent, CPU seconds with those of its ended children)."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(entry.name)] = (int(fields[1]), sum(int(ticks) for ticks in fields[11:15]) / TICKS)
    return found


def _tree(running: dict[int, tuple[int, float]], root: int | None) -> float:
    if root not in running:
        return 0.0
    below = [pid for pid, (parent, _) in running.items() if parent == root]
    return running[root][1] + sum(_tree(running, pid) for pid in below)
