"""The process of `vector_process`: answers calls over one socket until its other end is closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

import msgspec

from shared.adapters.lancedb_vectors import LanceVectors
from shared.adapters.open_on_use import OpenOnUse
from shared.adapters.vector_process import Call, Reply, Target, frame, read_frame
from shared.adapters.wordllama_embedder import WordLlamaEmbedder
from shared.errors import ConfigurationError, ShadowtwinError, TransientError, describe
from shared.log import configure
from shared.ports import VectorFilter, VectorRow

NOTHING = msgspec.Raw(b"\xc0")
ARGUMENTS: dict[str, Any] = {
    "open": tuple[()],
    "write": tuple[list[VectorRow]],
    "count": tuple[str, str, str | None],
    "census": tuple[dict[str, str]],
    "rows_of": tuple[str, str, bool],
    "put_doc": tuple[VectorRow, bool],
    "get_doc": tuple[str],
    "others": tuple[str, str],
    "tidy": tuple[str, list[str]],
    "delete_document": tuple[str],
    "search": tuple[list[float], str, VectorFilter, int],
    "embed": tuple[list[str], bool],
}


class Served:
    """Stores by target, opened at their first use, and the embedder."""

    def __init__(self) -> None:
        self._stores: dict[Target, OpenOnUse] = {}
        self._embedder = WordLlamaEmbedder()

    async def answer(self, call: Call) -> Reply:
        """The reply; never raises."""
        try:
            args = msgspec.msgpack.decode(call.args, type=ARGUMENTS[call.method])
            found = await self._do(call.target, call.method, args)
            return Reply(call.number, msgspec.Raw(msgspec.msgpack.encode(found)))
        except Exception as error:
            return Reply(call.number, NOTHING, _told(error))

    async def _do(self, target: Target, method: str, args: Any) -> Any:
        if method == "embed":
            return await self._embedder.embed(args[0], query=args[1])
        store = self._store(target)
        if method == "rows_of":
            return [row async for row in store.rows_of(args[0], args[1], vectors=args[2])]
        if method == "put_doc":
            return await store.put_doc(args[0], insert_only=args[1])
        return await getattr(store, method)(*args)

    def _store(self, target: Target) -> OpenOnUse:
        if target not in self._stores:
            made = LanceVectors(
                Path(target.folder),
                target.name,
                target.dimension,
                table=target.table,
                version=target.version,
                upkeep=target.upkeep,
            )
            self._stores[target] = OpenOnUse(made)
        return self._stores[target]

    async def close(self) -> None:
        """Close what is open."""
        for store in self._stores.values():
            await store.close()


def _told(error: Exception) -> tuple[str, str, str, str]:
    said = describe(error)
    for kind in (TransientError, ConfigurationError, ShadowtwinError):
        if isinstance(error, kind):
            return kind.__name__, said.code, said.message, said.hint
    return "ShadowtwinError", said.code, said.message, said.hint


async def serve(fd: int) -> None:
    """Answer until the other end is closed; what is under way then is finished if that is quick."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd))
    served, tasks = Served(), set()

    async def one(call: Call) -> None:
        reply = await served.answer(call)
        with contextlib.suppress(OSError):
            writer.write(frame(reply))
            await writer.drain()

    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            call = msgspec.msgpack.decode(await read_frame(reader), type=Call)
            task = asyncio.create_task(one(call))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks, timeout=1)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(served.close(), 2)


if __name__ == "__main__":
    configure("vectors")
    asyncio.run(serve(int(sys.argv[1])))
    os._exit(0)
