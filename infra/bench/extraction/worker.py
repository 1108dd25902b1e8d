"""The parent's end of an engine's process: requests with a time limit, and a new process after a lost one."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from infra.bootstrap import ROOT

CHILD = Path(__file__).with_name("child.py")
_START_SECONDS = 120.0


class EngineAbsent(Exception):
    """The engine cannot be loaded here; the text says why."""


class Worker:
    """One engine in its own process, which is killed when it takes too long and started again for the next file."""

    def __init__(self, engine: str, python: Path, own: bool) -> None:
        self.engine = engine
        self.hello: dict[str, Any] = {}
        self._command = [str(python), "-I", str(CHILD), engine, str(ROOT) if own else ""]
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def start(self) -> None:
        """Start the process and wait until it has imported its engine; EngineAbsent if it cannot."""
        try:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as exc:
            raise EngineAbsent(f"{self._command[0]}: {exc.strerror}") from exc
        self._rest = b""
        self.hello = self._answer(_START_SECONDS)
        if error := self.hello.get("error"):
            self.close()
            raise EngineAbsent(error)

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The engine's answer; one that died or took longer than `seconds` answers with an error."""
        if self._process is None:
            try:
                self.start()
            except EngineAbsent as exc:
                return {"error": f"could not be started again: {exc}"}
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self.close()
            return {"error": "the process has ended"}
        return self._answer(seconds)

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                self.close()
                return {"error": "the process has ended" if ready else f"no answer within {seconds:.0f} s"}
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
