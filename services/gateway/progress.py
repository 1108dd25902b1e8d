"""How far work in the background is, where every gateway sees it: in storage, as `_progress/{kind}/{handle}/state`.

The work itself is one gateway's. It writes the state every second, also while nothing changes: a state that has not
been written for a while is told as ended, with what to do. No library can be called `_progress`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from shared.cursor import milliseconds
from shared.errors import RequestError, ShadowtwinError, describe
from shared.job import utc_now
from shared.ports import Storage

logger = logging.getLogger("progress")

FOLDER = "_progress"
EVERY = 1.0
"""Seconds between two writes; more where a write takes long, but never so many that it looks like silence."""
SELDOM = 10.0
SILENT = timedelta(minutes=2)
KEPT = timedelta(days=7)
MOST = 500
"""Works of a kind that are kept, the newest."""
REFUSED_KEPT = 1_000
ENDED = "The gateway that was at it has ended. Ask for the same again: what is done already is left alone."
_HANDLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class State(Protocol):
    """What is shown of a work."""

    handle: str
    finished: bool
    error: str


class Refusing(Protocol):
    """What is shown of a work that single jobs or documents may be refused in."""

    refused: dict[str, str]
    refusals: int


def refuse(state: Refusing, name: str, reason: str) -> None:
    """Note one that was refused: all are counted, the first REFUSED_KEPT are named."""
    state.refusals += 1
    if len(state.refused) < REFUSED_KEPT:
        state.refused[name] = reason


S = TypeVar("S", bound=State)


class _Written(msgspec.Struct, frozen=True):
    """A file: when it was written, milliseconds of the store's clock, and the state."""

    at: int
    state: msgspec.Raw


def new_handle() -> str:
    """A UUID of version 7: it begins with the time, so that the old ones are known by their names."""
    chance = secrets.randbits(74)
    head = milliseconds(utc_now()) << 80 | 0x7 << 76 | (chance >> 62) << 64
    return str(uuid.UUID(int=head | 0b10 << 62 | chance & (1 << 62) - 1))


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
        await self._begin(state, work)
        self._spawn(self._run(state, work))
        return state

    async def do(self, state: S, work: Coroutine[Any, Any, None]) -> S:
        """Do the work now; it can be asked for afterwards like any other. Raises what the work raises."""
        await self._begin(state, work)
        try:
            await work
        except BaseException:
            del self._own[state.handle]
            raise
        state.finished = True
        try:
            await self._write(state)
            del self._own[state.handle]
        except (ShadowtwinError, OSError):
            self._spawn(self._write_at_last(state))
        return state

    async def state(self, handle: str) -> S:
        """How far it is; raises RequestError not_found."""
        if handle in self._own:
            return self._own[handle]
        written = await self._read(handle) if _HANDLE.fullmatch(handle) else None
        if written is None:
            raise RequestError("not_found", f"There is no such handle (they are kept for {KEPT.days} days).")
        at, state = written
        if not state.finished and milliseconds(await self._now() - SILENT) > at:
            state.finished, state.error = True, ENDED
        return state

    async def attach(self, handle: str, content: Any) -> None:
        """Keep something beside the state that is not shown with it."""
        await self._storage.write(f"{self._folder}/{handle}/attached", msgspec.json.encode(content))

    async def attached(self, handle: str, shape: type[Any]) -> Any:
        """What was kept so; raises RequestError not_found."""
        await self.state(handle)
        return msgspec.json.decode(await self._storage.read(f"{self._folder}/{handle}/attached"), type=shape)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _begin(self, state: S, work: Coroutine[Any, Any, None]) -> None:
        try:
            await self._write(state)
        except BaseException:
            work.close()
            raise
        self._own[state.handle] = state
        self._spawn(self._forget_old())

    async def _run(self, state: S, work: Coroutine[Any, Any, None]) -> None:
        ended = asyncio.Event()
        writing = asyncio.create_task(self._keep_writing(state, ended))
        try:
            await work
        except Exception as error:
            logger.exception("work in the background ended early")
            state.error = describe(error).message.encode("utf-8", "replace").decode()
        # Not cancelled: a write under way would go on beside the last one, and might come after it.
        ended.set()
        await writing
        state.finished = True
        await self._write_at_last(state)

    async def _keep_writing(self, state: S, ended: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        pause = self._every
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await ended.wait()
            if ended.is_set():
                return
            began = loop.time()
            try:
                await self._write(state)
            except Exception:
                logger.warning("progress cannot be written", exc_info=True, extra={"handle": state.handle})
            pause = max(self._every, min(10 * (loop.time() - began), SELDOM))

    async def _write_at_last(self, state: S) -> None:
        """The end of a work is told however long the storage is away; until then this gateway knows it alone."""
        pause = self._every
        try:
            while True:
                try:
                    await self._write(state)
                    return
                except (ShadowtwinError, OSError):
                    logger.warning("the end of a work cannot be written yet", extra={"handle": state.handle})
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 60.0)
        finally:
            self._own.pop(state.handle, None)

    async def _write(self, state: S) -> None:
        content = msgspec.json.encode(state)
        at = milliseconds(await self._now())
        written = msgspec.json.encode(_Written(at, msgspec.Raw(content)))
        await self._storage.write(f"{self._folder}/{state.handle}/state", written)

    async def _read(self, handle: str) -> tuple[int, S] | None:
        try:
            content = await self._storage.read(f"{self._folder}/{handle}/state")
            written = msgspec.json.decode(content, type=_Written)
            return written.at, msgspec.json.decode(written.state, type=self._shape)
        except msgspec.MsgspecError:
            logger.warning("a progress cannot be read", exc_info=True, extra={"handle": handle})
        except ShadowtwinError as error:
            if error.code != "artefact_missing":
                raise
        return None

    async def _forget_old(self) -> None:
        """Those that are too old, and the oldest of too many; what fails is tried again with the next work."""
        try:
            before = milliseconds(utc_now() - KEPT)
            handles = sorted([name async for name in self._storage.names(self._folder) if _HANDLE.fullmatch(name)])
            young = [handle for handle in handles if uuid.UUID(handle).int >> 80 >= before]
            for handle in set(handles) - set(young[-MOST:]) - self._own.keys():
                await self._storage.delete_prefix(f"{self._folder}/{handle}")
        except (ShadowtwinError, OSError):
            logger.warning("old progress is left behind", exc_info=True)
