"""What happens inside one child: take the limits, do the work, tell the parent by frames.

A frame is four bytes of length and that many bytes of msgpack. The child parses hostile files, so nothing that it
says is unpickled, and everything it may hold or reach is taken away before the work starts.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import resource
import socket
import struct
import traceback
from collections.abc import Callable
from typing import Any, Literal, NoReturn

import msgspec

from shared.errors import ShadowtwinError, TransientError

FRAME_BYTES = 64 << 20
LENGTH = struct.Struct("!I")
DETAIL_CHARS = 16_000
MEMORY_EXIT = 86  # the exit code that says "memory" where there is none left to build a frame


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one child may use; beyond it the child is killed, or told so by the kernel.

    `memory_bytes` is RLIMIT_AS: below about 1 GiB importing pymupdf fails in misleading ways, and macOS ignores it.
    `wall_seconds` counts the time spent waiting for the child, not the parent's own work on its messages;
    `idle_seconds` is the longest silence between two messages.
    """

    memory_bytes: int = 3 << 30
    cpu_seconds: int = 300
    file_bytes: int = 1 << 30
    open_files: int = 256
    wall_seconds: float = 600.0
    idle_seconds: float = 120.0


class Request(msgspec.Struct, frozen=True, array_like=True):
    """The one frame that the parent sends."""

    target: str
    args: Any
    limits: Limits


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """What the child sends: any number of messages, then a result or an error."""

    kind: Literal["message", "result", "error"]
    body: msgspec.Raw


class Failure(msgspec.Struct, frozen=True):
    """The body of an error frame; `category` and `code` are set for errors of our own tree only."""

    type: str
    category: str | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    retry_after: float | None = None
    detail: str = ""
    memory: bool = False


OUT_OF_MEMORY = Failure("MemoryError", memory=True)


def encode_frame(body: bytes) -> bytes:
    """`body` with its length; ValueError if it is larger than a frame may be."""
    if len(body) > FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes is larger than {FRAME_BYTES}: send it in parts")
    return LENGTH.pack(len(body)) + body


def serve(channel: socket.socket) -> NoReturn:
    """Read the request, do it, answer, end. Never returns, runs no exit handlers of the preloaded modules."""
    code = 1
    try:
        request = _receive(channel)
        _limit(request.limits)
        channel.sendall(_answer(channel, request))
        code = 0
    except ConnectionError:
        pass  # the parent has gone or hung up: there is nobody to tell
    except MemoryError:
        code = MEMORY_EXIT
    finally:
        os._exit(code)


def _answer(channel: socket.socket, request: Request) -> bytes:
    def send(message: Any) -> None:
        channel.sendall(_frame("message", message))

    try:
        return _frame("result", _resolve(request.target)(request.args, send))
    except BaseException as exc:
        return _frame("error", _failure(exc))


def _resolve(target: str) -> Callable[[Any, Callable[[Any], None]], Any]:
    module, _, name = target.partition(":")
    function: Callable[[Any, Callable[[Any], None]], Any] = getattr(importlib.import_module(module), name)
    return function


def _receive(channel: socket.socket) -> Request:
    (length,) = LENGTH.unpack(_exactly(channel, LENGTH.size))
    return msgspec.msgpack.decode(_exactly(channel, length), type=Request)


def _exactly(channel: socket.socket, size: int) -> bytearray:
    data = bytearray()
    while len(data) < size:
        part = channel.recv(min(size - len(data), 1 << 18))
        if not part:
            raise ConnectionError("the parent hung up")
        data += part
    return data


def _frame(kind: Literal["message", "result", "error"], body: Any) -> bytes:
    raw = msgspec.Raw(msgspec.msgpack.encode(body))
    return encode_frame(msgspec.msgpack.encode(Frame(kind, raw)))


def _limit(limits: Limits) -> None:
    for kind, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, limits.file_bytes, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
        (resource.RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1),
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
    ):
        # A stricter limit of the surroundings stays; macOS refuses some of these altogether.
        with contextlib.suppress(ValueError, OSError):
            ceiling = resource.getrlimit(kind)[1]
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = min(soft, ceiling), min(hard, ceiling)
            resource.setrlimit(kind, (soft, hard))


def _failure(exc: BaseException) -> Failure:
    if _is_memory(exc):
        return OUT_OF_MEMORY
    name = type(exc).__name__
    if isinstance(exc, ShadowtwinError):
        retry_after = exc.retry_after if isinstance(exc, TransientError) else None
        return Failure(name, exc.category, exc.code, exc.message, exc.hint, retry_after)
    return Failure(name, detail="".join(traceback.format_exception(exc))[-DETAIL_CHARS:])


def _is_memory(exc: BaseException) -> bool:
    """Python's own error, the kernel's, or that of a C library which says "malloc ... failed" as MuPDF does."""
    if isinstance(exc, MemoryError) or (isinstance(exc, OSError) and exc.errno == errno.ENOMEM):
        return True
    return not isinstance(exc, ShadowtwinError) and "alloc" in str(exc)[:200] and "failed" in str(exc)[:200]
