"""LanceDB and WordLlama in a process of their own, behind the same ports: whoever serves HTTP stays small (ADR 40).

The libraries cost a process about 230 MB. The process is started at the first call and ends with the one that started
it: their socket is its leash. When it dies, calls under way raise TransientError and the next call starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from shared import errors
from shared.adapters.index_identity import IndexIdentity
from shared.errors import ShadowtwinError, TransientError
from shared.ports import Census, Hit, VectorFilter, VectorRow

T = TypeVar("T")
MODULE = "shared.adapters.vector_process_main"
STOP_SECONDS = 5.0


class Target(msgspec.Struct, frozen=True, array_like=True):
    """What a call is for: a table of LanceDB in a folder, or (without a folder) the embedder."""

    folder: str = ""
    table: str = ""
    name: str = ""
    dimension: int = 0
    version: str = ""
    upkeep: bool = True


class Call(msgspec.Struct, frozen=True, array_like=True):
    """One method of a target; `args` as msgpack."""

    number: int
    target: Target
    method: str
    args: msgspec.Raw


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """Its result as msgpack, or the error: type, code, message, hint."""

    number: int
    value: msgspec.Raw
    error: tuple[str, str, str, str] | None = None


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """One message; raises IncompleteReadError when the other side is gone."""
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4)))


def frame(message: Call | Reply) -> bytes:
    """The message with its length before it."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(4) + body


class VectorProcess:
    """One process, shared by the stores and the embedder that are made over it."""

    def __init__(self) -> None:
        self._starting = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = itertools.count()

    async def call(self, target: Target, method: str, args: Sequence[Any], kind: type[T] | Any) -> T:
        """The method's result as `kind`; raises what it raises, TransientError when the process has ended."""
        async with self._starting:
            if self._writer is None:
                await self._start()
            assert self._writer is not None
            writer, number = self._writer, next(self._numbers)
            answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            self._waiting[number] = answer
        try:
            with _gone():
                writer.write(frame(Call(number, target, method, msgspec.Raw(msgspec.msgpack.encode(args)))))
                await writer.drain()
            reply = await answer
        finally:
            self._waiting.pop(number, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # asked for here, because writing may have failed first
        if reply.error is not None:
            raise _error(*reply.error)
        result: T = msgspec.msgpack.decode(reply.value, type=kind)
        return result

    async def close(self) -> None:
        """End it; a second call does nothing."""
        async with self._starting:
            process, writer, reading = self._process, self._writer, self._reading
            self._process = self._writer = self._reading = None
        if writer is not None:
            writer.close()
        if process is not None:
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        if reading is not None:
            await reading

    async def _start(self) -> None:
        ours, its = socket.socketpair()
        try:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
            # A session of its own: what ends the group of this process must not take the stores away while it drains.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", MODULE, str(its.fileno()), pass_fds=[its.fileno()], env=environment,
                stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            reader, self._writer = await asyncio.open_connection(sock=ours)
        except OSError as error:
            ours.close()
            raise TransientError("unavailable", f"The index's process cannot be started ({error.strerror}).") from error
        finally:
            its.close()
        self._reading = asyncio.create_task(self._read(reader, self._writer, self._process))

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, process: asyncio.subprocess.Process
    ) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, msgspec.MsgspecError):
            while True:
                reply = msgspec.msgpack.decode(await read_frame(reader), type=Reply)
                answer = self._waiting.get(reply.number)
                if answer is not None and not answer.done():
                    answer.set_result(reply)
        if self._writer is writer:
            self._process = self._writer = None
        writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(
                    TransientError("unavailable", "The index's process has ended; another one starts.")
                )
        await process.wait()


@contextlib.contextmanager
def _gone() -> Any:
    try:
        yield
    except OSError as error:
        raise TransientError("unavailable", "The index's process has ended; another one starts.") from error


def _error(kind: str, code: str, message: str, hint: str) -> ShadowtwinError:
    """The error that the other side has raised."""
    made = getattr(errors, kind, ShadowtwinError)
    if made is TransientError:
        return TransientError(code, message)
    known: ShadowtwinError = made(code, message, hint=hint)
    return known


class AwayVectors:
    """`VectorStore`: a LanceDB table, opened in the process. Opening it here and there is the same."""

    name = "lancedb"

    def __init__(
        self, process: VectorProcess, folder: str, table: str, made_by: IndexIdentity, *, upkeep: bool
    ) -> None:
        self._process = process
        self._target = Target(folder, table, *made_by, upkeep)

    async def open(self) -> None:
        """See VectorStore."""
        await self._call("open", [], None)

    async def close(self) -> None:
        """End the process, with all that is open in it."""
        await self._process.close()

    async def write(self, rows: Sequence[VectorRow]) -> None:
        """See VectorStore."""
        await self._call("write", [rows], None)

    async def count(self, document_id: str, generation: str, kind: str | None = None) -> int:
        """See VectorStore."""
        found: int = await self._call("count", [document_id, generation, kind], int)
        return found

    async def census(self, generations: Mapping[str, str]) -> dict[str, Census]:
        """See VectorStore."""
        found: dict[str, Census] = await self._call("census", [generations], dict[str, Census])
        return found

    async def rows_of(self, document_id: str, kind: str, *, vectors: bool = False) -> AsyncIterator[VectorRow]:
        """See VectorStore; a document's rows come in one piece."""
        for row in await self._call("rows_of", [document_id, kind, vectors], list[VectorRow]):
            yield row

    async def put_doc(self, row: VectorRow, *, insert_only: bool) -> None:
        """See VectorStore."""
        await self._call("put_doc", [row, insert_only], None)

    async def get_doc(self, document_id: str) -> VectorRow | None:
        """See VectorStore."""
        found: VectorRow | None = await self._call("get_doc", [document_id], VectorRow | None)
        return found

    async def others(self, document_id: str, generation: str) -> list[str]:
        """See VectorStore."""
        found: list[str] = await self._call("others", [document_id, generation], list[str])
        return found

    async def tidy(self, document_id: str, generations: Sequence[str]) -> int:
        """See VectorStore."""
        gone: int = await self._call("tidy", [document_id, generations], int)
        return gone

    async def delete_document(self, document_id: str) -> None:
        """See VectorStore."""
        await self._call("delete_document", [document_id], None)

    async def search(self, vector: Sequence[float], text: str, where: VectorFilter, top: int) -> list[Hit]:
        """See VectorStore."""
        found: list[Hit] = await self._call("search", [list(vector), text, where, top], list[Hit])
        return found

    async def _call(self, method: str, args: Sequence[Any], kind: Any) -> Any:
        return await self._process.call(self._target, method, args, kind)


class AwayEmbedder:
    """`Embedder`: WordLlama in the process."""

    def __init__(self, process: VectorProcess, name: str, dimension: int, version: str) -> None:
        self.name, self.dimension, self.version, self.costly = name, dimension, version, False
        self._process = process

    async def embed(self, texts: Sequence[str], *, query: bool = False) -> list[list[float]]:
        """See Embedder."""
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        made: list[list[float]] = await self._process.call(Target(), "embed", [clean, query], list[list[float]])
        return made
