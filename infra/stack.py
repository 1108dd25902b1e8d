"""The local stack: a NATS server and the four services as processes of this machine, supervised.

Whatever dies is started again; when this process ends, in whatever way, everything it started ends too (each
process holds the reading end of a pipe whose writing end is only here).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO

from infra import api_keys
from infra.nats_binary import find_or_install
from infra.stack_files import WORKERS, make_credentials, running_stack

REPO = Path(__file__).resolve().parent.parent
STOP_SECONDS = 25.0
START_SECONDS = 60.0


class StackError(Exception):
    """The stack cannot be started or kept up; the message says what to do."""


class AlreadyRunning(StackError):
    """Another stack serves this data folder; `api_url` is its gateway."""

    def __init__(self, api_url: str) -> None:
        super().__init__(f"A stack runs on this data folder already: {api_url}")
        self.api_url = api_url


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


class Stack:
    """`with Stack(folder) as stack: stack.api_url`. `overrides` are settings of single services, by their
    names; `broker_config` is a configuration of the broker's users."""

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        settings: dict[str, str] | None = None,
        overrides: dict[str, dict[str, str]] | None = None,
        broker_config: Path | None = None,
    ) -> None:
        self.data_dir, self._port, self._settings = data_dir.resolve(), port, settings or {}
        self._overrides = overrides or {}
        self._broker_config = ["-c", str(broker_config)] if broker_config else []
        self.processes: dict[str, Process] = {}
        self.api_url = ""
        self._lock: IO[str] | None = None
        self._listener: socket.socket | None = None
        self._alive: tuple[int, int] = (-1, -1)
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self.nats_port = -1

    def __enter__(self) -> Stack:
        self._prepare()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def headers(self) -> dict[str, str]:
        """How a client of this stack shows its key."""
        return api_keys.headers(api_keys.own(self.data_dir / "secrets"))

    def _prepare(self) -> None:
        for name in ("logs", "secrets", "nats", "twins"):
            (self.data_dir / name).mkdir(parents=True, exist_ok=True)
        os.chmod(self.data_dir, 0o700)
        os.chmod(self.data_dir / "secrets", 0o700)
        self._lock = open(self.data_dir / "stack.lock", "a")  # noqa: SIM115 - held while the stack runs
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            self._lock = None
            running = running_stack(self.data_dir)
            if running is None:
                raise StackError(f"Another stack is just starting or stopping on {self.data_dir}.") from None
            raise AlreadyRunning(running) from None

    def _start(self) -> None:
        self._alive = os.pipe()
        os.set_inheritable(self._alive[0], True)
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=512)
        self.api_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        make_credentials(self.data_dir / "secrets")
        self._add("nats", self._nats_command)
        self._await_nats()
        for service in ("gateway", *WORKERS):
            self._add(service, lambda service=service: [sys.executable, "-m", f"services.{service}"])  # type: ignore[misc]
        self._supervisor.start()
        state = {"apiUrl": self.api_url, "pid": os.getpid()}
        (self.data_dir / "stack.json").write_text(json.dumps(state))
        api_keys.note_stack(self.api_url, self.data_dir)

    def _add(self, name: str, command: Callable[[], list[str]]) -> None:
        fds = [self._alive[0]]
        if name == "gateway":
            assert self._listener is not None
            fds.append(self._listener.fileno())
        process = Process(
            name,
            command,
            self.data_dir / "logs" / f"{name}.log",
            env=self._environment(name),
            cwd=REPO,
            pass_fds=tuple(fds),
        )
        self.processes[name] = process
        process.start()

    def _environment(self, name: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in _PASSED or k.startswith(("SHADOWTWIN_", "OTEL_"))}
        kept.pop("SHADOWTWIN_API_KEY", None)  # the caller's own, for clients
        folder = self.data_dir / "secrets"
        env = {
            **kept,
            "SHADOWTWIN_DATA_DIR": str(self.data_dir),
            "SHADOWTWIN_GATEWAY_URL": self.api_url,
            "SHADOWTWIN_NATS_URL": f"nats://127.0.0.1:{self.nats_port}",
            "SHADOWTWIN_PARENT_FD": str(self._alive[0]),
            "SHADOWTWIN_PORT": "0",
            "PYTHONUNBUFFERED": "1",
            **self._settings,
            **self._overrides.get(name, {}),
        }
        if name == "gateway":
            assert self._listener is not None
            env["SHADOWTWIN_LISTEN_FD"] = str(self._listener.fileno())
            env["SHADOWTWIN_SERVICE_CREDENTIALS_FILE"] = str(folder / "credentials.json")
            env["SHADOWTWIN_API_KEYS_FILE"] = str(folder / api_keys.KEYS)
        elif name in WORKERS:
            env["SHADOWTWIN_SERVICE_TOKEN_FILE"] = str(folder / f"{name}.token")
        return env

    def _nats_command(self) -> list[str]:
        ports = self.data_dir / "nats"
        for stale in ports.glob("*.ports"):
            stale.unlink()
        server = [
            str(find_or_install()),
            *self._broker_config,
            "--addr",
            "127.0.0.1",
            "--port",
            str(self.nats_port),
            "--jetstream",
            "--store_dir",
            str(ports),
            "--ports_file_dir",
            str(ports),
        ]
        return [sys.executable, "-m", "infra.guard", str(self._alive[0]), "--", *server]

    def _await_nats(self) -> None:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            for file in (self.data_dir / "nats").glob("*.ports"):
                with contextlib.suppress(ValueError, KeyError, IndexError, OSError):
                    url = json.loads(file.read_text())["nats"][0]
                    self.nats_port = int(url.rsplit(":", 1)[1])
                    return
            if self.processes["nats"].pid is None:
                break
            time.sleep(0.02)
        raise StackError(f"nats-server did not start; see {self.data_dir / 'logs' / 'nats.log'}.")

    def _supervise(self) -> None:
        while not self._stopping.wait(0.1):
            for process in self.processes.values():
                try:
                    process.revive()
                except OSError as error:
                    print(f"shadowtwin: {process.name} cannot be started: {error}", file=sys.stderr, flush=True)
                    self._stopping.wait(1)

    def _stop(self) -> None:
        """Workers first, so that their last reports find a gateway; then the gateway, then the broker."""
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for names in (WORKERS, ("gateway",), ("nats",)):
            group = [self.processes[name] for name in names if name in self.processes]
            for process in group:
                process.stop()
            end = time.monotonic() + STOP_SECONDS
            for process in group:
                process.wait(max(0.1, end - time.monotonic()))
        for fd in self._alive:
            if fd >= 0:
                os.close(fd)
        if self._listener is not None:
            self._listener.close()
        (self.data_dir / "stack.json").unlink(missing_ok=True)
        api_keys.forget_stack(self.api_url)
        if self._lock is not None:
            self._lock.close()


_PASSED = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH"} | {"TESSDATA_PREFIX"}
"""Environment that services inherit besides SHADOWTWIN_* and OTEL_*: nothing else of the caller's is their business."""
