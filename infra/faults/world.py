"""A stack of its own to be broken: services behind proxies, a client, an observer, and the check at the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from infra.faults import processes, snapshot
from infra.faults.balancer import Balancer
from infra.faults.checker import Case, History, Undisturbed, violations
from infra.faults.http_proxy import HttpProxy
from infra.faults.observer import Observer
from infra.faults.snapshot import Row
from infra.faults.tcp_proxy import NatsProxy
from infra.faults.visitor import FORCE, LIBRARY, Violated, Visitor
from infra.stack import Stack
from infra.stack_files import WORKERS
from infra.stack_process import Process

__all__ = ["FORCE", "LIBRARY", "QUICK", "Violated", "World"]

QUICK = {
    "SHADOWTWIN_HEARTBEAT_SECONDS": "0.5",
    "SHADOWTWIN_LEASE_SECONDS": "2",
    "SHADOWTWIN_SWEEP_SECONDS": "0.5",
    "SHADOWTWIN_OUTBOX_SECONDS": "1",
}


class World(Visitor):
    """`async with World(folder) as world`: leaving it without an exception checks every invariant. With several
    gateways, the workers behind the proxy and the client are spread over them request by request."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str] | None = None,
        *,
        proxied: Iterable[str] = WORKERS,
        nats_proxied: Iterable[str] = (),
        rows: Callable[[], list[Row]] | None = None,
        undisturbed: Callable[[dict[str, Path]], Any] | None = None,
        canary: Path | None = None,
        storage_at: Path | None = None,
        gateways: int = 1,
    ) -> None:
        super().__init__()
        self.folder = folder
        self._settings = {**QUICK, **(settings or {})}
        self._proxied, self._nats_proxied = tuple(proxied), tuple(nats_proxied)
        self._rows = rows or (lambda: snapshot.lance_rows(folder / "vectors"))
        self._undisturbed, self._canary, self._storage_at = undisturbed, canary, storage_at
        self._held = contextlib.AsyncExitStack()
        self.gateways = gateways
        self._victims: Counter[str] = Counter()
        self.gateway = HttpProxy(lambda: self.balancer.address())
        self.nats = NatsProxy(lambda: self.stack.nats_port)
        self.history = History()
        self.seen_processes: set[processes.Seen] = set()
        self.secrets: set[str] = set()

    async def __aenter__(self) -> World:
        await self._held.enter_async_context(self.gateway)
        await self._held.enter_async_context(self.nats)
        overrides: dict[str, dict[str, str]] = {}
        for name in self._proxied:
            overrides.setdefault(name, {})["SHADOWTWIN_GATEWAY_URL"] = self.gateway.url
        for name in self._nats_proxied:
            overrides.setdefault(name, {})["SHADOWTWIN_NATS_URL"] = self.nats.url
        if self._storage_at is not None:
            self.folder.mkdir(parents=True)
            (self.folder / "twins").symlink_to(self._storage_at)
        copies = {"gateway": self.gateways}
        self.stack = Stack(self.folder, settings=self._settings, overrides=overrides, copies=copies)
        self.balancer = Balancer(self.stack)
        try:
            await asyncio.to_thread(self.stack.__enter__)
            self._held.push_async_callback(asyncio.to_thread, self.stack.__exit__, None, None, None)
            await self._held.enter_async_context(self.balancer)
            self.http = self.balancer.client(60)
            await self._held.enter_async_context(self.http)
            observer = Observer(self)
            await self._held.enter_async_context(observer)
            await self.ready()
        except BaseException:
            await self._held.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        faults: list[str] = []
        try:
            if error is None:
                faults = await self.check()
        finally:
            self.seen_processes |= await asyncio.to_thread(self._own)
            await self._held.aclose()
        left = await asyncio.to_thread(processes.left_over, self.seen_processes)
        faults += [f"process {one.pid} is left over" for one in left]
        for one in left:
            processes.send(one.pid, signal.SIGKILL)
        if faults and error is None:
            raise Violated(faults)

    # what a scenario does

    async def ready(self, seconds: float = 90.0) -> None:
        """Until every gateway can take work."""
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:

            async def is_ready() -> bool:
                return all([(await http.get(f"{url}/ready")).is_success for url in self.stack.gateways.values()])

            await self.until(is_ready, seconds, "ready")

    def pid(self, name: str) -> int | None:
        """Process id of a service (its first copy) while it runs."""
        return self.stack.processes[name].pid

    def victim(self, name: str) -> Process:
        """The copies of a service in turn: whose turn it is."""
        copies = list(self.stack.named(name).values())
        self._victims[name] += 1
        return copies[self._victims[name] % len(copies)]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int | None:
        """Send a signal to a service; where it has several copies, to the one whose turn it is."""
        pid = self.victim(name).pid
        if number == signal.SIGTERM:
            self.balancer.leave(pid)
        processes.send(pid, number)
        return pid

    async def replaced(self, name: str, pid: int | None, seconds: float = 60.0) -> None:
        """Until the supervisor has started the service again, and all its copies run."""

        async def again() -> bool:
            running = {process.pid for process in self.stack.named(name).values()}
            return not running & {None, pid}

        await self.until(again, seconds, f"{name} started again")

    def broker_pid(self) -> int | None:
        """The nats-server itself, below its guard."""
        return next(iter(processes.children(self.pid("nats"))), None)

    # the check

    async def check(self) -> list[str]:
        """Wait for the jobs, send one more PDF through, and compare everything with what it must be."""
        await self.ended()
        await self._a_day_later()
        if self._canary is not None:
            await self.ended(await self.submit(self._canary), seconds=60)
        dead = [name for name, process in self.stack.processes.items() if process.pid is None]
        faults = [f"{name} does not run" for name in dead]
        wanted = await self._undisturbed(self.pdfs) if self._undisturbed else {}
        end = time.monotonic() + 8.0
        while True:
            found = await asyncio.to_thread(self._violations, wanted)
            if not found or time.monotonic() > end:
                return [*faults, *found, *self.history.faults]
            await asyncio.sleep(0.3)

    async def _a_day_later(self) -> None:
        """A killed writer leaves an unfinished file, which a process that starts a day later must remove."""
        left = [path for path in (self.folder / "twins" / ".incoming").glob("*") if path.is_file()]
        for path in left:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path, (0, 0))
        if left:
            await self.replaced("transformer", self.kill("transformer", signal.SIGTERM))

    def _violations(self, wanted: dict[str, Undisturbed]) -> list[str]:
        with httpx.Client(base_url=self.stack.api_url, headers=self.stack.headers, timeout=60, trust_env=False) as http:
            job_ids = dict.fromkeys(one.job_id for one in self.accepted)
            seen = snapshot.take(http, self.folder, job_ids, self._secrets(), self._rows())
        return violations(Case(self.accepted, seen, wanted))

    def _secrets(self) -> set[str]:
        files = (self.folder / "secrets").glob("*.token")
        return self.secrets | self.gateway.tokens | {path.read_text().strip() for path in files}

    def _own(self) -> set[processes.Seen]:
        return {
            seen
            for process in self.stack.processes.values()
            if process.pid is not None
            for seen in processes.descendants(process.pid)
        }
