"""The local stack: a NATS server and the four services as processes of this machine, supervised.

Whatever dies is started again; when this process ends, in whatever way, everything it started ends too (each
process holds the reading end of a pipe whose writing end is only here). A service may run in several copies; each copy
of the gateway has an address of its own, and the workers are spread over them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

from infra import api_keys
from infra.nats_binary import find_or_install
from infra.stack_files import WORKERS, make_credentials, running_stack
from infra.stack_process import Process

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


class Stack:
    """`with Stack(folder) as stack: stack.api_url`. `overrides` are settings of single services, by their
    names; `broker_config` is a configuration of the broker's users; `copies` says how many processes of a service
    there are (one of each where it says nothing). `processes` calls them extractor, extractor-2, extractor-3."""

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        settings: dict[str, str] | None = None,
        overrides: dict[str, dict[str, str]] | None = None,
        broker_config: Path | None = None,
        copies: Mapping[str, int] | None = None,
    ) -> None:
        self.data_dir, self._port, self._settings = data_dir.resolve(), port, settings or {}
        self._overrides = overrides or {}
        self._broker_config = ["-c", str(broker_config)] if broker_config else []
        self._copies = copies or {}
        self.processes: dict[str, Process] = {}
        self.gateways: dict[str, str] = {}
        """The addresses of the gateway's copies, by their process's name."""
        self._lock: IO[str] | None = None
        self._listeners: dict[str, socket.socket] = {}
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
    def api_url(self) -> str:
        """The address of the (first) gateway, "" before it has one."""
        return self.gateways.get("gateway", "")

    def named(self, service: str) -> dict[str, Process]:
        """The processes of a service, in the order in which they were added."""
        return {name: process for name, process in self.processes.items() if name.partition("-")[0] == service}

    def add(self, service: str, settings: Mapping[str, str] | None = None) -> str:
        """One more process of a service, supervised like the others, with further settings; its name."""
        count = len(self.named(service))
        name = f"{service}-{count + 1}" if count else service
        if service == "gateway":
            self._listen(name)
        command = self._nats_command if service == "nats" else lambda: [sys.executable, "-m", f"services.{service}"]
        listener = self._listeners.get(name)
        process = Process(
            name,
            command,
            self.data_dir / "logs" / f"{name}.log",
            env={**self._environment(service, name), **(settings or {})},
            cwd=REPO,
            pass_fds=(self._alive[0], *([listener.fileno()] if listener else [])),
        )
        self.processes[name] = process
        process.start()
        return name

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
        make_credentials(self.data_dir / "secrets")
        for number in range(self._copies.get("gateway", 1)):
            self._listen(f"gateway-{number + 1}" if number else "gateway")
        self.add("nats")
        self._await_nats()
        for service in ("gateway", *WORKERS):
            for _ in range(self._copies.get(service, 1)):
                self.add(service)
        self._supervisor.start()
        state = {"apiUrl": self.api_url, "pid": os.getpid()}
        (self.data_dir / "stack.json").write_text(json.dumps(state))
        api_keys.note_stack(self.api_url, self.data_dir)

    def _listen(self, name: str) -> None:
        if name not in self._listeners:
            port = 0 if self._listeners else self._port
            self._listeners[name] = listener = socket.create_server(("127.0.0.1", port), backlog=512)
            self.gateways[name] = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def _environment(self, service: str, name: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in _PASSED or k.startswith(("SHADOWTWIN_", "OTEL_"))}
        kept.pop("SHADOWTWIN_API_KEY", None)  # the caller's own, for clients
        folder = self.data_dir / "secrets"
        env = {
            **kept,
            "SHADOWTWIN_DATA_DIR": str(self.data_dir),
            "SHADOWTWIN_GATEWAY_URL": self.gateways.get(name) or self._next_gateway(),
            "SHADOWTWIN_NATS_URL": f"nats://127.0.0.1:{self.nats_port}",
            "SHADOWTWIN_PARENT_FD": str(self._alive[0]),
            "SHADOWTWIN_PORT": "0",
            "PYTHONUNBUFFERED": "1",
            **self._settings,
            **self._overrides.get(service, {}),
        }
        if service == "gateway":
            env["SHADOWTWIN_LISTEN_FD"] = str(self._listeners[name].fileno())
            env["SHADOWTWIN_SERVICE_CREDENTIALS_FILE"] = str(folder / "credentials.json")
            env["SHADOWTWIN_API_KEYS_FILE"] = str(folder / api_keys.KEYS)
        elif service in WORKERS:
            env["SHADOWTWIN_SERVICE_TOKEN_FILE"] = str(folder / f"{service}.token")
        return env

    def _next_gateway(self) -> str:
        """Each further worker talks to the next gateway; in production a load balancer stands before them."""
        workers = sum(len(self.named(service)) for service in WORKERS)
        return list(self.gateways.values())[workers % len(self.gateways)]

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
            for process in list(self.processes.values()):
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
        for services in (WORKERS, ("gateway",), ("nats",)):
            group = [process for service in services for process in self.named(service).values()]
            for process in group:
                process.stop()
            end = time.monotonic() + STOP_SECONDS
            for process in group:
                process.wait(max(0.1, end - time.monotonic()))
        for fd in self._alive:
            if fd >= 0:
                os.close(fd)
        for listener in self._listeners.values():
            listener.close()
        (self.data_dir / "stack.json").unlink(missing_ok=True)
        api_keys.forget_stack(self.api_url)
        if self._lock is not None:
            self._lock.close()


_PASSED = {"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "LD_LIBRARY_PATH"} | {"TESSDATA_PREFIX"}
"""Environment that services inherit besides SHADOWTWIN_* and OTEL_*: nothing else of the caller's is their business."""
