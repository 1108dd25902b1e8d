"""Fetching by URL, for a foreign worker or an upload: only from addresses that were checked, bounded in bytes and time.

The name is resolved once, every address of the answer must be allowed, and the connection is made to the checked
address itself: what the name says a moment later does not matter. The text of a URL is never what decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import BinaryIO, NamedTuple

import httpx

from services.gateway.trust import Trust
from shared.errors import ConfigurationError
from shared.external_settings import ExternalSettings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

LONGEST_URL = 4096
_HOST = re.compile(rb"[A-Za-z0-9._-]+\Z|\[?[0-9A-Fa-f:.]+\]?\Z")
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_RELAY_6TO4 = ipaddress.IPv4Network("192.88.99.0/24")
_ISATAP = (0x00005EFE, 0x02005EFE)
_RESOLVERS = ThreadPoolExecutor(16, "resolver")
"""A look-up cannot be given up, and somebody's name server may never answer: such names hold up other names at most,
never the threads that files and the store are read by."""


class FetchFailed(Exception):
    """Nothing was fetched; `reason` is a stable word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, by the system's resolver."""
    asked = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVERS, asked)
    return [str(entry[4][0]) for entry in found]


def is_public(text: str) -> bool:
    """Whether an address is globally reachable unicast, and so is every IPv4 address that is packed into it."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in _RELAY_6TO4
    low = int(address) & 0xFFFFFFFF
    if address in _NAT64:
        return is_public(str(ipaddress.IPv4Address(low)))
    # Outside 2000::/3 lie mapped, compatible and translated IPv4, site-local, link-local and multicast addresses.
    if address not in _GLOBAL_UNICAST or not address.is_global:
        return False
    if address.sixtofour is not None and not is_public(str(address.sixtofour)):
        return False
    isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    return not isatap or is_public(str(ipaddress.IPv4Address(low)))


class WorkerPlace(NamedTuple):
    """The configured foreign worker: its host may be fetched from, with its credential, by relative URLs too."""

    origin: httpx.URL
    settings: ExternalSettings

    @property
    def place(self) -> str:
        """Its entry in the allow-list."""
        return f"{self.origin.host}:{port_of(self.origin)}"

    def absolute(self, url: str) -> str:
        """A path of the worker's as an address; any other URL as it is."""
        return f"{self.origin}{url[1:]}" if url.startswith("/") and not url.startswith("//") else url

    async def headers(self, where: httpx.URL) -> dict[str, str]:
        """The credential, where this is the worker itself."""
        same = (where.scheme, where.host, port_of(where)) == (
            self.origin.scheme,
            self.origin.host,
            port_of(self.origin),
        )
        return await asyncio.to_thread(self.settings.external_headers) if same else {}


def worker_place(settings: ExternalSettings) -> WorkerPlace | None:
    """The place of the configured foreign worker; raises ConfigurationError when its address is unusable."""
    if not settings.external_url:
        return None
    where = httpx.URL(settings.external_address())
    return WorkerPlace(where.copy_with(path="/", query=None), settings)


