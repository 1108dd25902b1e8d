"""One supervised process of the local stack."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class Process:
    """One supervised process: its command is asked for anew at every start."""

    def __init__(self, name: str, command: Callable[[], list[str]], log: Path, **options: object) -> None:
        self.name, self._command, self._log, self._options = name, command, log, options
        self._running: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._not_before = 0.0
        self.held = False
        """While set, a process that has died stays dead: an outage."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._running.pid if self._running and self._running.poll() is None else None

    def start(self) -> None:
        """Start it; its output goes to the log file."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with open(self._log, "ab") as log:
            self._running = subprocess.Popen(  # type: ignore[call-overload]
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._options,
            )
        self.starts += 1
        self._not_before = time.monotonic() + min(0.3 * self.starts, 5.0)

    def change(self, settings: dict[str, str]) -> None:
        """Settings for its next start."""
        environment: dict[str, str] = self._options["env"]  # type: ignore[assignment]
        environment.update(settings)

    def revive(self) -> None:
        """Start it again if it has died, not too often."""
        if not self.held and self.pid is None and time.monotonic() >= self._not_before:
            self.start()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> None:
        """Until it has ended; killed after the time given."""
        if self._running is None:
            return
        try:
            self._running.wait(seconds)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
