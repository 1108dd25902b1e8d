"""The parent's side of one child: its two sockets, what it says, and how its end is told.

Everything the child sends is judged as hostile: sizes, types and codes are checked, nothing is believed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import msgspec

from shared.child_main import FRAME_BYTES, LENGTH, MEMORY_EXIT, Failure, Frame, Limits
from shared.errors import CATALOGUE, ConfigurationError, DocumentError, RequestError, ShadowtwinError, TransientError
from shared.forkserver import FORK, KILL, NUMBER

Kind = Literal["crash", "timeout", "idle", "memory", "cpu", "lost"]
T = TypeVar("T")
OnMessage = Callable[[Any], Awaitable[float | None]]
"""Takes a child's message; may return how long, in seconds, the next one may take instead of `idle_seconds`."""
_REAP_SECONDS = 1.0
_PART_BYTES = 1 << 18
_TEXT_CHARS = 2_000
_DETAIL_CHARS = 16_000
_ERRORS: dict[str, type[ShadowtwinError]] = {
    kind.category: kind for kind in (ShadowtwinError, DocumentError, RequestError, ConfigurationError)
}
_FRAME = msgspec.msgpack.Decoder(Frame)
_FAILURE = msgspec.msgpack.Decoder(Failure)


class ChildFailed(Exception):
    """The child ended without an answer. `detail` names signal or exit code, `last_message` what it said last."""

    def __init__(self, kind: Kind, detail: str, last_message: Any = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.last_message = last_message


class ChildRaised(ShadowtwinError):
    """The child raised something unforeseen; `detail` is its traceback, for the log only: it may quote the file."""

    def __init__(self, type_name: str, detail: str) -> None:
        super().__init__("internal", f"{CATALOGUE['internal'].message} ({type_name})")
        self.detail = detail


class Child:
    """The two sockets of a running child: its data, and the leash on which the server tells pid and exit code."""

    def __init__(self, data: asyncio.StreamReader, writer: asyncio.StreamWriter, leash: socket.socket) -> None:
        self.data, self.writer = data, writer
        self._leash = leash
        self._told = b""
        leash.setblocking(False)

    @classmethod
    async def fork(cls, control: socket.socket) -> Child:
        data, its_data = socket.socketpair()
        leash, its_leash = socket.socketpair()
        try:
            with its_data, its_leash:
                while True:
                    try:
                        socket.send_fds(control, [FORK], [its_data.fileno(), its_leash.fileno()])
                        reader, writer = await asyncio.open_connection(sock=data, limit=_PART_BYTES)
                        return cls(reader, writer, leash)
                    except BlockingIOError:
                        await asyncio.sleep(0.005)
        except BaseException:
            data.close()
            leash.close()
            raise

    async def exit_code(self) -> int | None:
        """How the child ended (negative: by that signal); None if the server died and cannot say."""
        loop = asyncio.get_running_loop()
        while len(self._told) < 2 * NUMBER.size:
            try:
                part = await loop.sock_recv(self._leash, 64)
            except ConnectionError:
                part = b""
            if not part:
                self._kill_in_the_servers_place()
                return None
            self._told += part
        return int(NUMBER.unpack(self._told[NUMBER.size : 2 * NUMBER.size])[0])

    async def end(self) -> None:
        """Kill the child if it still runs, wait until it is reaped, close both sockets."""
        try:
            self.writer.transport.abort()  # what the child was not sent yet it need not read any more
            with contextlib.suppress(OSError):
                self._leash.send(KILL)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REAP_SECONDS):
                    await self.exit_code()
        finally:
            self._leash.close()  # letting go kills as well

    def _kill_in_the_servers_place(self) -> None:
        if len(self._told) == NUMBER.size:
            with contextlib.suppress(OSError):
                os.killpg(NUMBER.unpack(self._told)[0], signal.SIGKILL)


