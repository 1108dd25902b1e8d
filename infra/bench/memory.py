"""The memory of a whole stack while it works: all its processes, looked at several times a second."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import TracebackType

from infra.faults import processes
from infra.stack import Stack

EVERY = 0.2
MEGABYTE = 1024.0
"""In the kilobytes of /proc."""


class Peak:
    """`with Peak(stack) as peak:`; afterwards the highest sums seen, in MB.

    `resident` counts what processes share once for each of them, `proportional` (PSS) once in all: the machine's view.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self.resident = self.proportional = 0.0
        self.processes = 0
        self.services: dict[str, float] = {}
        """Resident MB of each service at its own highest."""

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def found(self) -> dict[str, object]:
        """For a report."""
        services = {name: round(value) for name, value in self.services.items()}
        return {"rssMB": round(self.resident), "pssMB": round(self.proportional), "processes": self.processes,
                "services": services}  # fmt: skip

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.look()

    def look(self) -> None:
        """One look at everything."""
        resident = proportional = 0.0
        count = 0
        for name, process in list(self._stack.processes.items()):
            if process.pid is None:
                continue
            pids = [process.pid, *(one.pid for one in processes.descendants(process.pid))]
            seen = [one for one in map(_memory, pids) if one is not None]
            own = sum(one[0] for one in seen)
            self.services[name] = max(self.services.get(name, 0.0), own)
            resident, proportional, count = (
                resident + own,
                proportional + sum(one[1] for one in seen),
                count + len(seen),
            )
        self.resident, self.proportional = max(self.resident, resident), max(self.proportional, proportional)
        self.processes = max(self.processes, count)


def _memory(pid: int) -> tuple[float, float] | None:
    """Resident and proportional MB; None when the process is gone."""
    with contextlib.suppress(OSError):
        rows = (line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
        found = {row[0]: float(row[1]) / MEGABYTE for row in rows if row[0] in ("Rss:", "Pss:")}
        if len(found) == 2:
            return found["Rss:"], found["Pss:"]
    return None