class AllowList:
    """Exceptions for local workers: `host:port` (whatever it resolves to), or an address or network in CIDR form."""

    def __init__(self, entries: Sequence[str], setting: str = "SHADOWTWIN_CALLBACK_FETCH_ALLOW") -> None:
        self._networks: list[Network] = []
        self._places: set[tuple[str, int]] = set()
        for entry in entries:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip()))
            except ValueError:
                host, _, port = entry.strip().rpartition(":")
                if not host or "/" in entry or not port.isascii() or not port.isdigit():
                    raise ConfigurationError(
                        "misconfigured",
                        f"{setting}: {entry!r} is neither host:port nor an address or network.",
                    ) from None
                self._places.add((host.strip("[]").lower(), int(port)))

    def place(self, host: str, port: int) -> bool:
        """Whether this host and port is named."""
        return (host.lower(), port) in self._places

    def address(self, text: str) -> bool:
        """Whether the address lies in an allowed network."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._networks)


class AddressRules:
    """Which addresses are connected to: public ones, and those of the allow-list."""

    def __init__(self, allow: Sequence[str], setting: str, resolver: Resolver = resolve) -> None:
        self._allow, self._resolve = AllowList(allow, setting), resolver

    async def checked(self, where: httpx.URL) -> str:
        """The address to connect to: the name is resolved once, and every address of the answer must be allowed.
        Raises FetchFailed."""
        host, port = where.raw_host.decode(), port_of(where)
        try:
            addresses = await self._resolve(host.strip("[]"), port)
        except (OSError, UnicodeError) as error:
            raise FetchFailed("unresolvable") from error
        if not addresses:
            raise FetchFailed("unresolvable")
        if not self._allow.place(host.strip("[]"), port):
            for address in addresses:
                if not (is_public(address) or self._allow.address(address)):
                    raise FetchFailed("address_not_allowed")
        return addresses[0]


class Answer(NamedTuple):
    """What a URL has answered: where it came from in the end, its headers, and its bytes as they arrive."""

    where: httpx.URL
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


class Fetcher:
    """Fetches files, one a call."""

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        max_bytes: int = 128 << 20,
        seconds: float = 60.0,
        resolver: Resolver = resolve,
        trust: Trust | None = None,
        worker: WorkerPlace | None = None,
        redirects: int = 0,
        setting: str = "SHADOWTWIN_CALLBACK_FETCH_ALLOW",
    ) -> None:
        """`redirects` that are followed at most, each address checked anew; `setting` is the allow-list's name."""
        self._rules, self._max_bytes, self._seconds = AddressRules(allow, setting, resolver), max_bytes, seconds
        self._redirects, self._trust, self._worker = redirects, trust or Trust(), worker

    async def fetch(self, url: str, target: BinaryIO) -> int:
        """Write what the URL names to `target`; gives its size. Raises FetchFailed, also for a part of the answer."""
        size = 0
        async with self.open(url) as answer:
            async for piece in answer.pieces:
                size += len(piece)
                target.write(piece)
        return size

    @contextlib.asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Answer]:
        """The answer of the URL, while it arrives; at most the limit's bytes and time. Raises FetchFailed, in the block
        as well."""
        where = parsed(self._worker.absolute(url) if self._worker else url)
        try:
            async with asyncio.timeout(self._seconds), contextlib.AsyncExitStack() as stack:
                for left in range(self._redirects, -1, -1):
                    response = await stack.enter_async_context(self._asked(where, await self._rules.checked(where)))
                    if not 300 <= response.status_code < 400:
                        break
                    where = _redirected(where, response, left)
                if response.status_code != 200:
                    raise FetchFailed("refused_by_server")
                if int(response.headers.get("content-length", 0)) > self._max_bytes:
                    raise FetchFailed("too_large")
                yield Answer(where, response.headers, self._pieces(response))
        except TimeoutError:
            raise FetchFailed("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError) as error:
            raise FetchFailed("unreachable") from error

    @contextlib.asynccontextmanager
    async def _asked(self, where: httpx.URL, address: str) -> AsyncIterator[httpx.Response]:
        """The head of the answer from the checked address."""
        credential = await self._worker.headers(where) if self._worker else {}
        headers = {
            **credential,
            "host": where.netloc.decode(),
            "accept-encoding": "identity",
            "connection": "close",
            "user-agent": "shadowtwin",
        }
        extensions = {"sni_hostname": where.raw_host.decode().strip("[]")}
        verify = await self._trust.context() if where.scheme == "https" else False
        async with (
            httpx.AsyncClient(verify=verify, trust_env=False, follow_redirects=False, timeout=self._seconds) as client,
            client.stream("GET", where.copy_with(host=address), headers=headers, extensions=extensions) as response,
        ):
            yield response

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        size = 0
        async for piece in response.aiter_raw():
            size += len(piece)
            if size > self._max_bytes:
                raise FetchFailed("too_large")
            yield piece


def _redirected(where: httpx.URL, response: httpx.Response, left: int) -> httpx.URL:
    """Where a redirect leads, checked like any other URL; never from https to http."""
    target = response.headers.get("location", "")
    if not left or not target:
        raise FetchFailed("redirect")
    following = parsed(str(where.join(target)))
    if where.scheme == "https" and following.scheme != "https":
        raise FetchFailed("redirect")
    return following


def port_of(where: httpx.URL) -> int:
    """The URL's port, or its scheme's."""
    return where.port or (443 if where.scheme == "https" else 80)


def parsed(url: str) -> httpx.URL:
    """The URL, fit to be asked; raises FetchFailed bad_url."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable():
        raise FetchFailed("bad_url")
    try:
        where = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed("bad_url") from error
    if where.scheme not in ("http", "https") or not _HOST.match(where.raw_host) or where.userinfo:
        raise FetchFailed("bad_url")
    if where.port is not None and not 0 < where.port < 1 << 16:
        raise FetchFailed("bad_url")
    return where
