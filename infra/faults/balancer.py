"""What stands before several gateways, as a load balancer does: each request goes to the next of them."""

from __future__ import annotations

import httpx

from infra.stack import Stack


class Balancer:
    """Over the gateways of a stack; with one of them, all requests are its own."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._turn = 0

    def address(self) -> str:
        """The next gateway that runs. One that is being started again is left out until its process is there; what is
        sent to it from then on waits at its socket."""
        self._turn += 1
        gateways = self._stack.gateways
        running = [url for name, url in gateways.items() if self._stack.processes[name].pid is not None]
        choice = running or list(gateways.values())
        return choice[self._turn % len(choice)]

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
