"""Fetching by URL: only from checked addresses, bounded in bytes and time."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.gateway.fetching import AllowList, Fetcher, FetchFailed, is_public, resolve
from shared.errors import ConfigurationError
from tests.support.file_server import FileServer, file_server, lying_server

LITERALS = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "169.254.169.254",
    "10.0.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fd00::1]",
    "localhost",
]


@pytest.fixture
async def server() -> AsyncIterator[FileServer]:
    async with file_server() as made:
        made.files["/good.zip"] = b"content" * 1000
        yield made


def answering(*answers: Sequence[str]):
    """A resolver that gives one answer after the other, the last one for ever; and the names it was asked for."""
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolver, asked


async def failure(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(FetchFailed) as failed:
        await fetcher.fetch(url, io.BytesIO())
    return failed.value.reason


async def test_a_file_of_an_allowed_place_is_fetched_whole(server: FileServer):
    target = io.BytesIO()
    size = await Fetcher([server.place]).fetch(server.url("/good.zip"), target)
    assert (size, target.getvalue()) == (7000, server.files["/good.zip"])


@pytest.mark.parametrize("literal", LITERALS)
async def test_no_literal_form_of_a_private_address_is_fetched_from(server: FileServer, literal: str):
    reason = await failure(Fetcher(), server.url("/good.zip", literal))
    assert reason in ("address_not_allowed", "unresolvable", "bad_url")
    assert server.asked == []


@pytest.mark.parametrize(
    "address",
    """127.0.0.1 10.1.2.3 172.16.0.1 192.168.0.1 169.254.169.254 100.64.0.1 0.0.0.0 255.255.255.255 224.0.0.1 240.0.0.1
    192.0.2.1 198.18.0.1 192.88.99.1 ::1 :: ::7f00:1 ::ffff:10.0.0.1 ::ffff:0:10.0.0.1 64:ff9b::10.0.0.1
    64:ff9b:1::8.8.8.8 2002:a00:1:: 2001::1 2001:db8::1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 ff02::1
    2a00:1450::5efe:7f00:1 nonsense 127.1""".split(),
)
def test_an_address_is_private_in_whatever_it_is_wrapped(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001::1", "64:ff9b::8.8.8.8"])
def test_a_global_address_is_public(address: str):
    assert is_public(address)


async def test_one_private_address_among_public_ones_refuses_the_name(server: FileServer):
    resolver, _ = answering(["8.8.8.8", "127.0.0.1"])
    fetcher = Fetcher(resolver=resolver)
    assert await failure(fetcher, server.url("/good.zip", "rebinding.example")) == "address_not_allowed"
    assert server.asked == []


async def test_a_name_that_changes_its_address_after_the_check_reaches_only_the_checked_one():
    """DNS rebinding: the second answer is a service on loopback; the connection goes where the first one said."""
    async with file_server("127.0.0.2") as checked:
        checked.files["/a"] = b"checked"
        resolver, asked = answering(["127.0.0.2"], ["127.0.0.1"])
        target = io.BytesIO()
        await Fetcher(["127.0.0.2/32"], resolver=resolver).fetch(checked.url("/a", "worker.example"), target)
        assert target.getvalue() == b"checked"
        assert asked == ["worker.example"]
        assert checked.asked == [(f"worker.example:{checked.port}", "/a")]


async def test_a_redirect_is_not_followed(server: FileServer):
    assert await failure(Fetcher([server.place]), server.url("/redirect")) == "redirect"
    assert [path for _, path in server.asked] == ["/redirect"]


async def test_a_slow_answer_ends_at_the_total_time_limit(server: FileServer):
    assert await failure(Fetcher([server.place], seconds=0.4), server.url("/slow")) == "timeout"


async def test_an_endless_answer_ends_at_the_size_limit(server: FileServer):
    target = io.BytesIO()
    with pytest.raises(FetchFailed, match="too_large"):
        await Fetcher([server.place], max_bytes=200_000).fetch(server.url("/endless"), target)
    assert len(target.getvalue()) <= 200_000


@pytest.mark.parametrize(
    ("said", "sent", "reason"), [(10**9, b"x", "too_large"), (100, b"x" * 50, "unreachable"), (10**40, b"", "")]
)
async def test_a_content_length_that_lies_gets_nothing_through(said: int, sent: bytes, reason: str):
    async with lying_server(said, sent) as port:
        got = await failure(Fetcher([f"127.0.0.1:{port}"], max_bytes=1000), f"http://127.0.0.1:{port}/")
        assert got == reason or not reason


async def test_what_is_sent_beyond_the_content_length_is_not_taken():
    async with lying_server(4, b"good and more") as port:
        target = io.BytesIO()
        await Fetcher([f"127.0.0.1:{port}"]).fetch(f"http://127.0.0.1:{port}/", target)
        assert target.getvalue() == b"good"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:0/", "http://127.0.0.1:65536/", "http://127.0.0.1:-1/",
     "file:///etc/passwd", "ftp://x/y", "http://", "//x/y", "http://user:pw@127.0.0.1/", "gopher://x", "http://a b/",
     "http://x/\n", "http://ex\u0430mple/", "", "http://x/" + "a" * 5000],
)  # fmt: skip
async def test_only_plain_http_urls_are_fetched(url: str):
    assert await failure(Fetcher(), url) == "bad_url"


async def test_proxies_of_the_environment_are_not_asked(server: FileServer, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await Fetcher([server.place]).fetch(server.url("/good.zip"), io.BytesIO()) == 7000


async def test_a_closed_port_an_unknown_name_and_a_404_are_failures(server: FileServer):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert await failure(Fetcher(["127.0.0.1/32"]), f"http://127.0.0.1:{port}/") == "unreachable"
    assert await failure(Fetcher([server.place]), server.url("/none")) == "refused_by_server"
    resolver, _ = answering([])
    assert await failure(Fetcher(resolver=resolver), "http://nowhere.example/") == "unresolvable"


def test_the_allow_list_takes_places_addresses_and_networks():
    allow = AllowList(["worker:9000", "[::1]:8000", "10.0.0.0/8", "192.0.2.7"])
    assert allow.place("Worker", 9000)
    assert allow.place("::1", 8000)
    assert not allow.place("worker", 80)
    assert allow.address("10.9.9.9")
    assert allow.address("192.0.2.7")
    assert not allow.address("192.0.2.8")
    assert not allow.address("::1")


@pytest.mark.parametrize("entry", ["worker", "10.0.0.0/99", ":80", "worker:http", ""])
def test_an_allow_list_entry_that_says_nothing_is_a_configuration_error(entry: str):
    with pytest.raises(ConfigurationError, match="SHADOWTWIN_CALLBACK_FETCH_ALLOW"):
        AllowList([entry])


async def test_names_are_looked_up_beside_the_threads_that_everything_else_uses():
    """A name server that never answers holds a thread until the system gives up."""
    held = threading.Event()
    with ThreadPoolExecutor(1) as everything:
        asyncio.get_running_loop().set_default_executor(everything)
        waiting = asyncio.get_running_loop().run_in_executor(None, held.wait)
        try:
            async with asyncio.timeout(5):
                assert await resolve("127.0.0.1", 80) == ["127.0.0.1"]
        finally:
            held.set()
            await waiting