class Conversation:
    """Reads one child's frames within its limits and turns its end into a result or an exception."""

    def __init__(self, child: Child, limits: Limits, on_message: OnMessage) -> None:
        self._child = child
        self._idle = self._usual = limits.idle_seconds
        self._left = limits.wall_seconds
        self._on_message = on_message
        self._last: Any = None
        self._come = bytearray()
        """What has come and was not looked at yet: frames that were sent together need one wait."""

    async def hold(
        self, request: bytes, message: msgspec.msgpack.Decoder[Any], result: msgspec.msgpack.Decoder[Any]
    ) -> Any:
        """Send the request, hand on the messages, return the result; ChildFailed and our own errors else."""
        with contextlib.suppress(ConnectionError):  # it died before it read: the missing frame will tell
            self._child.writer.write(request)
            await self._within(self._child.writer.drain())
        while True:
            come = self._whole_frame()
            frame = self._decoded(_FRAME, await self._within(self._frame()) if come is None else come)
            if frame.kind == "result":
                return self._decoded(result, frame.body)
            if frame.kind == "error":
                raise self._raised(self._decoded(_FAILURE, frame.body))
            self._last = self._decoded(message, frame.body)
            self._idle = await self._on_message(self._last) or self._usual
            await asyncio.sleep(0)  # a child that talks without a pause must not keep the loop to itself

    async def _within(self, step: Awaitable[T]) -> T:
        """`step` within what is left of the limits; only time spent waiting for the child counts."""
        seconds = min(self._idle, self._left)
        started = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await step
        except TimeoutError:
            kind: Kind = "idle" if self._idle < self._left else "timeout"
            raise ChildFailed(kind, f"killed after {seconds:.1f} s without an answer", self._last) from None
        finally:
            self._left -= time.monotonic() - started

    async def _frame(self) -> bytearray:
        """The next frame, waited for."""
        while (frame := self._whole_frame()) is None:
            try:
                part = await self._child.data.read(_PART_BYTES)
            except ConnectionError:
                part = b""
            if not part:
                raise self._ended(await self._child.exit_code())
            self._come += part
        return frame

    def _whole_frame(self) -> bytearray | None:
        """The next frame, if all of it has come."""
        if len(self._come) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._come)
        if length > FRAME_BYTES:
            raise ChildFailed("crash", f"it sent a frame of {length} bytes, more than {FRAME_BYTES}", self._last)
        end = LENGTH.size + length
        if len(self._come) < end:
            return None
        frame = self._come[LENGTH.size : end]
        del self._come[:end]
        return frame

    def _decoded(self, decoder: msgspec.msgpack.Decoder[T], data: bytearray | msgspec.Raw) -> T:
        try:
            return decoder.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
            raise ChildFailed("crash", f"it sent what does not fit ({type(exc).__name__})", self._last) from None

    def _ended(self, code: int | None) -> ChildFailed:
        if code is None:
            return ChildFailed("lost", "the forkserver died, or could not start it", self._last)
        if code == MEMORY_EXIT:
            return ChildFailed("memory", "out of memory", self._last)
        if code == -signal.SIGKILL:  # not ours: then nobody would be listening any more
            return ChildFailed(
                "memory", "killed from outside, probably because the machine ran out of memory", self._last
            )
        if code == -signal.SIGXCPU:
            return ChildFailed("cpu", "used up its CPU seconds", self._last)
        if code >= 0:
            return ChildFailed("crash", f"exit code {code} without an answer", self._last)
        with contextlib.suppress(ValueError):
            return ChildFailed("crash", f"signal {-code} ({signal.Signals(-code).name})", self._last)
        return ChildFailed("crash", f"signal {-code}", self._last)

    def _raised(self, failure: Failure) -> Exception:
        if failure.memory:
            return ChildFailed("memory", "out of memory", self._last)
        code, message = failure.code, (failure.message or "")[:_TEXT_CHARS]
        if code in CATALOGUE and failure.category == TransientError.category:
            return TransientError(code, message, retry_after=failure.retry_after)
        if code in CATALOGUE and failure.category in _ERRORS:
            return _ERRORS[failure.category](code, message, hint=(failure.hint or "")[:_TEXT_CHARS])
        name = failure.type if failure.type.isidentifier() else "unknown"
        return ChildRaised(name[:80], failure.detail[:_DETAIL_CHARS])
