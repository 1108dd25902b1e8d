"""How far work in the background is, where every gateway sees it: in storage, as `_progress/{kind}/{handle}.json`.

The work itself is one gateway's. It writes the state every second, also while nothing changes: a state that has not
been written for a while is told as ended, with what to do. No library can be called `_progress`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from shared.cursor import milliseconds
from shared.errors import RequestError, ShadowtwinError, describe
from shared.ports import Storage

logger = logging.getLogger("progress")

FOLDER = "_progress"
EVERY = 1.0
"""Seconds between two writes; more where a write takes long."""
SILENT = timedelta(minutes=1)
KEPT = timedelta(days=7)
MOST = 200
"""Files of a kind from which on old ones are looked for."""
ENDED = "The gateway that was at it has ended. Ask for the same again: what is done already is left alone."
_HANDLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class State(Protocol):
    """What is shown of a work."""

    handle: str
    finished: bool
    error: str


S = TypeVar("S", bound=State)


class _Written(msgspec.Struct, frozen=True):
    """A file: when it was written, milliseconds of the store's clock, and the state."""

    at: int
    state: msgspec.Raw


class Progress(Generic[S]):
    """The works of one kind. `now` is the job store's clock."""

    def __init__(
        self, storage: Storage, kind: str, shape: type[S], now: Callable[[], Awaitable[datetime]], every: float = EVERY
    ) -> None:
        self._storage, self._folder, self._shape, self._now = storage, f"{FOLDER}/{kind}", shape, now
        self._every = every
        self._own: dict[str, S] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, state: S, work: Coroutine[Any, Any, None]) -> S:
        """Do the work in the background; on return every gateway knows of it."""
        try:
            await self._forget_old()
            await self._write(state)
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(self._run(state, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return state

    async def do(self, state: S, work: Coroutine[Any, Any, None]) -> S:
        """Do the work now; it can be asked for afterwards like any other. Raises what the work raises."""
        await work
        state.finished = True
        await self._write(state)
        return state

    async def state(self, handle: str) -> S:
        """How far it is; raises RequestError not_found."""
        if handle in self._own:
            return self._own[handle]
        written = await self._read(handle) if _HANDLE.fullmatch(handle) else None
        if written is None:
            raise RequestError("not_found", f"There is no such handle (they are kept for {KEPT.days} days).")
        state = msgspec.json.decode(written.state, type=self._shape)
        if not state.finished and milliseconds(await self._now() - SILENT) > written.at:
            state.finished, state.error = True, ENDED
        return state

    async def attach(self, handle: str, content: Any) -> None:
        """Keep something beside the state that is not shown with it."""
        await self._storage.write(f"{self._folder}/{handle}/attached", msgspec.json.encode(content))

    async def attached(self, handle: str, shape: type[Any]) -> Any:
        """What was kept so; raises RequestError not_found."""
        await self.state(handle)
        return msgspec.json.decode(await self._storage.read(f"{self._folder}/{handle}/attached"), type=shape)

    async def _run(self, state: S, work: Coroutine[Any, Any, None]) -> None:
        self._own[state.handle] = state
        writing = asyncio.create_task(self._keep_writing(state))
        try:
            await work
        except Exception as error:
            logger.exception("work in the background ended early")
            state.error = describe(error).message
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
        state.finished = True
        await self._write_at_last(state)
        del self._own[state.handle]

    async def _keep_writing(self, state: S) -> None:
        loop = asyncio.get_running_loop()
        pause = self._every
        while True:
            await asyncio.sleep(pause)
            began = loop.time()
            with contextlib.suppress(ShadowtwinError, OSError):
                await self._write(state)
            pause = max(self._every, 10 * (loop.time() - began))

    async def _write_at_last(self, state: S) -> None:
        """The end of a work is told however long the storage is away; until then this gateway knows it alone."""
        pause = self._every
        while True:
            try:
                await self._write(state)
                return
            except (ShadowtwinError, OSError):
                logger.warning("the end of a work cannot be written yet", extra={"handle": state.handle})
                await asyncio.sleep(pause)
                pause = min(2 * pause, 60.0)

    async def _write(self, state: S) -> None:
        at = milliseconds(await self._now())
        content = msgspec.json.encode(_Written(at, msgspec.Raw(msgspec.json.encode(state))))
        await self._storage.write(f"{self._folder}/{state.handle}/state", content)

    async def _read(self, handle: str) -> _Written | None:
        try:
            return msgspec.json.decode(await self._storage.read(f"{self._folder}/{handle}/state"), type=_Written)
        except ShadowtwinError as error:
            if error.code != "artefact_missing":
                raise
            return None

    async def _forget_old(self) -> None:
        handles = [name async for name in self._storage.names(self._folder)]
        if len(handles) < MOST:
            return
        before = milliseconds(await self._now() - KEPT)
        for handle in handles:
            written = await self._read(handle)
            if written is None or written.at < before:
                await self._storage.delete_prefix(f"{self._folder}/{handle}")
