"""A proxy for any protocol over TCP; subclasses cut the stream into messages and decide about each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from infra.faults.trap import Trap

PIECE = 1 << 16


class TcpProxy:
    """`async with TcpProxy(port_of)`; `away` = refuse and cut every connection, as if the server were down."""

    def __init__(self, target: Callable[[], int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._traps: list[Trap] = []
        self._away = False
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for trap in self._traps:
            trap.drop()
        if self._server is not None:
            self._server.close()
        self.cut()

    def go_away(self) -> None:
        """From now on nobody gets through."""
        self._away = True
        self.cut()

    def come_back(self) -> None:
        """The server is there again."""
        self._away = False

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        self._writers.add(writer)
        try:
            if not self._away:
                upstream = await asyncio.open_connection("127.0.0.1", self._target())
                ends.append(upstream[1])
                self._writers.add(upstream[1])
                await self._join((reader, writer), upstream)
        except OSError:
            pass
        finally:
            for end in ends:
                self._writers.discard(end)
                end.transport.abort()

    async def _join(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Both directions until one of them ends."""
        ways = {
            asyncio.create_task(self.requests(client[0], server[1])),
            asyncio.create_task(self.answers(server[0], client[1])),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the client to the server."""
        await pipe(reader, writer)

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the server to the client."""
        await pipe(reader, writer)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on everything until the end."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()


class NatsProxy(TcpProxy):
    """Knows what a client publishes: events and acknowledgements."""

    def __init__(self, target: Callable[[], int]) -> None:
        super().__init__(target)
        self._wanted: list[tuple[Callable[[str, bytes], bool], Trap]] = []

    @property
    def url(self) -> str:
        """Where services find it."""
        return f"nats://127.0.0.1:{self.port}"

    def trap(self, what: str, matches: Callable[[str, bytes], bool]) -> Trap:
        """Hold the next publication whose subject and payload (headers included) match."""
        trap = Trap(what)
        self._traps.append(trap)
        self._wanted.append((matches, trap))
        return trap

    def trap_ack(self, consumer: str) -> Trap:
        """Hold the next acknowledgement to a durable consumer."""

        def matches(subject: str, payload: bytes) -> bool:
            acknowledged = payload.rstrip() in (b"+ACK", b"")
            return acknowledged and subject.startswith("$JS.ACK.") and f".{consumer}." in subject

        return self.trap(f"ack to {consumer}", matches)

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Frame by frame: `PUB subject [reply] size`, `HPUB subject [reply] headers size`, everything else a line."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                words = line.split()
                payload = b""
                if words and words[0].upper() in (b"PUB", b"HPUB"):
                    payload = await reader.readexactly(int(words[-1]) + 2)
                    if not await self._allowed(words[1].decode(), payload):
                        return
                writer.write(line + payload)
                await writer.drain()

    async def _allowed(self, subject: str, payload: bytes) -> bool:
        for matches, trap in self._wanted:
            if trap.armed and matches(subject, payload):
                return await trap.hold()
        return True


class MongoProxy(TcpProxy):
    """Can lose the answer to a write that the server has carried out, and can be slow."""

    WRITES = (b"update\0", b"insert\0", b"delete\0", b"findAndModify\0")

    def __init__(self, target: Callable[[], int]) -> None:
        super().__init__(target)
        self.lose_every = 0
        """Of so many writes one loses its answer; 0: none."""
        self.delay = 0.0
        self.lost = 0
        self._writes = 0
        self._losing: set[int] = set()

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Message by message."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                message = await _mongo_message(reader)
                await asyncio.sleep(self.delay)
                if self.lose_every and any(message[25:45].startswith(verb) for verb in self._verbs()):
                    self._writes += 1
                    if self._writes % self.lose_every == 0:
                        self._losing.add(int.from_bytes(message[4:8], "little"))
                writer.write(message)
                await writer.drain()

    async def answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """An answer to be lost breaks its connection instead."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                message = await _mongo_message(reader)
                asked = int.from_bytes(message[8:12], "little")
                if asked in self._losing:
                    self._losing.discard(asked)
                    self.lost += 1
                    return
                writer.write(message)
                await writer.drain()

    def _verbs(self) -> tuple[bytes, ...]:
        return tuple(b"\x02" + verb for verb in self.WRITES)


async def _mongo_message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "little") - 4)
