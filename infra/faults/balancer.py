"""What stands before several gateways, as a load balancer does: each request goes to the next of them."""

from __future__ import annotations

import asyncio

import httpx

from infra.faults.background import Background
from infra.stack import Stack

EVERY = 0.2
PATIENCE = 1.0
"""Seconds that a gateway has to say that it is ready."""


class Balancer(Background):
    """Over the gateways of a stack; with one of them, all requests are its own. Asks each whether it is ready."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._turn = 0
        self._ready: set[int] = set()
        self._leaving: set[int | None] = set()

    def leave(self, pid: int | None) -> None:
        """Send nothing more to this process: it was asked to stop."""
        self._leaving.add(pid)

    def address(self) -> str:
        """The next gateway that is ready, as far as is known; any, if none is."""
        self._turn += 1
        gateways = self._stack.gateways
        pids = {name: self._stack.processes[name].pid for name in gateways}
        choice = [url for name, url in gateways.items() if pids[name] in self._ready - self._leaving]
        choice = choice or list(gateways.values())
        return choice[self._turn % len(choice)]

    async def run(self) -> None:
        """Until it is cancelled."""
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            while len(self._stack.gateways) > 1:
                await asyncio.gather(*(self._look(http, name, url) for name, url in self._stack.gateways.items()))
                await asyncio.sleep(EVERY)

    async def _look(self, http: httpx.AsyncClient, name: str, url: str) -> None:
        pid = self._stack.processes[name].pid
        if pid is None:
            return
        try:
            ready = (await http.get(f"{url}/ready")).is_success
        except httpx.HTTPError:
            ready = False
        (self._ready.add if ready else self._ready.discard)(pid)

    def client(self, seconds: float) -> httpx.AsyncClient:
        """A client whose requests are spread; it waits so long for an answer."""
        return httpx.AsyncClient(
            base_url=self._stack.api_url,
            headers=self._stack.headers,
            timeout=seconds,
            trust_env=False,
            transport=_Spread(self),
        )


class _Spread(httpx.AsyncHTTPTransport):
    """Sends each request to the address that the balancer says."""

    def __init__(self, balancer: Balancer) -> None:
        super().__init__(trust_env=False)
        self._balancer = balancer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As the transport below, at another host and port."""
        gateway = httpx.URL(self._balancer.address())
        request.url = request.url.copy_with(host=gateway.host, port=gateway.port)
        return await super().handle_async_request(request)
